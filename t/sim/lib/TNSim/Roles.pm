# SPDX-License-Identifier: Apache-2.0
# Which roles contain which, and whether a caller may call a method.
package TNSim::Roles;
use v5.36;

my @ISCSI = map {"SHARING_ISCSI_$_"}
    qw(AUTH EXTENT GLOBAL HOST INITIATOR PORTAL TARGET TARGETEXTENT);
my %CONTAINS = (
    SHARING_ADMIN => [qw(READONLY_ADMIN SHARING_WRITE DATASET_WRITE)],
    SHARING_WRITE => [qw(SHARING_ISCSI_WRITE SHARING_NFS_WRITE SHARING_NVME_TARGET_WRITE)],
    SHARING_READ  => [qw(SHARING_ISCSI_READ SHARING_NFS_READ SHARING_NVME_TARGET_READ)],
    SHARING_ISCSI_WRITE => [map {"${_}_WRITE"} @ISCSI],
    SHARING_ISCSI_READ  => [map {"${_}_READ"} @ISCSI],
);

# Methods without a role that anybody who is logged in may call.
my $ANYBODY = qr/\A(?:core\.|auth\.(?:me|logout|login|mechanism_choices|generate_token)
                 |system\.(?:ready|state|version|product_type|boot_id)|api_key\.my_keys)/x;

# Every role that the given ones contain, themselves included.
sub expand (@roles) {
    my %all;
    while (defined(my $role = shift @roles)) {
        next if $all{$role}++;
        push @roles, @{ $CONTAINS{$role} // [] };
        push @roles, "$1_READ" if $role =~ /\A(.+)_WRITE\z/;
    }
    return \%all;
}

# user: {full => 0|1, roles => expanded set}; wanted: role names, any of which is enough.
sub may ($user, $method, $wanted) {
    return 1 if $user->{full};
    return 0 if !@$wanted && $method !~ $ANYBODY;
    return 1 if !@$wanted;
    my $has = $user->{roles};
    for my $role (@$wanted) {
        return 1 if $has->{$role};
        return 1 if $role =~ /_READ\z/ && $has->{READONLY_ADMIN};
    }
    return 0;
}

1;
