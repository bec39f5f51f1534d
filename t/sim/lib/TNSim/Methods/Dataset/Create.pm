# SPDX-License-Identifier: Apache-2.0
# pool.dataset.create: the middleware's own checks, then ZFS.
package TNSim::Methods::Dataset::Create;
use v5.36;
use TNSim::Error;
use TNSim::Model::Handler qw(zfs_call);
use TNSim::Model::ZFS::Rows;

my %BLOCK = (
    '512' => 512,   '512B' => 512,   '1K' => 1024, '2K' => 2048, '4K' => 4096, '8K' => 8192,
    '16K' => 16384, '32K'  => 32768, '64K' => 65536, '128K' => 131072,
);
my @ONLY_FILESYSTEM = qw(aclmode acltype atime casesensitivity quota refquota recordsize);
my @ONLY_VOLUME     = qw(volsize volblocksize sparse force_size);
my @LIMIT           = qw(quota refquota reservation refreservation);
my @OWN             = qw(comments managedby quota_warning quota_critical refquota_warning
    refquota_critical);
my $TOO_MUCH =
    'It is not recommended to use more than 80% of your available space for VOLUME';

sub create ($call) {
    my $data  = $call->args->[0];
    my $world = $call->world;
    my $type  = $data->{type} // 'FILESYSTEM';
    my @bad   = (_name_errors($world, $data), _field_errors($world, $data, $type));
    die TNSim::Error->validation(@bad) if @bad;
    my @missing = _missing_ancestors($world->zfs, $data);
    @bad = (_parent_errors($world, $data), _volume_errors($world, $data, $type));
    die TNSim::Error->validation(@bad) if @bad;
    my $text =
        $world->is_at_least('26')
        ? "Failed to create dataset $data->{name}: "
        : 'Failed to create dataset: ';
    zfs_call(
        $text,
        sub {
            $world->zfs->create($_,            type => 'FILESYSTEM') for @missing;
            $world->zfs->create($data->{name}, _fields($world, $data, $type));
        }
    );
    return $world->rows->row($world->zfs->find($data->{name}), children => 1);
}

# Everything that is wrong with the name by itself.
sub _name_errors ($world, $data) {
    my $name = $data->{name};
    my $at   = 'pool_dataset_create.name';
    return [$at, 'You need a full name, e.g. pool/newdataset'] if $name !~ m{/};
    my @bad;
    push @bad, [$at, 'Trailing spaces are not permitted in dataset names']
        if $name =~ /\s\z/;
    push @bad, [$at, 'Invalid dataset name']
        if $name
        !~ m{\A[A-Za-z0-9][A-Za-z0-9_.: -]*(?:/[A-Za-z0-9_.:-][A-Za-z0-9_.: -]*)+\z}
        || $name =~ m{/\.\.?(?:/|\z)}
        || length $name > 255;
    push @bad, [$at, 'Dataset name length should be less than or equal to 200']
        if length $name > 200 && $world->quirk('name_limit_200');
    return @bad;
}

sub _field_errors ($world, $data, $type) {
    my @bad;
    push @bad, map { ["pool_dataset_create.$_", "This field is not valid for $type"] }
        grep { $data->{$_} } $type eq 'VOLUME' ? @ONLY_FILESYSTEM : @ONLY_VOLUME;
    push @bad, ['pool_dataset_create.volsize', 'This field is required for VOLUME']
        if $type eq 'VOLUME' && !defined $data->{volsize};
    return @bad;
}

# The parents that create_ancestors will make, topmost first.
sub _missing_ancestors ($zfs, $data) {
    return unless $data->{create_ancestors};
    my @missing;
    for (my $at = $zfs->parent_of($data->{name}); defined $at; $at = $zfs->parent_of($at)) {
        last if $zfs->find($at);
        unshift @missing, $at;
    }
    return @missing;
}

# The nearest dataset above that is there already.
sub _parent ($zfs, $name) {
    for (my $at = $zfs->parent_of($name); defined $at; $at = $zfs->parent_of($at)) {
        my $ds = $zfs->find($at);
        return $ds if $ds;
    }
    return undef;
}

