# SPDX-License-Identifier: Apache-2.0
# pool.dataset.*: queries, and the calls that change a dataset as a whole.
package TNSim::Methods::Dataset;
use v5.36;
use TNSim::Error;
use TNSim::Methods::Dataset::Create;
use TNSim::Methods::Dataset::Delete;
use TNSim::Methods::Dataset::Update;
use TNSim::Model::Handler qw(methods_of zfs_call simple_filter bool);
use TNSim::Model::Refusal;

sub methods {
    return methods_of(
        'pool.dataset.query'        => { code => \&query },
        'pool.dataset.get_instance' => { code => \&get_instance },
        'pool.dataset.create'       => { code => \&TNSim::Methods::Dataset::Create::create },
        'pool.dataset.update'       => { code => \&TNSim::Methods::Dataset::Update::update },
        'pool.dataset.delete'       => { code => \&TNSim::Methods::Dataset::Delete::delete },
        'pool.dataset.promote'      => { code => \&promote },
        'pool.dataset.rename'       => { code => \&rename, from => '25.10' },
        'pool.dataset.attachments'  => { code => \&attachments },
        'pool.dataset.snapshot_count' => { code => \&snapshot_count },
        'pool.dataset.recommended_zvol_blocksize' => { code => \&recommended_blocksize },
        'zfs.resource.query' => { code => \&resource_query, from => '25.10' },
        'zfs.resource.destroy' =>
            { code => \&TNSim::Methods::Dataset::Delete::resource_destroy, from => '26' },
    );
}

sub _want ($extra) {
    return (
        properties => $extra->{properties},
        children   => $extra->{retrieve_children} // 1,
        user       => $extra->{retrieve_user_props} // 1,
    );
}

