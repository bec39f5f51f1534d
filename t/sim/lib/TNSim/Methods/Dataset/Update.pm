# SPDX-License-Identifier: Apache-2.0
# pool.dataset.update: sizes, limits, native and user properties.
package TNSim::Methods::Dataset::Update;
use v5.36;
use TNSim::Error;
use TNSim::Model::Handler qw(zfs_call);
use TNSim::Model::Refusal;
use TNSim::Model::ZFS::Rows;

my @LIMIT = qw(quota refquota reservation refreservation);
my @OWN   = qw(comments managedby quota_warning quota_critical refquota_warning
    refquota_critical);

sub update ($call) {
    my ($id, $data) = @{ $call->args };
    my $world = $call->world;
    my $ds    = $world->zfs->find($id)
        // die TNSim::Error->validation(['id', "$id does not exist", 'ENOENT']);
    my @bad = (_field_errors($ds, $data), _volume_errors($world, $ds, $data));
    push @bad, [
        'pool_dataset_update.user_properties_update',
        'Should not be specified when "user_properties" are explicitly specified'
        ]
        if $data->{user_properties} && $data->{user_properties_update};
    die TNSim::Error->validation(@bad) if @bad;
    my $resize = defined $data->{volsize} && $data->{volsize} != $ds->{volsize};
    _run($world, sub { _apply($world, $ds, $data, $resize) });
    $world->iscsi->resized($id) if $resize;
    return $world->rows->row($ds, children => 1);
}

# 26 says it as a validation error of the whole call.
sub _run ($world, $code) {
    return zfs_call('Failed to update dataset: ', $code) unless $world->is_at_least('26');
    return if eval { $code->(); 1 };
    my $refusal = TNSim::Model::Refusal->caught($@) or die $@;
    die TNSim::Error->validation(
        ['pool.dataset.update', 'Failed to update properties: ' . $refusal->text]);
}

sub _field_errors ($ds, $data) {
    my @wrong =
        $ds->{type} eq 'VOLUME'
        ? qw(aclmode acltype atime quota refquota recordsize)
        : qw(volsize force_size);
    return map { ["pool_dataset_update.$_", "This field is not valid for $ds->{type}"] }
        grep { $data->{$_} } @wrong;
}

sub _volume_errors ($world, $ds, $data) {
    my $size = $data->{volsize} // return;
    return if $ds->{type} ne 'VOLUME';
    my $zfs = $world->zfs;
    my $at  = 'pool_dataset_update.volsize';
    my @bad;
    push @bad, [$at, 'You cannot shrink a zvol from GUI, this may lead to data loss.']
        if $size < $ds->{volsize};
    my $room = $zfs->available($zfs->parent_of($ds->{name})) + $zfs->used($ds->{name});
    push @bad, [
        $at,
        'It is not recommended to use more than 80% of your available space for VOLUME'
        ]
        if !$data->{force_size} && $size > $room * 0.8;
    push @bad, [$at, 'Volume size should be a multiple of volume block size']
        if $size % $ds->{volblocksize};
    return @bad;
}

sub _apply ($world, $ds, $data, $resize) {
    my $zfs  = $world->zfs;
    my $name = $ds->{name};
    $zfs->set_limit($name, $_, $data->{$_}) for grep { exists $data->{$_} } @LIMIT;
    $zfs->set_volsize($name, $data->{volsize} + 0) if $resize;
    for my $property (grep { $zfs->is_native($_) } keys %$data) {
        my $value = $data->{$property} // next;
        $zfs->set_property($name, $property, $value eq 'INHERIT' ? undef : lc $value);
    }
    for my $own (grep { defined $data->{$_} } @OWN) {
        my $value = $data->{$own};
        $zfs->set_user_property(
            $name, TNSim::Model::ZFS::Rows::own_key($own),
            $value eq 'INHERIT' ? undef : "$value"
        );
    }
    _user_properties($world, $ds, $data);
    return;
}

# user_properties is the whole set, user_properties_update changes single ones.
sub _user_properties ($world, $ds, $data) {
    my $zfs = $world->zfs;
    if (my $all = $data->{user_properties}) {
        my %keep = map { $_->{key} => 1 } @$all;
        for my $key (grep { !$keep{$_} && !/\Aorg\.(?:freenas|truenas):/ }
            keys %{ $ds->{user} })
        {
            $zfs->set_user_property($ds->{name}, $key, undef);
        }
        $zfs->set_user_property($ds->{name}, $_->{key}, $_->{value}) for @$all;
    }
    for my $item (@{ $data->{user_properties_update} // [] }) {
        $zfs->set_user_property(
            $ds->{name}, $item->{key},
            $item->{remove} ? undef : $item->{value}
        );
    }
    return;
}

1;
