# SPDX-License-Identifier: Apache-2.0
# pool.dataset rows: the property objects in the words of each release.
package TNSim::Model::ZFS::Rows;
use v5.36;
use POSIX                 ();
use TNSim::Model::Handler qw(bool);

# User properties of the middleware's own that a row shows under another name.
my %OWN = (
    'org.freenas:description'       => 'comments',
    'org.truenas:managedby'         => 'managedby',
    'org.freenas:quota_warning'     => 'quota_warning',
    'org.freenas:quota_critical'    => 'quota_critical',
    'org.freenas:refquota_warning'  => 'refquota_warning',
    'org.freenas:refquota_critical' => 'refquota_critical',
);
my %OWN_KEY     = reverse %OWN;
my %BY_ZFS_NAME = (
    dedup      => 'deduplication', special_small_blocks => 'special_small_block_size',
    encryption => 'encryption_algorithm', keyformat     => 'key_format',
    compress   => 'compression',
);

sub own_key ($name) { return $OWN_KEY{$name} }

my @SWITCH =
    qw(value_text_iec origin_upper_case inherited_shown_local comments_in_user_properties
    crypto_only_when_asked);

sub new ($class, $zfs) {
    my $self = bless { zfs => $zfs, cache => {}, entry => {}, on => {} }, $class;
    $self->look;
    return $self;
}

