# SPDX-License-Identifier: Apache-2.0
# pool.dataset.*: queries, and the calls that change a dataset as a whole.
package TNSim::Methods::Dataset;
use v5.36;
use TNSim::Error;
use TNSim::Methods::Dataset::Create;
use TNSim::Methods::Dataset::Delete;
use TNSim::Methods::Dataset::Update;
use TNSim::Model::Handler qw(methods_of zfs_call);
use TNSim::Query;

sub methods {
    return methods_of(
        'pool.dataset.query'        => { code => \&query },
        'pool.dataset.get_instance' => { code => \&get_instance },
        'pool.dataset.create'  => { code => \&TNSim::Methods::Dataset::Create::create },
        'pool.dataset.update'  => { code => \&TNSim::Methods::Dataset::Update::update },
        'pool.dataset.delete'  => { code => \&TNSim::Methods::Dataset::Delete::delete },
        'pool.dataset.promote' => { code => \&promote },
        'pool.dataset.rename'  => { code => \&rename, from => '25.10' },
        'zfs.dataset.rename'   => {
            code   => \&private_rename, to => '25.10', private => sub ($release) { 1 },
            schema => 0
        },
        'pool.dataset.attachments'                => { code => \&attachments },
        'pool.dataset.snapshot_count'             => { code => \&snapshot_count },
        'pool.dataset.recommended_zvol_blocksize' => { code => \&recommended_blocksize },
        'zfs.resource.query'   => { code => \&resource_query, from => '25.10' },
        'zfs.resource.destroy' =>
            { code => \&TNSim::Methods::Dataset::Delete::resource_destroy, from => '26' },
    );
}

