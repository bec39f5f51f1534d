# SPDX-License-Identifier: Apache-2.0
# zfs.snapshot.* up to 25.10 and pool.snapshot.* from there on: one set of calls, two names.
package TNSim::Methods::Snapshot;
use v5.36;
use TNSim::Error;
use TNSim::Model::Handler qw(methods_of zfs_call simple_filter);
use TNSim::Model::Refusal;

my %CODE = (
    query   => \&query,   get_instance => \&get_instance, create => \&create,
    delete  => \&delete,  rollback     => \&rollback,     clone  => \&clone, hold => \&hold,
    release => \&release, update       => \&update,
);

sub methods {
    my %method;
    for my $verb (keys %CODE) {
        $method{"zfs.snapshot.$verb"}  = { code => $CODE{$verb}, to   => '25.10' };
        $method{"pool.snapshot.$verb"} = { code => $CODE{$verb}, from => '25.10' };
    }
    $method{'pool.snapshot.rename'} = { code => \&rename, from => '25.10' };
    $method{'zfs.snapshot.rename'}  = {
        code    => \&private_rename,     from   => '25.10', to => '25.10',
        private => sub ($release) { 1 }, schema => 0,
    };
    $method{'zfs.snapshot.remove'} = { code => \&remove, to => '24.10' };
    return methods_of(%method);
}

# The class name in "... does not exist": 25.10 gave the calls another name and another class.
sub _missing ($call, $id) {
    my $class = $call->world->is_at_least('25.10') ? 'PoolSnapshot' : 'ZFSSnapshot';
    return TNSim::Error->not_found("$class $id does not exist");
}

