#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Snapshots in the namespaces of each release (API.md 4.3 and 7).
use v5.36;
use FindBin;
BEGIN { require "$FindBin::Bin/model-lib.pl"; ModelLib->import }
use Test::More;

my $A = 'tank/vm/a';

sub fresh ($release, @snaps) {
    my $world = world_of($release);
    volume($world, $A);
    $world->apply({ snapshot => [map { "$A\@$_" } @snaps] }) if @snaps;
    return $world;
}

sub names ($world) {
    return join ' ', map { $_->{name} =~ s/.*\@//r } @{ $world->dump->{snapshot} };
}

# Which namespaces there are.
for my $release (releases()) {
    my $world = fresh($release, 's');
    my %has =
        map { $_ => !(error_of($world, "$_.query", $_ =~ /resource/ ? {} : ()) // '') }
        qw(
        zfs.snapshot pool.snapshot zfs.resource.snapshot);
    is(
        join(' ', grep { $has{$_} } sort keys %has),
        {
            '25.10' => 'pool.snapshot zfs.snapshot',
            '26'    => 'pool.snapshot zfs.resource.snapshot',
        }->{$release} // 'zfs.snapshot',
        "$release has its namespaces"
    );
}

for my $release (releases()) {
    my $world = fresh($release);
    my $is_26 = $release eq '26';
    my $call =
        sub ($verb, @args) { return call_ok($world, snapshot_call($world, $verb), @args) };
    my $fails = sub ($want, $name, $verb, @args) {
        return call_fails($world, $want, "$release: $name", snapshot_call($world, $verb),
            @args);
    };

    my $made = $call->('create',
        { dataset => $A, name => 's1', properties => { 'org.tnstor:op' => 'u' } });
    is($made->{id}, "$A\@s1", "$release takes a snapshot");
    like($made->{createtxg}, qr/\A\d+\z/, "$release: createtxg is text");
    if (!$is_26) {
        is($made->{properties}{'org.tnstor:op'}{value}, 'u',
            "$release: its user properties");
    }
    else { is_deeply($made->{properties}, {}, '26 shows no properties unless asked') }
    my $later = $call->('create', { dataset => $A, name => 's2' });
    cmp_ok($later->{createtxg}, '>', $made->{createtxg},
        "$release: a later one has a higher createtxg");

    $fails->(
        $is_26
        ? "[EEXIST] pool.snapshot.create: $A\@s1 already exists."
        : "[EEXIST] Failed to snapshot $A\@s1: cannot create snapshot '$A\@s1': dataset already exists",
        'the name is taken', create => { dataset => $A, name => 's1' }
    );
    $fails->(
        $is_26
        ? "'tank/none' not found"
        : qr{\A\[EFAULT\] Failed to snapshot tank/none\@s: .*does not exist},
        'the dataset is missing',
        create => { dataset => 'tank/none', name => 's' }
    );

    # rollback
    $fails->(
        $is_26
        ? "Cannot rollback: more recent snapshots or bookmarks exist. Please pass `recursive: true` to "
            . "delete the following snapshots and bookmarks recursively:\n  $A\@s2"
        : "[EFAULT] Failed to rollback snapshot: cannot rollback to '$A\@s1': "
            . "more recent snapshots or bookmarks "
            . "exist\nuse '-r' to force deletion of the following snapshots and bookmarks:\n$A\@s2",
        'rollback past a newer one', rollback => "$A\@s1", {}
    );
    is($call->(rollback => "$A\@s2", {}), undef, "$release rolls back to the newest");
    $call->(hold => "$A\@s2", {});
    ok(
        $fails->(
            qr/./, 'rollback past a held one', rollback => "$A\@s1", { recursive => \1 }
        ),
        '...'
    );
    is(names($world), 's1 s2', "$release: nothing was lost");
    $call->(release => "$A\@s2", {});
    is($call->(rollback => "$A\@s1", { recursive => \1 }), undef,
        "$release rolls back with -r");
    is(names($world), 's1', "$release: the newer one is gone");
    $fails->(
        $is_26
        ? qr/not found/
        : "[EFAULT] Failed to rollback snapshot: cannot open '$A\@no': dataset does not exist",
        'rollback to none', rollback => "$A\@no", {}
    );

    # rollback brings the size back
    call_ok($world, 'pool.dataset.update', $A, { volsize => 2 << 30 });
    $call->(rollback => "$A\@s1", {});
    is(call_ok($world, 'pool.dataset.get_instance', $A)->{volsize}{parsed}, 1 << 30,
        "$release: volsize is as it was");

    # holds
    $call->(hold => "$A\@s1", {});
    my $row =
        $call->(query => [['id', '=', "$A\@s1"]], { extra => { holds => \1 }, get => \1 });
    ok($row->{holds}{truenas}, "$release shows the hold when asked");
    $fails->(
        $is_26
        ? "[EBUSY] zfs.resource.snapshot.destroy: '$A\@s1' has the following holds: truenas"
        : qr/\A\[EFAULT\] .*dataset is busy\z/, 'a held one stays', delete => "$A\@s1", {}
    );
    $call->(release => "$A\@s1", {});

    # clones
    is($call->(clone => { snapshot => "$A\@s1", dataset_dst => 'tank/vm/c' }),
        JSON::PP::true(), "$release clones");
    my $clone = call_ok($world, 'pool.dataset.get_instance', 'tank/vm/c');
    is($clone->{origin}{rawvalue},       "$A\@s1", "$release: the clone's origin");
    is($clone->{refreservation}{parsed}, undef,    "$release: a clone reserves nothing");
    is($clone->{volsize}{parsed}, 1 << 30, "$release: a clone is as large as the snapshot");
    $fails->(
        $is_26
        ? qr/already exists/
        : "[EFAULT] Failed to clone snapshot: cannot create 'tank/vm/c': dataset already exists",
        'a clone that is there',
        clone => { snapshot => "$A\@s1", dataset_dst => 'tank/vm/c' }
    );
    $fails->(
        $is_26
        ? qr/not found/
        : "[EFAULT] Failed to clone snapshot: cannot open '$A\@no': dataset does not exist",
        'a clone of none', clone => { snapshot => "$A\@no", dataset_dst => 'tank/vm/d' }
    );
    my $new = $world->is_at_least('24.04');
    $fails->(
        $is_26
        ? "[EBUSY] zfs.resource.snapshot.destroy: '$A\@s1' has the following clones: tank/vm/c"
        : $new
        ? "[EINVAL] options.defer: Please set this attribute as '$A\@s1' snapshot has dependent clones: tank/vm/c"
        : qr/\A\[EFAULT\] cannot destroy .*snapshot has dependent clones\z/,
        'a cloned one stays', delete => "$A\@s1", {}
    );
    is($call->(delete => "$A\@s1", { defer => \1 }), JSON::PP::true(),
        "$release destroys it later");
    is(names($world), 's1', "$release: while the clone is there, so is the snapshot");
    call_ok($world, 'pool.dataset.delete', 'tank/vm/c', {});
    is(names($world), '', "$release: with the clone it goes");

    my $class = $world->is_at_least('25.10') ? 'PoolSnapshot' : 'ZFSSnapshot';
    $fails->(
          $is_26              ? "[ENOENT] None: '$A\@s1' not found"
        : $release eq '22.12' ? qr/\A\[EFAULT\] /
        : "[ENOENT] None: $class $A\@s1 does not exist",
        'deleting what is gone', delete => "$A\@s1", {}
    );
    is_deeply($call->(query => [['dataset', '=', $A]], {}), [],
        "$release: no snapshots, an empty list");
}

# rename
my $world = fresh('25.10', 's1');
is(
    call_ok(
        $world, 'pool.snapshot.rename', "$A\@s1", { new_name => "$A\@s2", force => \1 }
    ),
    undef,
    '25.10 renames a snapshot'
);
call_fails($world, qr/\A\[EINVAL\] pool\.snapshot\.rename\.force: /, '... only by force',
    'pool.snapshot.rename', "$A\@s2", { new_name => "$A\@s3" });
call_fails(
    $world,
    '[EINVAL] pool.snapshot.rename.new_name: Old and new snapshot must be part of the same ZFS dataset',
    '... and only in place', 'pool.snapshot.rename', "$A\@s2",
    { new_name => 'tank/vm/b@s2', force => \1 }
);
$world = fresh('26', 's1');
call_fails(
    $world,
    '[EINVAL] zfs.resource.rename: Use `zfs.resource.snapshot.rename` to rename snapshots.',
    '26: pool.snapshot.rename always fails', 'pool.snapshot.rename', "$A\@s1",
    { new_name => "$A\@s2", force => \1 }
);
is(
    call_ok(
        $world, 'zfs.resource.snapshot.rename',
        { current_name => "$A\@s1", new_name => "$A\@s2" }
    ),
    undef,
    '26 renames the other way'
);
is(names($world), 's2', '... and it has the new name');

# the namespace of 26
is(
    call_ok(
        $world, 'pool.snapshot.update', "$A\@s2",
        { user_properties_update => [{ key => 'a:b', value => 'c' }] }
    ),
    undef,
    '26: pool.snapshot.update does nothing and says null'
);
my $row = call_ok($world, 'zfs.resource.snapshot.create',
    { dataset => $A, name => 's3', user_properties => { 'a:b' => 'c' } });
is($row->{snapshot_name}, 's3', '26 creates through zfs.resource');
my ($seen) = @{
    call_ok(
        $world, 'zfs.resource.snapshot.query',
        {
            paths               => ["$A\@s3"], properties => ['used', 'volsize'],
            get_user_properties => \1,         get_holds  => \1
        }
    )
};
is($seen->{user_properties}{'a:b'}, 'c', '26 shows user properties as plain text');
is($seen->{properties}{volsize}{value}, 1 << 30,
    '26 shows a property as raw, source and value');
is($seen->{holds}, undef, '26: no holds is null');
call_ok($world, 'zfs.resource.snapshot.hold', { path => "$A\@s3" });
is_deeply(call_ok($world, 'zfs.resource.snapshot.holds', { path => "$A\@s3" }),
    ['truenas'], '26 lists the tags');
call_fails(
    $world,
    "[EBUSY] zfs.resource.snapshot.destroy: '$A\@s3' has the following holds: truenas",
    '26: held',
    'zfs.resource.snapshot.destroy', { path => "$A\@s3" }
);
call_ok($world, 'zfs.resource.snapshot.release', { path => "$A\@s3" });
is(call_ok($world, 'zfs.resource.snapshot.destroy', { path => "$A\@s3" }), undef,
    '26 destroys');
call_fails(
    $world, "[ENOENT] zfs.resource.snapshot.destroy: '$A\@s3' not found", '26: gone',
    'zfs.resource.snapshot.destroy', { path => "$A\@s3" }
);
is_deeply(call_ok($world, 'zfs.resource.snapshot.count', { paths => [$A] }), { $A => 1 },
    '26 counts');

# -r past a held snapshot fails, and what is not held is gone all the same; past a cloned one only
# 26 destroys before it refuses.
for my $release (releases()) {
    for my $kind (qw(held cloned)) {
        my $world = fresh($release, qw(s1 s2 s3));
        $world->apply(
            $kind eq 'held'
            ? { hold  => { snapshot => "$A\@s2" } }
            : { clone => { snapshot => "$A\@s2", name => 'tank/vm/c' } }
        );
        ok(
            error_of(
                $world, snapshot_call($world, 'rollback'), "$A\@s1", { recursive => \1 }
            ),
            "$release: not past a $kind one"
        );
        is(names($world), $kind eq 'held' || $release eq '26' ? 's1 s2' : 's1 s2 s3',
            "$release: what is left of the newer ones");
    }
}

# A clone that appears between a client's look and the destroy survives, in every release.
for my $release (releases()) {
    my $world = fresh($release, 's1');
    $world->apply(
        {
            knob =>
                { clone_at_delete => { snapshot => "$A\@s1", name => 'tank/vm/sudden' } }
        }
    );
    ok(error_of($world, snapshot_call($world, 'delete'), "$A\@s1", {}),
        "$release: the delete is refused");
    ok(call_ok($world, 'pool.dataset.get_instance', 'tank/vm/sudden'),
        "$release: the sudden clone is there");
    is(names($world),                   's1',  "$release: and so is its origin");
    is($world->knob('clone_at_delete'), undef, "$release: it happens once");
}

done_testing;
