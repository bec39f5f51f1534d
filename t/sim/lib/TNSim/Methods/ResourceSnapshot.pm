# SPDX-License-Identifier: Apache-2.0
# zfs.resource.snapshot.*, which 26 brought.
package TNSim::Methods::ResourceSnapshot;
use v5.36;
use TNSim::Error;
use TNSim::Methods::Snapshot;
use TNSim::Model::Handler qw(methods_of);
use TNSim::Model::Refusal;

sub methods {
    my %code = (
        query => \&query, count  => \&count,  create   => \&create,   destroy => \&destroy,
        clone => \&clone, rename => \&rename, rollback => \&rollback, hold    => \&hold,
        release => \&release, holds => \&holds,
    );
    return methods_of(
        map { ("zfs.resource.snapshot.$_" => { code => $code{$_}, from => '26' }) }
            keys %code);
}

sub _refuse ($verb, $text, $errname) {
    die TNSim::Error->validation(["zfs.resource.snapshot.$verb", $text, $errname]);
}

sub _snapshot ($call, $verb, $name) {
    return $call->world->zfs->find_snapshot($name)
        // _refuse($verb, "'$name' not found", 'ENOENT');
}

# What ZFS refuses after all checks of our own.
sub _run ($verb, $code) {
    return if eval { $code->(); 1 };
    my $refusal = TNSim::Model::Refusal->caught($@) or die $@;
    _refuse($verb, $refusal->text, $refusal->errname);
}

sub _below ($zfs, $name, $recursive) {
    return $recursive ? $zfs->subtree($name) : ($name);
}

# Paths are datasets or snapshots; none means everything.
sub _selected ($call, $verb) {
    my $arg   = $call->args->[0] // {};
    my $zfs   = $call->world->zfs;
    my @paths = @{ $arg->{paths} // [] };
    my (@snaps, %seen);
    for my $path (@paths ? @paths : $zfs->names) {
        if ($path =~ /\@/) { push @snaps, _snapshot($call, $verb, $path); next }
        $zfs->find($path) // _refuse($verb, "'$path' not found", 'ENOENT');
        push @snaps,
            map { $zfs->find_snapshot($_) }
            map { $zfs->snapshots_of($_) } _below($zfs, $path, $arg->{recursive});
    }
    return grep { !$seen{ $_->{name} }++ } @snaps;
}

sub query ($call) {
    my $arg   = $call->args->[0] // {};
    my @snaps = _selected($call, 'query');
    @snaps = grep { $_->{txg} >= $arg->{min_txg} } @snaps if $arg->{min_txg};
    @snaps = grep { $_->{txg} <= $arg->{max_txg} } @snaps if $arg->{max_txg};
    return [map { $call->world->snapshot_rows->resource_row($_, %$arg) } @snaps];
}

sub count ($call) {
    my %count = map { $_ => 0 } @{ ($call->args->[0] // {})->{paths} // [] };
    $count{ $_->{dataset} }++ for _selected($call, 'count');
    return \%count;
}

sub create ($call) {
    my $arg  = $call->args->[0];
    my $zfs  = $call->world->zfs;
    my $name = "$arg->{dataset}\@$arg->{name}";
    $zfs->find($arg->{dataset})
        // _refuse('create', "'$arg->{dataset}' not found", 'ENOENT');
    _refuse('create', "'$name' already exists", 'EEXIST') if $zfs->find_snapshot($name);
    my %exclude = map { $_ => 1 } @{ $arg->{exclude} // [] };
    _run(
        'create',
        sub {
            $zfs->snapshot($_, $arg->{name}, $arg->{user_properties} // {})
                for grep { !$exclude{$_} } _below($zfs, $arg->{dataset}, $arg->{recursive});
        }
    );
    return $call->world->snapshot_rows->resource_row($zfs->find_snapshot($name));
}

sub destroy ($call) {
    my $arg = $call->args->[0];
    my $zfs = $call->world->zfs;
    $call->world->at_delete($arg->{path});
    my @snaps = ($arg->{path});
    if ($arg->{all_snapshots}) {
        $zfs->find($arg->{path})
            // _refuse('destroy', "'$arg->{path}' not found", 'ENOENT');
        @snaps =
            map { $zfs->snapshots_of($_) } _below($zfs, $arg->{path}, $arg->{recursive});
    }
    my @found = map { _snapshot($call, 'destroy', $_) } @snaps;
    TNSim::Methods::Snapshot::destroy_26($zfs, $_, $arg) for @found;
    return undef;
}

sub clone ($call) {
    my $arg = $call->args->[0];
    my $zfs = $call->world->zfs;
    _snapshot($call, 'clone', $arg->{snapshot});
    _refuse('clone', "'$arg->{dataset}' already exists", 'EEXIST')
        if $zfs->find($arg->{dataset});
    my %fields = TNSim::Methods::Snapshot::clone_arguments($arg->{properties} // {});
    _run('clone', sub { $zfs->clone($arg->{snapshot}, $arg->{dataset}, %fields) });
    return undef;
}

sub rename ($call) {
    my $arg = $call->args->[0];
    my $zfs = $call->world->zfs;
    _snapshot($call, 'rename', $arg->{current_name});
    _refuse('rename', "'$arg->{new_name}' already exists", 'EEXIST')
        if $zfs->find_snapshot($arg->{new_name});
    _refuse('rename', 'Old and new snapshot must be part of the same ZFS dataset', 'EINVAL')
        if ($arg->{current_name} =~ s/\@.*//r) ne ($arg->{new_name} =~ s/\@.*//r);
    _run('rename', sub { $zfs->rename_snapshot(@$arg{qw(current_name new_name)}) });
    return undef;
}

sub rollback ($call) {
    my $arg = $call->args->[0];
    _snapshot($call, 'rollback', $arg->{path});
    my $done =
        eval { TNSim::Methods::Snapshot::rollback_to($call->world, $arg->{path}, $arg); 1 };
    return undef if $done;
    my $error = $@;
    die $error unless TNSim::Error::is($error) && $error->kind eq 'bare';
    _refuse('rollback', $error->reason, 'EINVAL');
}

sub hold ($call) {
    my $arg = $call->args->[0];
    _snapshot($call, 'hold', $arg->{path});
    _run('hold', sub { $call->world->zfs->hold($arg->{path}, $arg->{tag} // 'truenas') });
    return undef;
}

sub release ($call) {
    my $arg = $call->args->[0];
    _snapshot($call, 'release', $arg->{path});
    _run('release', sub { $call->world->zfs->release($arg->{path}, $arg->{tag}) });
    return undef;
}

sub holds ($call) {
    my $snap = _snapshot($call, 'holds', $call->args->[0]{path});
    return [sort keys %{ $snap->{holds} }];
}

1;