# Before each call: the switches as they stand now, and no more kept entries than are of use.
sub look ($self) {
    my %on      = map  { $_ => $self->{zfs}->is_on($_) } @SWITCH;
    my $changed = grep { $on{$_} != ($self->{on}{$_} // 2) } @SWITCH;
    $self->{on}    = \%on;
    $self->{entry} = {} if $changed || keys %{ $self->{entry} } > 20_000;
    return;
}

# A size as people read it: "10G" up to 25.04, "10 GiB" after.
sub size_text ($self, $bytes, $iec = $self->{on}{value_text_iec}) {
    my @unit  = $iec ? qw(B KiB MiB GiB TiB PiB) : qw(B K M G T P);
    my $power = 0;
    my $n     = $bytes;
    while ($n >= 1024 && $power < $#unit) { $n /= 1024; $power++ }
    my $digits = $n == int $n ? 0 : $n < 10 || $iec ? 2 : $n < 100 ? 1 : 0;
    my $text   = sprintf('%.*f', $digits, $n) =~ s{\.0+\z}{}r;
    return $text . ($iec ? ' ' : '') . $unit[$power];
}

sub _entry ($raw, $parsed, $value, $source, $from = undef) {
    return {
        rawvalue    => "$raw", parsed => $parsed, value => $value, source => $source,
        source_info => $from,
    };
}

# Equal entries are one entry: ten thousand volumes have few different sizes.
sub _size ($self, $bytes, $source = 'NONE') {
    return $self->{entry}{"$source $bytes"} //=
        _entry($bytes, $bytes + 0, $self->size_text($bytes), $source);
}

sub _limit ($self, $bytes) {
    return $self->_size($bytes, 'LOCAL') if $bytes;
    return $self->{entry}{'no limit'} //= _entry(0, undef, undef, 'DEFAULT');
}

sub _block ($bytes) { return $bytes >= 1024 ? ($bytes / 1024) . 'K' : "$bytes" }

sub time_text ($time) {
    my @t = gmtime $time;
    return sprintf '%s %2d %2d:%02d %d', POSIX::strftime('%a %b', @t), $t[3], $t[2], $t[1],
        $t[5] + 1900;
}

sub _time ($self, $time) {
    return $self->{entry}{"time $time"} //=
        _entry($time, { '$date' => $time * 1000 }, time_text($time), 'NONE');
}

sub _native ($self, $ds, $name) {
    my ($raw, $source, $from) = $self->{zfs}->native_value($ds, $name);
    my $parsed = $raw eq 'on' ? bool(1) : $raw eq 'off' ? bool(0) : $raw;
    $parsed = $raw     if $name eq 'deduplication' || $name eq 'compression';
    $parsed = $raw + 0 if $name eq 'copies'        || $name eq 'recordsize';
    my $value = $name eq 'recordsize' ? _block($raw) : uc $raw;
    return _entry($raw, $parsed, $value, $source, $from);
}

# What a dataset of this type inherits from this parent is the same for all of them: made once,
# then shared.
sub _inherited ($self, $ds) {
    my $zfs     = $self->{zfs};
    my $changes = $zfs->{property_changes} // 0;
    $self->{cache} = { changes => $changes } if ($self->{cache}{changes} // -1) != $changes;
    my $key = $ds->{type} . ' ' . ($zfs->parent_of($ds->{name}) // '');
    return $self->{cache}{$key} //= do {
        my $bare = { %$ds, props => {} };
        +{ map { $_ => $self->_native($bare, $_) } $zfs->native_properties($ds->{type}) };
    };
}

sub _natives ($self, $ds) {
    my $shared = $self->_inherited($ds);
    my @local  = grep { $shared->{$_} } keys %{ $ds->{props} } or return $shared;
    return { %$shared, map { $_ => $self->_native($ds, $_) } @local };
}

# name => code that makes the entry, for everything that is not inherited.
my %COMMON = (
    available => sub ($self, $ds) { $self->_size($self->{zfs}->available($ds->{name})) },
    used      => sub ($self, $ds) { $self->_size($self->{zfs}->used($ds->{name})) },
    usedbychildren => sub ($self, $ds) { $self->_size($self->{zfs}->below($ds->{name})) },
    usedbydataset  => sub ($self, $ds) { $self->_size($self->{zfs}->own_bytes($ds)) },
    usedbyrefreservation =>
        sub ($self, $ds) { $self->_size($self->{zfs}->refreservation_left($ds)) },
    usedbysnapshots =>
        sub ($self, $ds) { $self->_size($self->{zfs}->snapshot_bytes($ds->{name})) },
    referenced     => sub ($self, $ds) { $self->_size($ds->{ref}) },
    refreservation => sub ($self, $ds) { $self->_limit($ds->{refreservation}) },
    reservation    => sub ($self, $ds) { $self->_limit($ds->{reservation}) },
    compressratio  => sub ($self, $ds) { _entry('1.00', '1.00', '1.00x', 'NONE') },
    creation       => sub ($self, $ds) { $self->_time($ds->{creation}) },
    createtxg      =>
        sub ($self, $ds) { _entry($ds->{txg}, "$ds->{txg}", "$ds->{txg}", 'NONE') },
    guid => sub ($self, $ds) { _entry($ds->{guid}, "$ds->{guid}", "$ds->{guid}", 'NONE') },
    origin               => sub ($self, $ds) { $self->_origin($ds) },
    encryption_algorithm =>
        sub ($self, $ds) { $self->_encryption($ds, 'algorithm', 'off') },
    key_format  => sub ($self, $ds) { $self->_encryption($ds, 'format', 'none') },
    pbkdf2iters => sub ($self, $ds) { _entry(0, 0, '0', 'DEFAULT') },
);
my %OF_TYPE = (
    VOLUME => {
        volsize      => sub ($self, $ds) { $self->_size($ds->{volsize}, 'LOCAL') },
        volblocksize => sub ($self, $ds) {
            my $bytes = $ds->{volblocksize};
            $self->{entry}{"block $bytes"} //= _entry($bytes, $bytes + 0, _block($bytes),
                $bytes == 16384 ? 'DEFAULT' : 'LOCAL');
        },
    },
    FILESYSTEM => {
        quota    => sub ($self, $ds) { $self->_limit($ds->{quota}) },
        refquota => sub ($self, $ds) { $self->_limit($ds->{refquota}) },
    },
);

# Made only when asked for by name: the middleware does not list them.
my %HIDDEN = map { $_ => 1 } qw(referenced createtxg guid);

sub _origin ($self, $ds) {
    my $origin = $ds->{origin} // '';
    my $value  = $self->{on}{origin_upper_case} ? uc $origin : $origin;
    return $self->{entry}{"origin $origin"} //= _entry($origin, $origin, $value, 'NONE');
}

sub _encryption ($self, $ds, $field, $none) {
    my $root = $self->{zfs}->encryption_root($ds->{name});
    my $text = !$root ? $none : $field eq 'format' ? 'passphrase' : 'aes-256-gcm';
    return $self->{entry}{"$field $text"} //=
        _entry($text, $text, $root ? uc $text : $text, $root ? 'NONE' : 'DEFAULT');
}

sub _user ($self, $ds, $row, $with_user) {
    my $zfs     = $self->{zfs};
    my $values  = $zfs->user_values($ds);
    my $flatten = $self->{on}{inherited_shown_local};
    my $inside  = $self->{on}{comments_in_user_properties};
    my %user;
    for my $key (keys %$values) {
        my ($raw, $source, $from) = @{ $values->{$key} };
        ($source, $from) = ('LOCAL', undef) if $flatten;
        my $entry = _entry($raw, $raw, $raw, $source, $from);
        my $own   = $OWN{$key};
        if    (!defined $own) { $user{$key}  = $entry }
        elsif ($inside)       { $user{$own}  = $entry }
        else                  { $row->{$own} = $entry }
    }
    $row->{user_properties} = \%user if $with_user;
    return;
}

# %want: properties (list or undef for all), children, user.
sub row ($self, $ds, %want) {
    my $zfs = $self->{zfs};
    $zfs->refresh($ds);
    my $name = $ds->{name};
    my $row  = {
        id => $name, name => $name, type => $ds->{type}, pool => $zfs->pool_of($name),
        mountpoint => $ds->{type} eq 'FILESYSTEM' ? "/mnt/$name" : undef,
        children   => [],
    };
    $self->_crypto($ds, $row) if $self->_shows_crypto($want{properties});
    $self->_user($ds, $row, $want{user} // 1);
    $self->_properties($ds, $row, $want{properties});
    $row->{children} = [map { $self->row($zfs->find($_), %want) } $zfs->children_of($name)]
        if $want{children};
    return $row;
}

# From 25.10 on a list of properties hides these four, unless it names one of encryption's own.
sub _shows_crypto ($self, $wanted) {
    return 1 if !defined $wanted || !$self->{on}{crypto_only_when_asked};
    return (grep { /\A(?:encryption|encryptionroot|keyformat|keylocation|keystatus)\z/ }
            @$wanted) ? 1 : 0;
}

sub _crypto ($self, $ds, $row) {
    my $root   = $self->{zfs}->encryption_root($ds->{name});
    my $locked = $root && $root->{encryption}{locked};
    $row->{encrypted}       = bool($root);
    $row->{encryption_root} = $root ? $root->{name} : undef;
    $row->{key_loaded}      = bool($root && !$locked);
    $row->{locked}          = bool($locked);
    return;
}

sub _properties ($self, $ds, $row, $wanted) {
    my $of_type = $OF_TYPE{ $ds->{type} };
    if (!defined $wanted) {
        $row->{$_} = $COMMON{$_}->($self, $ds)    for grep { !$HIDDEN{$_} } keys %COMMON;
        $row->{$_} = $of_type->{$_}->($self, $ds) for keys %$of_type;
        my $native = $self->_natives($ds);
        @$row{ keys %$native } = values %$native;
        return;
    }
    for my $asked (@$wanted) {
        my $name = $BY_ZFS_NAME{$asked} // $asked;
        my $make = $COMMON{$name}       // $of_type->{$name};
        if ($make) { $row->{$name} = $make->($self, $ds); next }
        next unless $self->{zfs}->is_native($name);
        my $native = $self->_natives($ds);
        $row->{$name} = $native->{$name} if $native->{$name};
    }
    return;
}

# The zfs.resource shape: { raw, source => { type, value }, value }.
sub resource_row ($self, $ds, %want) {
    my $zfs = $self->{zfs};
    my %all;
    if (defined $want{properties}) {
        my @names = @{ $want{properties} };
        @names = (
            keys %COMMON, keys %{ $OF_TYPE{ $ds->{type} } },
            $zfs->native_properties($ds->{type})
        ) unless @names;
        $self->_properties($ds, \%all, \@names);
    }
    for my $entry (values %all) {
        my $parsed = ref $entry->{parsed} ? $entry->{value} : $entry->{parsed};
        $entry = {
            raw    => $entry->{rawvalue}, value => $parsed,
            source => { type => $entry->{source}, value => $entry->{source_info} },
        };
    }
    my $user = $zfs->user_values($ds);
    return {
        name => $ds->{name},     pool => $zfs->pool_of($ds->{name}), type => $ds->{type},
        guid => $ds->{guid} + 0, createtxg => $ds->{txg} + 0,        children => undef,
        properties      => defined $want{properties} ? \%all : {},
        user_properties => $want{user}
        ? { map { $_ => $user->{$_}[0] } keys %$user }
        : undef,
    };
}

1;