# The snapshots that the filters can match: one by id, those of a dataset, or all.
sub _candidates ($call) {
    my $zfs     = $call->world->zfs;
    my $filters = $call->args->[0] // [];
    my $id      = simple_filter($filters, qw(id name));
    return defined $id ? ($zfs->find_snapshot($id) // ()) : ()
        if defined $id;
    my $dataset = simple_filter($filters, 'dataset');
    return map { $zfs->find_snapshot($_) // () } $zfs->snapshots_of($dataset)
        if defined $dataset;
    return map { $zfs->find_snapshot($_) } map { $zfs->snapshots_of($_) } $zfs->names;
}

sub query ($call) {
    my $world = $call->world;
    my $extra = ($call->args->[1] // {})->{extra} // {};
    die TNSim::Error->call('EINVAL',
        '`id` or `limit` is required if `retention` is requested')
        if $extra->{retention}
        && !defined simple_filter($call->args->[0], 'id')
        && !($call->args->[1]{limit} // 0);
    my @snaps = _candidates($call);
    @snaps = grep { $_->{txg} >= $extra->{min_txg} } @snaps if $extra->{min_txg};
    @snaps = grep { $_->{txg} <= $extra->{max_txg} } @snaps if $extra->{max_txg};
    my @want = (properties => $extra->{properties}, holds => $extra->{holds});
    return $call->rows_query([map { $world->snapshot_rows->row($_, @want) } @snaps]);
}

sub get_instance ($call) {
    my ($id, $options) = @{ $call->args };
    my $extra = $options->{extra}                     // {};
    my $snap  = $call->world->zfs->find_snapshot($id) // die _missing($call, $id);
    return $call->world->snapshot_rows->row(
        $snap,
        properties => $extra->{properties}, holds => $extra->{holds}
    );
}

sub _leaf_of ($data) {
    return $data->{name} if defined $data->{name};
    my @t = gmtime;
    require POSIX;
    return POSIX::strftime($data->{naming_schema}, @t);
}

sub _create_errors ($data, $leaf) {
    my @bad;
    push @bad, [
        'snapshot_create.naming_schema',
        "You can't specify name and naming schema at the same time"
        ]
        if defined $data->{name} && defined $data->{naming_schema};
    push @bad, ['snapshot_create.name', 'Invalid snapshot name']
        if $leaf !~ /\A[A-Za-z0-9_.: -]+\z/ || length("$data->{dataset}\@$leaf") > 255;
    push @bad,
        ['snapshot_create.exclude', 'This option has no sense for non-recursive snapshots']
        if @{ $data->{exclude} // [] } && !$data->{recursive};
    return @bad;
}

sub create ($call) {
    my $data  = $call->args->[0];
    my $world = $call->world;
    my $zfs   = $world->zfs;
    die TNSim::Error->validation(
        ['snapshot_create.naming_schema', 'You must specify either name or naming schema'])
        unless defined $data->{name} || defined $data->{naming_schema};
    my $leaf = _leaf_of($data);
    my @bad  = _create_errors($data, $leaf);
    die TNSim::Error->validation(@bad) if @bad;
    my $dataset = $data->{dataset};
    my $name    = "$dataset\@$leaf";
    die TNSim::Error->validation(
        ['pool.snapshot.create', "$name already exists.", 'EEXIST'])
        if $world->is_at_least('26') && $zfs->find_snapshot($name);
    my %exclude = map { $_ => 1 } @{ $data->{exclude} // [] };
    my @all =
        $data->{recursive} && $zfs->find($dataset)
        ? (grep { !$exclude{$_} } $zfs->subtree($dataset))
        : ($dataset);
    my $done = eval { $zfs->snapshot($_, $leaf, $data->{properties} // {}) for @all; 1 };
    _create_failed($world, $name, $@) unless $done;
    return $world->snapshot_rows->row($zfs->find_snapshot($name));
}

sub _create_failed ($world, $name, $error) {
    my $refusal = TNSim::Model::Refusal->caught($error) or die $error;
    die TNSim::Error->bare('ZFSPathNotFoundException',
        "'" . ($name =~ s{@.*}{}r) . "' not found")
        if $refusal->errname eq 'ENOENT' && $world->is_at_least('26');
    my $errname = $refusal->errname eq 'EEXIST' ? 'EEXIST' : 'EFAULT';
    die TNSim::Error->call($errname, "Failed to snapshot $name: " . $refusal->text);
}

sub delete ($call) {
    my ($id, $options) = @{ $call->args };
    my $world = $call->world;
    my $zfs   = $world->zfs;
    return _delete_26($world, $id, $options) if $world->is_at_least('26');
    my $snap = $zfs->find_snapshot($id);
    if (!$snap) {
        die TNSim::Error->call('EFAULT',
            "Failed to delete snapshot: snapshot $id not found")
            unless $world->is_at_least('23.10');
        die _missing($call, $id);
    }
    $world->at_delete($id);
    my @clones = $zfs->clones_of($id);
    die TNSim::Error->validation(
        [
            'options.defer',
            "Please set this attribute as '$id' snapshot "
                . 'has dependent clones: '
                . join(', ', @clones)
        ]
    ) if @clones && !$options->{defer} && $world->is_at_least('24.04');
    zfs_call('', sub { _destroy_all($zfs, $snap, $options) });
    return JSON::PP::true();
}

# recursive means the snapshots of the same name on everything below.
sub _destroy_all ($zfs, $snap, $options) {
    my $leaf = $snap->{name} =~ s/\A[^@]+//r;
    my @all =
        $options->{recursive}
        ? (grep { $zfs->find_snapshot($_) }
        map { "$_$leaf" } $zfs->subtree($snap->{dataset}))
        : ($snap->{name});
    $zfs->destroy_snapshot($_, defer => $options->{defer}) for @all;
    return;
}

# 26 goes through zfs.resource.snapshot.destroy and speaks its words.
sub _delete_26 ($world, $id, $options) {
    my $zfs = $world->zfs;
    die TNSim::Error->validation(['pool.snapshot.delete', "Invalid snapshot name: '$id'"])
        if $id !~ /\A[^@]+\@[^@]+\z/;
    my $snap = $zfs->find_snapshot($id) // die TNSim::Error->not_found("'$id' not found");
    $world->at_delete($id);
    destroy_26($zfs, $snap, $options);
    return JSON::PP::true();
}

sub destroy_26 ($zfs, $snap, $options) {
    my $at     = 'zfs.resource.snapshot.destroy';
    my @clones = $zfs->clones_of($snap->{name});
    my @holds  = sort keys %{ $snap->{holds} };
    if (!$options->{defer}) {
        die TNSim::Error->validation(
            [
                $at,
                "'$snap->{name}' has the following clones: " . join(',', @clones), 'EBUSY'
            ]
        ) if @clones;
        die TNSim::Error->validation(
            [
                $at,
                "'$snap->{name}' has the following holds: " . join(',', @holds), 'EBUSY'
            ]
        ) if @holds;
    }
    _destroy_all($zfs, $snap, $options);
    return;
}

sub remove ($call) {
    my $data = $call->args->[0];
    zfs_call(
        '',
        sub {
            $call->world->zfs->destroy_snapshot(
                "$data->{dataset}\@$data->{name}",
                defer => $data->{defer_delete}
            );
        }
    );
    return JSON::PP::true();
}

sub rollback ($call) {
    my ($id, $options) = @{ $call->args };
    rollback_to($call->world, $id, $options // {});
    return undef;
}

# Shared with zfs.resource.snapshot.rollback, whose errors differ.
sub rollback_to ($world, $id, $options) {
    my $zfs = $world->zfs;
    my %how = (recursive => $options->{recursive}, clones => $options->{recursive_clones});
    my ($dataset, $leaf) = split /\@/, $id, 2;
    my @all = $options->{recursive_rollback}
        && $zfs->find($dataset) ? $zfs->subtree($dataset) : ($dataset);
    for my $name (@all) {
        my $resized;
        if (!eval { $resized = $zfs->rollback("$name\@$leaf", %how); 1 }) {
            my $refusal = TNSim::Model::Refusal->caught($@) or die $@;
            _rollback_refused($world, "$name\@$leaf", $refusal);
        }
        $world->iscsi->resized($name) if $resized && !$world->knob('stale_size');
    }
    return;
}

sub _rollback_refused ($world, $id, $refusal) {
    die TNSim::Error->call('EFAULT', 'Failed to rollback snapshot: ' . $refusal->text)
        unless $world->is_at_least('26');
    die TNSim::Error->bare('ValueError',
              "Cannot rollback: more recent snapshots or bookmarks "
            . 'exist. Please pass `recursive: true` to delete the following snapshots and bookmarks '
            . "recursively:\n"
            . join("\n", map { "  $_" } @{ $refusal->{newer} }))
        if $refusal->{newer};
    die TNSim::Error->bare('ValueError', "'$id' not found")
        if $refusal->errname eq 'ENOENT';
    die TNSim::Error->bare('ZFSException', $refusal->text);
}

# dataset_properties are ZFS properties; those with a colon are user properties.
sub clone_arguments ($properties) {
    my (%native, %user);
    for my $key (keys %$properties) {
        my $value = $properties->{$key};
        if   ($key =~ /:/) { $user{$key}   = "$value" }
        else               { $native{$key} = lc "$value" }
    }
    return (props => \%native, user => \%user);
}

sub clone ($call) {
    my $data  = $call->args->[0];
    my $world = $call->world;
    my %arg   = clone_arguments($data->{dataset_properties} // {});
    return JSON::PP::true()
        if eval { $world->zfs->clone($data->{snapshot}, $data->{dataset_dst}, %arg); 1 };
    my $refusal = TNSim::Model::Refusal->caught($@) or die $@;
    die TNSim::Error->call('EFAULT', 'Failed to clone snapshot: ' . $refusal->text)
        unless $world->is_at_least('26');
    die TNSim::Error->bare('ZFSException', "'$data->{dataset_dst}' already exists")
        if $refusal->errname eq 'EEXIST';
    die TNSim::Error->bare('ZFSException', "'$data->{snapshot}' not found")
        if !$world->zfs->find_snapshot($data->{snapshot});
    die TNSim::Error->bare('ZFSException', $refusal->text);
}

sub _each_recursive ($call, $code) {
    my ($id, $options) = @{ $call->args };
    my $zfs = $call->world->zfs;
    die TNSim::Error->bare('ZFSPathNotFoundException', "'$id' not found")
        if $call->world->is_at_least('26')
        && !$options->{recursive}
        && !$zfs->find_snapshot($id);
    my ($dataset, $leaf) = split /\@/, $id, 2;
    my @all = ($id);
    @all = grep { $zfs->find_snapshot($_) } map { "$_\@$leaf" } $zfs->subtree($dataset)
        if $options->{recursive} && $zfs->find($dataset);
    $code->($_) for @all;
    return;
}

sub hold ($call) {
    my $zfs = $call->world->zfs;
    zfs_call(
        'Failed to hold snapshot: ',
        sub {
            _each_recursive($call, sub ($name) { $zfs->hold($name, 'truenas') });
        }
    );
    return undef;
}

sub release ($call) {
    my $zfs = $call->world->zfs;
    zfs_call(
        'Failed to release snapshot: ',
        sub {
            _each_recursive($call, sub ($name) { $zfs->release($name) });
        }
    );
    return undef;
}

sub update ($call) {
    my ($id, $data) = @{ $call->args };
    my $world = $call->world;
    return undef if $world->quirk('snapshot_update_noop');
    my $snap = $world->zfs->find_snapshot($id) // die _missing($call, $id);
    for my $item (@{ $data->{user_properties_update} // [] }) {
        if   ($item->{remove}) { delete $snap->{user}{ $item->{key} } }
        else                   { $snap->{user}{ $item->{key} } = $item->{value} }
    }
    delete @{ $snap->{user} }{ @{ $data->{user_properties_remove} // [] } };
    $world->store->touch('snapshot', $id);
    return $world->snapshot_rows->row($snap);
}

sub private_rename ($call) {
    my ($id, $new) = @{ $call->args };
    zfs_call(
        'Failed to rename snapshot: ',
        sub { $call->world->zfs->rename_snapshot($id, $new) }
    );
    return undef;
}

my $RENAME_FORCE =
      'No safety checks are performed when renaming ZFS resources; this may break '
    . 'existing usages. If you understand the risks, please set force and proceed.';

sub rename ($call) {
    my ($id, $options) = @{ $call->args };
    my $world = $call->world;
    my $new   = $options->{new_name};
    die TNSim::Error->validation(['pool.snapshot.rename.force', $RENAME_FORCE])
        if !$options->{force} && $world->quirk('rename_needs_force');
    die TNSim::Error->validation(
        [
            'pool.snapshot.rename.new_name',
            'Old and new snapshot must be part of the same ZFS dataset'
        ]
    ) if ($id =~ s/\@.*//r) ne ($new =~ s/\@.*//r);
    die TNSim::Error->validation(
        [
            'zfs.resource.rename',
            'Use `zfs.resource.snapshot.rename` to rename snapshots.'
        ]
    ) if $world->quirk('pool_snapshot_rename_broken');
    zfs_call('Failed to rename snapshot: ',
        sub { $world->zfs->rename_snapshot($id, $new) });
    return undef;
}

1;
