# SPDX-License-Identifier: Apache-2.0
# pool.dataset.delete: shares are detached first, and then ZFS may still refuse.
package TNSim::Methods::Dataset::Delete;
use v5.36;
use TNSim::Error;
use TNSim::Model::Refusal;

sub delete ($call) {
    my ($id, $options) = @{ $call->args };
    my $world = $call->world;
    my $zfs   = $world->zfs;
    _check_target($world, $id);
    my $recursive = $options->{recursive} ? 1 : 0;

    # The middleware asks this itself, before it detaches anything.
    die TNSim::Error->call(
        'ENOTEMPTY',
        "Failed to delete dataset: cannot destroy '$id': filesystem has children"
    ) if !$recursive && $zfs->children_of($id);
    $world->iscsi->detach($recursive ? $zfs->subtree($id) : $id)
        if $world->quirk('delete_detaches_extents');
    $world->iscsi->sync;
    $world->at_delete($id);
    return $world->is_at_least('26')
        ? _delete_26($world, $id, $recursive)
        : _delete_before_26($world, $id, $recursive);
}

sub _check_target ($world, $id) {
    die TNSim::Error->not_found("PoolDataset $id does not exist")
        unless $world->zfs->find($id);
    return;
}

sub _delete_before_26 ($world, $id, $recursive) {
    return JSON::PP::true()
        if eval { $world->zfs->destroy($id, recursive => $recursive); 1 };
    my $refusal = TNSim::Model::Refusal->caught($@) or die $@;
    my $text    = $refusal->text;
    die TNSim::Error->call($refusal->errname, "Failed to delete dataset: $text");
}

# What it checks itself is an error; what ZFS refuses afterwards is lost, and it says true.
sub _delete_26 ($world, $id, $recursive) {
    my $zfs = $world->zfs;
    die TNSim::Error->validation(
        ['zfs.resource.destroy', 'Destroying the root filesystem is not allowed.'])
        if $id !~ m{/};
    _refuse_non_empty($zfs, $id) unless $recursive;
    my $clones = $world->quirk('recursive_delete_destroys_clones');
    my %how =
        (recursive => $recursive, clones => $recursive && $clones, release => $recursive);
    return JSON::PP::true() if eval { $zfs->destroy($id, %how); 1 };
    my $refusal = TNSim::Model::Refusal->caught($@) or die $@;
    return JSON::PP::true() if $world->quirk('delete_swallows_refusal');
    die TNSim::Error->validation(
        [
            'zfs.resource.destroy',
            "Failed to destroy '$id': " . $refusal->text, $refusal->errname
        ]
    );
}

sub _refuse_non_empty ($zfs, $id) {
    my $what =
          $zfs->children_of($id)  ? 'children'
        : $zfs->snapshots_of($id) ? 'snapshots'
        :                           return;
    die TNSim::Error->validation(
        [
            'zfs.resource.destroy',
            "'$id' has $what. Set recursive=True to remove them.", 'ENOTEMPTY'
        ]
    );
}

# zfs.resource.destroy: the same without the shares, and its failure is told.
sub resource_destroy ($call) {
    my $arg   = $call->args->[0];
    my $world = $call->world;
    my $zfs   = $world->zfs;
    my $path  = $arg->{path};
    die TNSim::Error->validation(
        ['zfs.resource.destroy', "'$path' does not exist.", 'ENOENT'])
        unless $zfs->find($path);
    _refuse_non_empty($zfs, $path) unless $arg->{recursive};
    my %how = (
        recursive => $arg->{recursive}, clones => $arg->{recursive},
        release   => $arg->{recursive}
    );
    return undef if eval { $zfs->destroy($path, %how); 1 };
    my $refusal = TNSim::Model::Refusal->caught($@) or die $@;
    die TNSim::Error->validation(
        [
            'zfs.resource.destroy',
            "Failed to destroy '$path': " . $refusal->text, $refusal->errname
        ]
    );
}

1;