# Which datasets the middleware reads for these filters: one for an id, else whole pools, of
# which only the roots when children are not asked for.
sub _candidates ($call, $extra) {
    my $world  = $call->world;
    my $zfs    = $world->zfs;
    my $filters = $call->args->[0] // [];
    my $id     = simple_filter($filters, $world->is_at_least('25.10') ? qw(id name) : 'id');
    return grep { defined } $zfs->find($id) if defined $id;
    my @roots = grep { !/\// } $zfs->names;
    return map { $zfs->find($_) } @roots
        if exists $extra->{retrieve_children} && !$extra->{retrieve_children}
        && $world->quirk('children_only_by_id_filter');
    return map { $zfs->find($_) } $extra->{flat} // 1 ? $zfs->names : @roots;
}

sub query ($call) {
    my $world   = $call->world;
    my $options = $call->args->[1] // {};
    my $extra   = $options->{extra} // {};
    return scalar(my @all = $world->zfs->names)
        if $options->{count} && $world->quirk('count_ignores_filters');
    my %want = _want($extra);
    my @datasets = _candidates($call, $extra);
    # Children are made once for all rows: a row of a parent holds the rows of its children.
    my %row = map { $_->{name} => $world->rows->row($_, %want, children => 0) } @datasets;
    _nest($world, \%row, %want) if $want{children};
    my @rows = map { $row{ $_->{name} } } @datasets;
    _add_snapshots($world, \@rows, $extra) if $extra->{snapshots} || $extra->{snapshots_count};
    return $call->rows_query(\@rows);
}

sub _nest ($world, $row, %want) {
    my $zfs = $world->zfs;
    my @todo = keys %$row;
    while (defined(my $name = shift @todo)) {
        my @children = $zfs->children_of($name);
        for my $child (grep { !$row->{$_} } @children) {
            $row->{$child} = $world->rows->row($zfs->find($child), %want, children => 0);
            push @todo, $child;
        }
        $row->{$name}{children} = [map { $row->{$_} } @children];
    }
    return;
}

sub _add_snapshots ($world, $rows, $extra) {
    my $zfs = $world->zfs;
    for my $row (@$rows) {
        my @snaps = $zfs->snapshots_of($row->{id});
        $row->{snapshot_count} = scalar @snaps if $extra->{snapshots_count};
        $row->{snapshots}
            = [map { $world->snapshot_rows->row($zfs->find_snapshot($_)) } @snaps]
            if $extra->{snapshots};
    }
    return;
}

sub get_instance ($call) {
    my ($id, $options) = @{ $call->args };
    my $world = $call->world;
    my $ds    = $world->zfs->find($id)
        // die TNSim::Error->not_found("PoolDataset $id does not exist");
    return $world->rows->row($ds, _want($options->{extra} // {}));
}

sub promote ($call) {
    my $id    = $call->args->[0];
    my $world = $call->world;
    my $ds    = $world->zfs->find($id);
    if ($world->is_at_least('26')) {
        die TNSim::Error->validation(['zfs.resource.promote', "'$id' not found", 'ENOENT'])
            unless $ds;
        die TNSim::Error->validation(
            ['zfs.resource.promote', "'$id' is ineligible for promotion."])
            unless defined $ds->{origin};
    }
    die TNSim::Error->call('ENOENT', "Dataset \"$id\" does not exist.") unless $ds;
    die TNSim::Error->call('EBADMSG', 'Only cloned datasets can be promoted.')
        unless defined $ds->{origin};
    zfs_call('Failed to promote dataset: ', sub { $world->zfs->promote($id) });
    return undef;
}

my $RENAME_FORCE = 'No safety checks are performed when renaming ZFS resources; this may break '
    . 'existing usages. If you understand the risks, please set force and proceed.';

sub rename ($call) {
    my ($id, $options) = @{ $call->args };
    my $world = $call->world;
    my $zfs   = $world->zfs;
    my $new   = $options->{new_name};
    die TNSim::Error->validation(['pool.dataset.rename.force', $RENAME_FORCE])
        if !$options->{force} && $world->quirk('rename_needs_force');
    if ($world->is_at_least('26')) {
        die TNSim::Error->validation(['zfs.resource.rename', "'$id' not found", 'ENOENT'])
            unless $zfs->find($id);
        die TNSim::Error->validation(['zfs.resource.rename', "'$new' already exists", 'EEXIST'])
            if $zfs->find($new);
        die TNSim::Error->validation(
            ['zfs.resource.rename', 'recursive is only valid for snapshots'])
            if $options->{recursive};
    }
    zfs_call('Failed to rename dataset: ', sub { $zfs->rename($id, $new) });
    return undef;
}

# Which shares use the dataset or anything below it.
sub attachments ($call) {
    my $id    = $call->args->[0];
    my $world = $call->world;
    $world->zfs->find($id) // die TNSim::Error->not_found("PoolDataset $id does not exist");
    my @names;
    for my $extent ($world->iscsi->rows('extent')) {
        my $zvol = $world->iscsi->zvol_of($extent) // next;
        push @names, $extent->{name}
            if $extent->{enabled} && ($zvol eq $id || index($zvol, "$id/") == 0);
    }
    return [] unless @names;
    return [{ type => 'iSCSI Extent', service => 'iscsitarget', attachments => \@names }];
}

sub snapshot_count ($call) {
    my $id  = $call->args->[0];
    my $zfs = $call->world->zfs;
    $zfs->find($id) // die TNSim::Error->not_found("PoolDataset $id does not exist");
    my $count = 0;
    $count += () = $zfs->snapshots_of($_) for $zfs->subtree($id);
    return $count;
}

sub recommended_blocksize ($call) {
    my $name  = $call->args->[0];
    my $world = $call->world;
    my $pool  = $world->zfs->pool($name);
    if (!$pool || $pool->{exported}) {
        die TNSim::Error->call('ENOENT', "\"$name\" not found.") if !$world->is_at_least('23.10');
        die TNSim::Error->match_not_found;
    }
    return $pool->{recommended_blocksize} // ($pool->{draid} ? '128K' : '16K');
}

sub resource_query ($call) {
    my $arg   = $call->args->[0] // {};
    my $world = $call->world;
    my $zfs   = $world->zfs;
    my @paths = @{ $arg->{paths} // [] };
    for my $path (@paths) {
        die TNSim::Error->validation(['zfs.resource.query',
            'Use `zfs.resource.snapshot.query` to query snapshot information.'])
            if $path =~ /\@/ && $world->is_at_least('26');
        die TNSim::Error->validation(['zfs.resource.query', "'$path' not found", 'ENOENT'])
            unless $zfs->find($path);
    }
    @paths = grep { !/\// } $zfs->names unless @paths;
    @paths = map { $zfs->subtree($_) } @paths if $arg->{get_children};
    return [map {
        $world->rows->resource_row($zfs->find($_),
            properties => $arg->{properties}, user => $arg->{get_user_properties})
    } @paths];
}

1;
