# SPDX-License-Identifier: Apache-2.0
# What every method module needs: commit after the call, and ZFS' refusals as call errors.
package TNSim::Model::Handler;
use v5.36;
use Exporter 'import';
use JSON::PP ();
use TNSim::Error;
use TNSim::Model::Refusal;

our @EXPORT_OK = qw(methods_of zfs_call bool simple_filter);

sub bool ($value) { return $value ? JSON::PP::true : JSON::PP::false }

# Whatever a call changed is in the journal before its answer leaves, also when it failed
# half way: that is what a crash of the NAS would leave behind.
sub methods_of (%method) {
    for my $entry (values %method) {
        my $code = $entry->{code};
        $entry->{code} = sub ($call) {
            my $result;
            $call->world->rows->look;
            my $done  = eval { $result = $code->($call); 1 };
            my $error = $@;
            $call->world->commit;
            die $error unless $done;
            return $result;
        };
    }
    return \%method;
}

# Runs ZFS work; a refusal becomes a call error with the middleware's words before it.
sub zfs_call ($before, $code, $errname = undef) {
    my $result;
    return $result if eval { $result = $code->(); 1 };
    my $refusal = TNSim::Model::Refusal->caught($@) or die $@;
    die TNSim::Error->call($errname // 'EFAULT', $before . $refusal->text);
}

# The value of a lone ["field", "=", value], so that one row need not cost a walk over all.
sub simple_filter ($filters, @fields) {
    return undef unless ref $filters eq 'ARRAY' && @$filters == 1;
    my $one = $filters->[0];
    return undef
        unless ref $one eq 'ARRAY' && @$one == 3 && !ref $one->[0] && $one->[1] eq '=';
    return undef if ref $one->[2] || !defined $one->[2];
    return (grep { $one->[0] eq $_ } @fields) ? $one->[2] : undef;
}

1;