sub _parent_errors ($world, $data) {
    my $zfs    = $world->zfs;
    my $name   = $data->{name};
    my $at     = 'pool_dataset_create.name';
    my $wanted = $zfs->parent_of($name);
    my $parent = _parent($zfs, $name);
    if (!$parent) {
        my $pool = $zfs->pool_of($name);
        return [
            $at,
            $data->{create_ancestors}
            ? 'Please specify a pool which exists for the dataset/volume to be created'
            : "zpool ($pool) does not exist."
        ];
    }
    return [$at, "Parent dataset ($wanted) does not exist."]
        if $parent->{name} ne $wanted && !$data->{create_ancestors};
    return [$at, "$parent->{name}: parent may not be a ZFS volume"]
        if $parent->{type} eq 'VOLUME' && $world->is_at_least('25.04');
    my @bad;
    push @bad, [$at, "$parent->{name} must be unlocked to create $name."]
        if $zfs->is_locked($parent->{name});
    push @bad, [
        'pool_dataset_create.readonly',
        "Turn off readonly mode on $parent->{name} to create $name"
        ]
        if ($zfs->native_value($parent, 'readonly'))[0] eq 'on';
    push @bad, [$at, "Path /mnt/$name already exists"]
        if ($data->{type} // 'FILESYSTEM') eq 'FILESYSTEM' && $zfs->find($name);
    push @bad,
        ['pool_dataset_create.encryption',
              'Cannot create an unencrypted dataset within '
            . "an encrypted dataset ($parent->{name})."]
        if $zfs->encryption_root($parent->{name})
        && !($data->{inherit_encryption} // 1)
        && !$data->{encryption};
    return @bad;
}

sub _volume_errors ($world, $data, $type) {
    return unless $type eq 'VOLUME';
    my $zfs    = $world->zfs;
    my $parent = _parent($zfs, $data->{name}) or return;
    my $block  = $BLOCK{ $data->{volblocksize} // '16K' };
    my $pool   = $zfs->pool($zfs->pool_of($data->{name}));
    my @bad;
    push @bad, ['pool_dataset_create.volsize', $TOO_MUCH]
        if !$data->{force_size}
        && $data->{volsize} > $zfs->available($parent->{name}) * 0.8
        && (!$data->{sparse} || $world->quirk('sparse_counts_for_80_percent'));
    push @bad, [
        'pool_dataset_create.volsize',
        'Volume size should be a multiple of volume block size'
        ]
        if $data->{volsize} <= 0 || $data->{volsize} % $block;
    push @bad, [
        'pool_dataset_create.volblocksize',
        'Volume block size must be greater than or equal to 32K for dRAID pools'
        ]
        if $pool->{draid} && $block < 32768;
    return @bad;
}

# The record that the model keeps, from what the caller gave.
sub _fields ($world, $data, $type) {
    my %field = (type => $type, props => {}, user => {});
    for my $name (grep { $world->zfs->is_native($_) } keys %$data) {
        my $value = $data->{$name} // next;
        next if $value eq 'INHERIT';
        $field{props}{$name} = $name eq 'recordsize' ? $BLOCK{$value} // $value : lc $value;
    }
    $field{$_} = $data->{$_} + 0 for grep { $data->{$_} } @LIMIT;
    for my $name (@OWN) {
        my $value = $data->{$name} // next;
        my $stays = $name eq 'comments' && $world->quirk('comments_inherit_text');
        $field{user}{ TNSim::Model::ZFS::Rows::own_key($name) } = "$value"
            if $value ne 'INHERIT' || $stays;
    }
    $field{user}{ $_->{key} } =
        $_->{value}
        for $world->quirk('create_drops_user_properties')
        ? ()
        : @{ $data->{user_properties} // [] };
    $field{encryption} = { locked => 0 } if $data->{encryption};
    return %field unless $type eq 'VOLUME';
    return (
        %field, volsize => $data->{volsize} + 0, sparse => $data->{sparse} ? 1 : 0,
        volblocksize => $BLOCK{ $data->{volblocksize} // '16K' },
    );
}

1;
