# SPDX-License-Identifier: Apache-2.0
# Native and user properties: their defaults, where a value comes from, and how it is shown.
package TNSim::Model::ZFS::Properties;
use v5.36;

# name => [default, which type of dataset has it]; all of these are inherited by children.
my %NATIVE = (
    aclmode                  => ['discard',   'FILESYSTEM'],
    acltype                  => ['posix',     'FILESYSTEM'],
    atime                    => ['on',        'FILESYSTEM'],
    casesensitivity          => ['sensitive', 'FILESYSTEM'],
    checksum                 => ['on'],
    compression              => ['on'],
    copies                   => ['1'],
    deduplication            => ['off'],
    exec                     => ['on', 'FILESYSTEM'],
    readonly                 => ['off'],
    recordsize               => ['131072', 'FILESYSTEM'],
    snapdev                  => ['hidden'],
    snapdir                  => ['hidden', 'FILESYSTEM'],
    special_small_block_size => ['0'],
    sync                     => ['standard'],
    xattr                    => ['sa', 'FILESYSTEM'],
);

sub native_properties ($self, $type) {
    return grep { !defined $NATIVE{$_}[1] || $NATIVE{$_}[1] eq $type } sort keys %NATIVE;
}

sub is_native ($self, $name) { return exists $NATIVE{$name} }

# (value, LOCAL|INHERITED|DEFAULT, the dataset it is inherited from).
sub native_value ($self, $ds, $property) {
    my $value = $ds->{props}{$property};
    return ($value, 'LOCAL', undef) if defined $value;
    my $at = $ds->{name};
    while (defined($at = $self->parent_of($at))) {
        $value = $self->{dataset}{$at}{props}{$property};
        return ($value, 'INHERITED', $at) if defined $value;
    }
    return ($NATIVE{$property}[0], 'DEFAULT', undef);
}

# All user properties with where they come from: { key => [value, source, from] }.
sub user_values ($self, $ds) {
    my %value = map { $_ => [$ds->{user}{$_}, 'LOCAL', undef] } keys %{ $ds->{user} };
    my $at    = $ds->{name};
    while (defined($at = $self->parent_of($at))) {
        my $above = $self->{dataset}{$at}{user};
        $value{$_} //= [$above->{$_}, 'INHERITED', $at] for keys %$above;
    }
    return \%value;
}

1;
