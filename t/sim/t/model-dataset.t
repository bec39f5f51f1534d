#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# pool.dataset.*: what each release accepts, refuses and shows (API.md 4.2 and 7).
use v5.36;
use FindBin;
BEGIN { require "$FindBin::Bin/model-lib.pl"; ModelLib->import }
use Test::More;

my $GIB = 1 << 30;

sub zvol (%more) { return { type => 'VOLUME', volsize => $GIB, sparse => \1, %more } }

sub fresh ($release) {
    my $world = world_of($release);
    $world->apply({ dataset => { name => 'tank/vm', create => {} } });
    return $world;
}

sub row ($world, $id, %extra) {
    return call_ok($world, 'pool.dataset.query', [['id', '=', $id]],
        { extra => {%extra}, get => \1 });
}

for my $release (releases()) {
    my $world = fresh($release);
    my $new   = $world->is_at_least('25.10');
    my $is_26 = $world->is_at_least('26');

    my $made = call_ok(
        $world, 'pool.dataset.create',
        zvol(
            name            => 'tank/vm/a',
            user_properties => [{ key => 'org.tnstor:owner', value => 'o' }]
        )
    );
    is($made->{volsize}{value},  $new ? '1 GiB' : '1G', "$release writes a size its way");
    is($made->{volsize}{parsed}, $GIB,                  "$release parses it to a number");
    is(
        json($made->{user_properties}{'org.tnstor:owner'}),
        $is_26 ? 'null' : json(
            {
                parsed      => 'o', rawvalue => 'o', value => 'o', source => 'LOCAL',
                source_info => undef
            }
        ),
        $is_26
        ? '26 drops user properties at create'
        : "$release keeps user properties at create"
    );
    call_ok(
        $world, 'pool.dataset.update', 'tank/vm/a',
        { user_properties_update => [{ key => 'org.tnstor:owner', value => 'p' }] }
    );
    is(
        row($world, 'tank/vm/a')->{user_properties}{'org.tnstor:owner'}{value}, 'p',
        "$release sets a user property by update"
    );
    call_ok(
        $world, 'pool.dataset.update', 'tank/vm/a',
        { user_properties_update => [{ key => 'org.tnstor:owner', remove => \1 }] }
    );
    ok(!exists row($world, 'tank/vm/a')->{user_properties}{'org.tnstor:owner'},
        "$release removes one");

    # inheritance
    $world->apply(
        { dataset => { name => 'tank/vm', user => { 'org.tnstor:owner' => 'up' } } });
    my $seen = row($world, 'tank/vm/a')->{user_properties}{'org.tnstor:owner'};
    is($seen->{source}, $new ? 'LOCAL' : 'INHERITED',
        "$release: source of an inherited tag");
    is($seen->{source_info}, $new ? undef : 'tank/vm', "$release: where it comes from");
    is(row($world, 'tank/vm/a')->{compression}{source}, 'INHERITED',
        "$release: compression is inherited");
    $world->apply(
        { dataset => { name => 'tank/vm', user => { 'org.tnstor:owner' => undef } } });

    # refusals at create
    my $at      = 'pool_dataset_create';
    my @refused = (
        [
            'an existing zvol',
            $is_26
            ? qr/\A\[EFAULT\] Failed to create dataset tank\/vm\/a: .*already exists\z/
            : "[EFAULT] Failed to create dataset: cannot create 'tank/vm/a': dataset already exists",
            zvol(name => 'tank/vm/a')
        ],
        [
            'a missing parent',
            "[EINVAL] $at.name: Parent dataset (tank/no) does not exist.",
            zvol(name => 'tank/no/x')
        ],
        [
            'a missing pool', "[EINVAL] $at.name: zpool (nopool) does not exist.",
            zvol(name => 'nopool/x')
        ],
        [
            'a name without a slash',
            "[EINVAL] $at.name: You need a full name, e.g. pool/newdataset",
            zvol(name => 'x')
        ],
        [
            'an impossible name', "[EINVAL] $at.name: Invalid dataset name",
            zvol(name => 'tank/vm/a%b')
        ],
        [
            'a size that is no multiple',
            "[EINVAL] $at.volsize: Volume size should be a multiple of volume block size",
            zvol(name => 'tank/vm/b', volsize => $GIB + 512)
        ],
        [
            'too much, sparse as it is',
            "[EINVAL] $at.volsize: It is not recommended to use more than 80% of your "
                . 'available space for VOLUME',
            zvol(name => 'tank/vm/b', volsize => 900 * $GIB)
        ],
    );
    call_fails($world, $_->[1], "$release refuses $_->[0]", 'pool.dataset.create', $_->[2])
        for @refused;
    ok(
        call_ok(
            $world, 'pool.dataset.create',
            zvol(name => 'tank/vm/big', volsize => 900 * $GIB, force_size => \1)
        ),
        "$release takes more than 80% by force"
    );
    my $long = 'tank/vm/' . 'x' x 200;
    if ($new) {
        ok(call_ok($world, 'pool.dataset.create', zvol(name => $long)),
            "$release takes a long name");
    }
    else {
        call_fails(
            $world,
            "[EINVAL] $at.name: Dataset name length should be less than or equal to 200",
            "$release limits names to 200", 'pool.dataset.create', zvol(name => $long)
        );
    }
    $world->apply({ pool => { name => 'flash', draid => 1 } });
    call_fails(
        $world,
        "[EINVAL] $at.volblocksize: Volume block size must be greater than or equal to 32K for dRAID pools",
        "$release: dRAID needs 32K", 'pool.dataset.create',
        zvol(name => 'flash/a', volblocksize => '16K')
    );
    is(call_ok($world, 'pool.dataset.recommended_zvol_blocksize', 'flash'), '128K',
        "$release recommends for dRAID");
    is(
        call_ok(
            $world, 'pool.dataset.create',
            zvol(name => 'tank/one/two/c', create_ancestors => \1)
        )->{id},
        'tank/one/two/c',
        "$release makes ancestors"
    );
    is(row($world, 'tank/one')->{type}, 'FILESYSTEM',
        "$release: an ancestor is a filesystem");

    # growth and shrinking
    call_ok($world, 'pool.dataset.update', 'tank/vm/a', { volsize => 2 * $GIB });
    is(row($world, 'tank/vm/a')->{volsize}{parsed}, 2 * $GIB, "$release grows");
    call_fails(
        $world,
        '[EINVAL] pool_dataset_update.volsize: You cannot shrink a zvol from GUI, this may lead to data loss.',
        "$release does not shrink", 'pool.dataset.update', 'tank/vm/a', { volsize => $GIB }
    );
    call_fails(
        $world, '[ENOENT] id: tank/vm/none does not exist',
        "$release updates nothing that is missing",
        'pool.dataset.update', 'tank/vm/none', { volsize => $GIB }
    );

    # comments
    my $fs = call_ok($world, 'pool.dataset.create',
        { name => 'tank/vm/fs', type => 'FILESYSTEM' });
    my $comments = sub { ($new ? $fs->{user_properties} : $fs)->{comments}{value} };
    is($comments->(), $is_26 ? 'INHERIT' : undef, "$release: comments that nobody gave");
    call_ok($world, 'pool.dataset.update', 'tank/vm/fs', { comments => 'hello' });
    $fs = row($world, 'tank/vm/fs');
    is($comments->(), 'hello',
        "$release shows comments, from 25.10 on among the user properties");
    is(exists $fs->{comments} ? 1 : 0, $new ? 0 : 1, "$release: and nowhere else");

    # delete
    is(call_ok($world, 'pool.dataset.delete', 'tank/vm/a', {}), JSON::PP::true(),
        "$release deletes a zvol");
    call_fails(
        $world, '[ENOENT] None: PoolDataset tank/vm/a does not exist',
        "$release: it is gone",
        'pool.dataset.delete', 'tank/vm/a', {}
    );
    call_fails(
        $world,
        "[ENOTEMPTY] Failed to delete dataset: cannot destroy 'tank/vm': filesystem has children",
        "$release keeps a dataset with children", 'pool.dataset.delete', 'tank/vm', {}
    );
}

