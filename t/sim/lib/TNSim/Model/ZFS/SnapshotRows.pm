# SPDX-License-Identifier: Apache-2.0
# Rows of snapshots: zfs.snapshot and pool.snapshot, and the other shape of zfs.resource.snapshot.
package TNSim::Model::ZFS::SnapshotRows;
use v5.36;
use TNSim::Model::ZFS::Rows;

sub new ($class, $zfs, $rows) { return bless { zfs => $zfs, rows => $rows }, $class }

sub _entry ($raw, $parsed, $value, $source = 'NONE') {
    return { rawvalue => "$raw", parsed => $parsed, value => "$value", source => $source };
}

my %PROPERTY = (
    creation => sub ($self, $s) {
        _entry(
            $s->{creation}, { '$date' => $s->{creation} * 1000 },
            TNSim::Model::ZFS::Rows::time_text($s->{creation})
        );
    },
    createtxg  => sub ($self, $s) { _entry($s->{txg},  "$s->{txg}",  $s->{txg}) },
    guid       => sub ($self, $s) { _entry($s->{guid}, "$s->{guid}", $s->{guid}) },
    used       => sub ($self, $s) { $self->_size($s->{used}) },
    referenced => sub ($self, $s) { $self->_size($s->{ref}) },
    volsize    =>
        sub ($self, $s) { defined $s->{volsize} ? $self->_size($s->{volsize}) : undef },
    userrefs => sub ($self, $s) {
        my $n = keys %{ $s->{holds} };
        _entry($n, $n, $n);
    },
    defer_destroy => sub ($self, $s) {
        my $on = $s->{deferred} ? 'on' : 'off';
        _entry($on, $on, $on);
    },
    clones => sub ($self, $s) {
        my $list = join ',', $self->{zfs}->clones_of($s->{name});
        _entry($list, $list, $list);
    },
);

sub _size ($self, $bytes) {
    return _entry($bytes, $bytes + 0, $self->{rows}->size_text($bytes));
}

sub _properties ($self, $snap, $wanted) {
    my %out;
    for my $name (grep { $PROPERTY{$_} } defined $wanted ? @$wanted : keys %PROPERTY) {
        my $entry = $PROPERTY{$name}->($self, $snap) // next;
        $out{$name} = $entry;
    }
    return \%out;
}

sub _user ($self, $snap) {
    my $head = $self->{zfs}->user_values($self->{zfs}->find($snap->{dataset}));
    my %user = map { $_ => [$head->{$_}[0], 'INHERITED'] } keys %$head;
    $user{$_} = [$snap->{user}{$_}, 'LOCAL'] for keys %{ $snap->{user} };
    return \%user;
}

# %want: properties (list or undef), holds. A query of 26 always shows holds, empty unless asked
# for, and never user properties.
sub row ($self, $snap, %want) {
    my $zfs   = $self->{zfs};
    my $new   = $zfs->is_on('snapshot_properties_empty');
    my $props = $new
        && !defined $want{properties} ? {} : $self->_properties($snap, $want{properties});
    my $user = $new ? {} : $self->_user($snap);
    $props->{$_} = _entry($user->{$_}[0], $user->{$_}[0], @{ $user->{$_} }) for keys %$user;
    my $row = {
        id => $snap->{name}, name => $snap->{name}, pool => $zfs->pool_of($snap->{name}),
        type          => 'SNAPSHOT',                      dataset   => $snap->{dataset},
        snapshot_name => $snap->{name} =~ s/\A[^@]+\@//r, createtxg => "$snap->{txg}",
        properties    => $props,
    };
    if ($new && exists $want{holds}) {
        $row->{holds} = $want{holds} && $snap->{holds}{truenas} ? { truenas => 1 } : {};
    }
    elsif ($want{holds}) {
        $row->{holds} = { map { $_ => $snap->{holds}{$_} + 0 } keys %{ $snap->{holds} } };
    }
    return $row;
}

# zfs.resource.snapshot: %want as that method's arguments.
sub resource_row ($self, $snap, %want) {
    my $props = $want{properties};
    my $shown;
    if (defined $props && @$props) {
        my $all = $self->_properties($snap, $props);
        $shown = {
            map {
                my $entry = $all->{$_};
                $_ => {
                    raw   => $entry->{rawvalue},
                    value => ref $entry->{parsed}
                    ? $snap->{creation} + 0
                    : $entry->{parsed},
                    source => $want{get_source}
                    ? { type => 'NONE', value => undef }
                    : undef,
                }
            } keys %$all
        };
    }
    my $user = $want{get_user_properties} ? $self->_user($snap) : undef;
    return {
        name          => $snap->{name},                        dataset => $snap->{dataset},
        pool          => $self->{zfs}->pool_of($snap->{name}), type    => 'SNAPSHOT',
        snapshot_name => $snap->{name} =~ s/\A[^@]+\@//r,
        createtxg     => $snap->{txg} + 0, guid => $snap->{guid} + 0, properties => $shown,
        holds         => $want{get_holds}
            && %{ $snap->{holds} } ? [sort keys %{ $snap->{holds} }] : undef,
        user_properties => $user ? { map { $_ => $user->{$_}[0] } keys %$user } : undef,
    };
}

1;