sub _want ($world, $extra) {
    return (
        properties => $extra->{properties},
        children   => $extra->{retrieve_children} // 1,
        user       => !$world->is_at_least('25.04') || ($extra->{retrieve_user_props} // 1),
    );
}

# The names of a lone filter on id or name, for which the middleware opens just these; undef
# for any other filter. Up to 24.10 only ["id", "=", name] is one of them.
sub _named ($world, $filters) {
    return undef
        if @$filters != 1 || ref $filters->[0] ne 'ARRAY' || @{ $filters->[0] } != 3;
    my ($field, $op, $value) = @{ $filters->[0] };
    return undef if ref $field || ref $op;
    if ($world->is_at_least('25.04')) {
        return undef unless $field =~ /\A(?:id|name)\z/ && $op =~ /\A(?:=|in)\z/;
    }
    else { return undef unless $field eq 'id' && $op eq '=' }
    return ref $value eq 'ARRAY' ? $value : [$value // ''];
}

# Filters that look only at what a name tells are asked before rows are made of ten thousand
# names: the rows that would fail them need no properties.
sub _by_name ($call, $filters, @names) {
    my $simple = sub ($self, $list) {
        for my $filter (@$list) {
            return 0 unless ref $filter eq 'ARRAY';
            if (@$filter == 2) {
                return 0 unless ref $filter->[1] eq 'ARRAY';
                return 0
                    unless $self->($self,
                    [map { ref $_->[0] eq 'ARRAY' ? @$_ : $_ } @{ $filter->[1] }]);
                next;
            }
            return 0
                unless @$filter == 3
                && !ref $filter->[0]
                && $filter->[0] =~ /\A(?:id|name)\z/;
        }
        return 1;
    };
    return @names
        if !@$filters || $call->quirk('filter_ignored') || !$simple->($simple, $filters);
    TNSim::Query::check_filters($filters);
    return grep { TNSim::Query::match({ id => $_, name => $_ }, $filters) } @names;
}

# Which datasets the middleware looks at. Without children it sees only the roots of the pools,
# unless a filter names datasets, or, from 25.10 on, unless there is any filter.
sub _candidates ($call, $extra) {
    my $world   = $call->world;
    my $zfs     = $world->zfs;
    my $filters = $call->args->[0] // [];
    my $named   = _named($world, $filters);
    return grep { defined } map { $zfs->find($_) } @$named if $named;
    my $nested = $extra->{retrieve_children} // 1;
    my $roots  = $nested ? !($extra->{flat} // 1) : 1;
    $roots = 0 if @$filters && !$world->quirk('children_only_by_id_filter');
    my @names = grep { !$roots || !m{/} } $zfs->names;
    return map { $zfs->find($_) } _by_name($call, $filters, @names);
}

# From 25.10 on a count is of what was looked at, whatever the filters say.
sub _count_all ($call, $extra) {
    my $all = ($extra->{retrieve_children} // 1) || @{ $call->args->[0] // [] };
    return scalar(my @seen = grep { $all || !m{/} } $call->world->zfs->names);
}

sub query ($call) {
    my $world   = $call->world;
    my $options = $call->args->[1]  // {};
    my $extra   = $options->{extra} // {};
    return _count_all($call, $extra)
        if $options->{count} && $world->quirk('count_ignores_filters');

    my %want     = _want($world, $extra);
    my @datasets = _candidates($call, $extra);

    # Children are made once for all rows: a row of a parent holds the rows of its children.
    my %row = map { $_->{name} => $world->rows->row($_, %want, children => 0) } @datasets;
    _nest($world, \%row, %want) if $want{children};
    my @rows = map { $row{ $_->{name} } } @datasets;
    _add_snapshots($world, \@rows, $extra)
        if $extra->{snapshots} || $extra->{snapshots_count};
    return $call->rows_query(\@rows);
}

sub _nest ($world, $row, %want) {
    my $zfs  = $world->zfs;
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
        $row->{snapshots} =
            [map { $world->snapshot_rows->row($zfs->find_snapshot($_)) } @snaps]
            if $extra->{snapshots};
    }
    return;
}

sub get_instance ($call) {
    my ($id, $options) = @{ $call->args };
    my $world = $call->world;
    my $ds    = $world->zfs->find($id)
        // die TNSim::Error->not_found("PoolDataset $id does not exist");
    return $world->rows->row($ds, _want($world, $options->{extra} // {}));
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
    die TNSim::Error->call('ENOENT',  "Dataset \"$id\" does not exist.") unless $ds;
    die TNSim::Error->call('EBADMSG', 'Only cloned datasets can be promoted.')
        unless defined $ds->{origin};
    zfs_call('Failed to promote dataset: ', sub { $world->zfs->promote($id) });
    return undef;
}

my $RENAME_FORCE =
      'No safety checks are performed when renaming ZFS resources; this may break '
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
        die TNSim::Error->validation(
            ['zfs.resource.rename', "'$new' already exists", 'EEXIST'])
            if $zfs->find($new);
        die TNSim::Error->validation(
            ['zfs.resource.rename', 'recursive is only valid for snapshots'])
            if $options->{recursive};
    }
    zfs_call('Failed to rename dataset: ', sub { $zfs->rename($id, $new) });
    return undef;
}

# Up to 25.04 the only rename, and not a published one: only full administrators reach it.
sub private_rename ($call) {
    my ($name, $options) = @{ $call->args };
    die TNSim::Error->bare('TypeError', "rename() missing 1 required positional argument")
        unless defined $name && ref $options eq 'HASH' && defined $options->{new_name};
    zfs_call(
        'Failed to rename dataset: ',
        sub { $call->world->zfs->rename($name, $options->{new_name}) }
    );
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
        die TNSim::Error->call('ENOENT', "\"$name\" not found.")
            if !$world->is_at_least('23.10');
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
        die TNSim::Error->validation(
            [
                'zfs.resource.query',
                'Use `zfs.resource.snapshot.query` to query snapshot information.'
            ]
        ) if $path =~ /\@/ && $world->is_at_least('26');
        die TNSim::Error->validation(['zfs.resource.query', "'$path' not found", 'ENOENT'])
            unless $zfs->find($path);
    }
    @paths = grep { !/\// } $zfs->names unless @paths;
    @paths = map  { $zfs->subtree($_) } @paths if $arg->{get_children};
    return [
        map {
            $world->rows->resource_row(
                $zfs->find($_),
                properties => $arg->{properties}, user => $arg->{get_user_properties}
            )
        } @paths
    ];
}

1;