# The size of a full reservation.
for my $release (qw(25.10 26)) {
    my $world = fresh($release);
    my $row =
        call_ok($world, 'pool.dataset.create', zvol(name => 'tank/vm/t', sparse => \0));
    if ($release eq '26') {
        is($row->{refreservation}{parsed}, $GIB, '26 reserves exactly the size');
    }
    else {
        cmp_ok($row->{refreservation}{parsed}, '>', $GIB,
            "$release reserves for metadata too");
    }
    is($row->{usedbyrefreservation}{parsed} + 57344, $row->{refreservation}{parsed},
        "$release: counted as used");
}

# Busy, children, snapshots and clones at delete.
for my $release (qw(24.10 25.10 26)) {
    my $world = fresh($release);
    my $is_26 = $release eq '26';
    volume($world, 'tank/vm/a');
    $world->apply({ dataset => { name => 'tank/vm/a', busy => 1 } });
    if ($is_26) {
        is(call_ok($world, 'pool.dataset.delete', 'tank/vm/a', {}), JSON::PP::true(),
            '26 says true');
        ok(row($world, 'tank/vm/a'), '... while the busy zvol still exists');
    }
    else {
        call_fails(
            $world,
            "[EBUSY] Failed to delete dataset: cannot destroy 'tank/vm/a': dataset is busy",
            "$release tells that it is busy", 'pool.dataset.delete', 'tank/vm/a', {}
        );
    }
    $world->apply(
        {
            dataset => { name     => 'tank/vm/a',   busy => 0 }, snapshot => 'tank/vm/a@s',
            clone   => { snapshot => 'tank/vm/a@s', name => 'tank/vm/c' }
        }
    );
    call_fails(
        $world, $is_26
        ? "[ENOTEMPTY] zfs.resource.destroy: 'tank/vm/a' has snapshots. Set recursive=True to remove them."
        : "[EFAULT] Failed to delete dataset: cannot destroy 'tank/vm/a': volume has children\n"
            . "use '-r' to destroy the following datasets:\ntank/vm/a\@s",
        "$release keeps a zvol with snapshots", 'pool.dataset.delete', 'tank/vm/a', {}
    );
    my ($result, $error) =
        try_call($world, 'pool.dataset.delete', 'tank/vm/a', { recursive => \1 });
    my $clone = (try_call($world, 'pool.dataset.get_instance', 'tank/vm/c'))[0];
    if ($is_26) { ok($result && !$clone, '26 destroys the clone too when recursive') }
    else        { ok($error && $clone, "$release refuses, and the clone is still there") }
}

# A switch turned off plays the other release.
my $world = world_of('26', quirks => { delete_swallows_refusal => 0 });
volume($world, 'tank/vm/a');
$world->apply({ dataset => { name => 'tank/vm/a', busy => 1 } });
call_fails(
    $world, qr/\A\[EBUSY\] zfs\.resource\.destroy: Failed to destroy/,
    'without the quirk 26 tells the refusal',
    'pool.dataset.delete', 'tank/vm/a', {}
);

# Which datasets a query sees.
for my $release (releases()) {
    my $world = fresh($release);
    volume($world, "tank/vm/$_") for qw(a b);
    my $sees = sub ($filters, %extra) {
        return join ' ',
            sort map { $_->{id} }
            @{ call_ok($world, 'pool.dataset.query', $filters, { extra => {%extra} }) };
    };
    my @flat = (retrieve_children => \0);
    is($sees->([], @flat), 'flash tank',
        "$release: without children and filter, the pools");
    is($sees->([['id', '=', 'tank/vm/a']], @flat), 'tank/vm/a', "$release: one by id");
    is(
        $sees->([['id', '^', 'tank/vm/']], @flat),
        $world->is_at_least('25.10') ? 'tank/vm/a tank/vm/b' : '',
        "$release: by prefix, without children"
    );
    is(
        $sees->([['id', 'in', ['tank/vm/a', 'tank/x']]], @flat),
        $world->is_at_least('25.04') ? 'tank/vm/a' : '',
        "$release: by a list of ids, without children"
    );
    is($sees->([['id', '^', 'tank/vm/']]), 'tank/vm/a tank/vm/b',
        "$release: by prefix, with children");
    my $parent = row($world, 'tank/vm', flat => \0);
    is(join(' ', map { $_->{id} } @{ $parent->{children} }), 'tank/vm/a tank/vm/b',
        "$release: nested children");
    my $row = row($world, 'tank/vm/a', properties => ['volsize'], retrieve_children => \0);
    ok($row->{volsize} && !$row->{used},
        "$release: only the properties that were asked for");
    is(exists $row->{locked} ? 1 : 0, $world->is_at_least('25.10') ? 0 : 1,
        "$release: locked with other properties");
    $row = row($world, 'tank/vm/a', properties => ['encryption'], retrieve_children => \0);
    ok(exists $row->{locked}, "$release: locked when encryption is asked for");
    my $count =
        call_ok($world, 'pool.dataset.query', [['id', '=', 'tank/vm/a']], { count => \1 });
    is($count, $world->is_at_least('25.10') ? 5 : 1, "$release: what count counts");
}

# Rename and promote.
for my $release (releases()) {
    my $world = fresh($release);
    my $new   = $world->is_at_least('25.10');
    volume($world, 'tank/vm/a');
    $world->apply(
        {
            snapshot => 'tank/vm/a@s',
            clone    => { snapshot => 'tank/vm/a@s', name => 'tank/vm/c' }
        }
    );
    my $origin = row($world, 'tank/vm/c')->{origin};
    is($origin->{rawvalue}, 'tank/vm/a@s',                     "$release: origin");
    is($origin->{value}, $new ? 'TANK/VM/A@S' : 'tank/vm/a@s', "$release: origin as text");
    if ($new) {
        call_fails(
            $world, qr/\A\[EINVAL\] pool\.dataset\.rename\.force: No safety checks/,
            "$release: rename needs force",
            'pool.dataset.rename', 'tank/vm/a', { new_name => 'tank/vm/b' }
        );
        is(
            call_ok(
                $world, 'pool.dataset.rename', 'tank/vm/a',
                { new_name => 'tank/vm/b', force => \1 }
            ),
            undef,
            "$release renames"
        );
    }
    elsif ($release ne '25.04') {
        call_ok($world, 'zfs.dataset.rename', 'tank/vm/a',
            { new_name => 'tank/vm/b', recursive => \0 });
    }
    else { $world->apply({ rename => { from => 'tank/vm/a', to => 'tank/vm/b' } }) }
    is(row($world, 'tank/vm/c')->{origin}{rawvalue}, 'tank/vm/b@s',
        "$release: the clone follows the rename");
    is(call_ok($world, 'pool.dataset.promote', 'tank/vm/c'), undef, "$release promotes");
    is(row($world, 'tank/vm/b')->{origin}{rawvalue}, 'tank/vm/c@s',
        "$release: origin and clone changed places");
    call_fails(
        $world,
        $release eq '26'
        ? "[EINVAL] zfs.resource.promote: 'tank/vm/c' is ineligible for promotion."
        : '[EBADMSG] Only cloned datasets can be promoted.',
        "$release promotes only clones", 'pool.dataset.promote', 'tank/vm/c'
    );
    call_fails(
        $world, $release eq '26'
        ? "[ENOENT] zfs.resource.promote: 'tank/x' not found"
        : '[ENOENT] Dataset "tank/x" does not exist.',
        "$release promotes nothing that is missing", 'pool.dataset.promote', 'tank/x'
    );
}

# Locked and exported.
for my $release (qw(22.12 25.10)) {
    my $world = fresh($release);
    volume($world, 'tank/vm/a');
    my ($extent) = publish($world, 'tank/vm/a');
    is($world->dump->{exported}[0]{naa}, $extent->{naa}, "$release: the LUN is shown");
    $world->apply({ dataset => { name => 'tank/vm', locked => 1 } });
    ok(row($world, 'tank/vm/a')->{locked},
        "$release: a locked dataset still lists its volumes");
    ok(call_ok($world, 'iscsi.extent.get_instance', $extent->{id})->{locked},
        "$release: and the extent says so");
    is(scalar @{ $world->dump->{exported} }, 0, "$release: no LUN is shown");
    call_fails(
        $world, qr/tank\/vm must be unlocked to create tank\/vm\/b\./,
        "$release: nothing new below it",
        'pool.dataset.create', zvol(name => 'tank/vm/b')
    );
    $world->apply({ dataset => { name => 'tank/vm', locked => 0 } });
    is(scalar @{ $world->dump->{exported} }, 1, "$release: unlocked, the LUN is back");
    $world->apply({ pool => { name => 'tank', exported => 1 } });
    is_deeply(call_ok($world, 'pool.dataset.query', [['id', '^', 'tank']], {}), [],
        "$release: an exported pool has no datasets");
    is(call_ok($world, 'pool.query', [['name', '=', 'tank']], { get => \1 })->{status},
        'OFFLINE', "$release: and is offline");
    $world->apply({ pool => { name => 'tank', exported => 0 } });
    is($world->dump->{exported}[0]{naa}, $extent->{naa},
        "$release: imported again, the LUN has its identity");
}

done_testing;
