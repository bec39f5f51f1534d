#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# iscsi.*: identities, uniqueness, use by initiators, and what a deletion takes along (API.md 4.4).
use v5.36;
use FindBin;
BEGIN { require "$FindBin::Bin/model-lib.pl"; ModelLib->import }
use Test::More;

my @ZVOL = map { "tank/vm/$_" } qw(a b c);

sub fresh ($release, %arg) {
    my $world = world_of($release, %arg);
    volume($world, $_) for @ZVOL;
    return $world;
}

sub extent ($world, $name, $zvol, %more) {
    return call_ok($world, 'iscsi.extent.create',
        { name => $name, type => 'DISK', disk => "zvol/$zvol", %more });
}

sub count ($world, $table) { return scalar @{ $world->dump->{$table} } }

for my $release (releases()) {
    my $world = fresh($release);
    my $new   = $world->is_at_least('25.10');
    my $fails = sub ($want, $name, $method, @args) {
        return call_fails($world, $want, "$release: $name", $method, @args);
    };

    # extents
    my $extent = extent($world, 'one.x', $ZVOL[0]);
    like($extent->{naa},    qr/\A0x6589cfc000000[0-9a-f]{19}\z/, "$release: NAA");
    like($extent->{serial}, qr/\A[0-9a-f]{15}\z/,                "$release: serial");
    is($extent->{filesize}, '0', "$release: filesize is text");
    is("$extent->{disk} $extent->{path}", "zvol/$ZVOL[0] zvol/$ZVOL[0]",
        "$release: disk and path");
    is($extent->{vendor},     'TrueNAS',                   "$release: vendor");
    is($extent->{product_id}, $new ? 'iSCSI Disk' : undef, "$release: product_id");
    my $at = 'iscsi_extent_create';
    $fails->(
        "[EINVAL] $at.name: Extent name must be unique", 'extent names',
        'iscsi.extent.create',
        { name => 'one.x', type => 'DISK', disk => "zvol/$ZVOL[1]" }
    );
    $fails->(
        "[EINVAL] $at.disk: Device '/dev/zvol/tank/none' for volume 'tank/none' does not exist",
        'no such zvol',
        'iscsi.extent.create', { name => 'n', type => 'DISK', disk => 'zvol/tank/none' }
    );
    $fails->(
        "[EINVAL] $at.disk: Disk name must start with \"zvol/\"", 'a disk that is no zvol',
        'iscsi.extent.create', { name => 'n', type => 'DISK', disk => $ZVOL[1] }
    );
    $fails->(
        "[EINVAL] $at.serial: Serial number must be unique", 'serials',
        'iscsi.extent.create',
        {
            name   => 'n', type => 'DISK', disk => "zvol/$ZVOL[1]",
            serial => $extent->{serial}
        }
    ) if $release ne '22.12';
    if ($new) {
        $fails->(
            "[EINVAL] $at.disk: Disk currently in use by extent one.x",
            'one extent for a zvol',
            'iscsi.extent.create', { name => 'n', type => 'DISK', disk => "zvol/$ZVOL[0]" }
        );
        $fails->(
            "[EINVAL] $at.name: Extent name must be unique when flattened (one.x)",
            'flattened names',
            'iscsi.extent.create',
            { name => 'one_x', type => 'DISK', disk => "zvol/$ZVOL[1]" }
        );
    }
    else {
        my $twice = extent($world, 'one_x', $ZVOL[0]);
        isnt($twice->{naa}, $extent->{naa},
            "$release: two extents on one zvol, with two identities");
        call_ok($world, 'iscsi.extent.delete', $twice->{id}, \0, \0);
    }
    is(
        join(' ', sort keys %{ call_ok($world, 'iscsi.extent.disk_choices') }),
        "zvol/$ZVOL[1] zvol/$ZVOL[2]",
        "$release offers only volumes that have no extent"
    );
    $fails->('[ENOENT] None: iSCSITargetExtent 99 does not exist', 'no such extent',
        'iscsi.extent.get_instance', 99);

    # portal, initiator, auth, target
    $fails->(
        '[EINVAL] iscsiportal_create.listen: IP 198.51.100.1 not configured on this system.',
        'a foreign address',
        'iscsi.portal.create', { listen => [{ ip => '198.51.100.1' }] }
    );
    my $portal =
        call_ok($world, 'iscsi.portal.create', { listen => [{ ip => '127.0.0.1' }] });
    is($portal->{listen}[0]{port}, call_ok($world, 'iscsi.global.config')->{listen_port},
        "$release: the port is the service's");
    is(exists $portal->{discovery_authmethod} ? 1 : 0,
        $world->is_at_least('25.04') ? 0 : 1, "$release: discovery in the portal");
    my $initiator = call_ok($world, 'iscsi.initiator.create',
        { initiators => ['iqn.x:me'], comment => 'c' });
    $fails->(
        qr/iscsi_auth_create\.secret: Secret must be between 12 and 16 characters\./,
        'short secrets', 'iscsi.auth.create',
        { tag => 1, user => 'u', secret => 'short' }
    );
    call_ok($world, 'iscsi.auth.create',
        { tag => 1, user => 'u', secret => 'secretsecret1' });
    my $group = { portal => $portal->{id}, initiator => $initiator->{id} };
    $fails->(
        "[EINVAL] iscsi_target_create.name: Only lowercase alphanumeric characters plus dot (.), dash (-), "
            . 'and colon (:) are allowed.', 'target names', 'iscsi.target.create',
        { name => 'PVE', groups => [] })
        if !$world->is_at_least('25.04');
    $fails->(
        '[EINVAL] iscsi_target_create.groups.0.portal: 9 Portal not found in database',
        'an unknown portal',
        'iscsi.target.create', { name => 'pve', groups => [{ portal => 9 }] }
    );
    $fails->(
        '[EINVAL] iscsi_target_create.groups.0.auth: Authentication group 1 does not support CHAP Mutual',
        'mutual CHAP',
        'iscsi.target.create',
        { name => 'pve', groups => [{ %$group, authmethod => 'CHAP_MUTUAL', auth => 1 }] }
    );
    my $target =
        call_ok($world, 'iscsi.target.create', { name => 'pve', groups => [$group] });
    $fails->(
              '[EINVAL] iscsi_target_create.name: Target '
            . ($release eq '22.12' ? 'name' : 'with this name')
            . ' already exists',
        'target names are unique', 'iscsi.target.create', { name => 'pve', groups => [] }
    );

    # mappings
    call_ok($world, $new ? 'service.control' : 'service.start', ($new ? 'START' : ()),
        'iscsitarget', {});
    my @mapping = call_ok($world, 'iscsi.targetextent.create',
        { target => $target->{id}, extent => $extent->{id} });
    is($mapping[0]{lunid}, 0, "$release: the lowest free LUN");
    my @extent = ($extent, map { extent($world, "e$_", $ZVOL[$_]) } 1, 2);
    push @mapping,
        call_ok($world, 'iscsi.targetextent.create',
        { target => $target->{id}, extent => $extent[1]{id}, lunid => 7 });
    $at = 'iscsi_targetextent_create';
    $fails->(
        "[EINVAL] $at.lunid: LUN ID is already being used for this target.",
        'a LUN that is taken',
        'iscsi.targetextent.create',
        { target => $target->{id}, extent => $extent[2]{id}, lunid => 7 }
    );
    $fails->(
        "[EINVAL] $at.extent: Extent is already in use.", 'an extent maps once',
        'iscsi.targetextent.create',
        { target => $target->{id}, extent => $extent[1]{id}, lunid => 8 }
    );
    $fails->(
        qr/\A\(sqlite3\.IntegrityError\) FOREIGN KEY constraint failed/,
        'unknown ids are database text',
        'iscsi.targetextent.create', { target => $target->{id}, extent => 99 }
    );
    push @mapping,
        call_ok($world, 'iscsi.targetextent.create',
        { target => $target->{id}, extent => $extent[2]{id} });
    is($mapping[2]{lunid}, 1, "$release: the lowest hole");
    is_deeply(
        [map { [$_->{lun}, $_->{naa}] } @{ $world->dump->{exported} }],
        [[0, $extent[0]{naa}], [1, $extent[2]{naa}], [7, $extent[1]{naa}]],
        "$release shows the LUNs"
    );

    # in use: any session on the target blocks all of its LUNs
    $world->apply({ session => { target => 'pve', initiator => 'iqn.x:other' } });
    my $iqn = 'iqn.2005-10.org.freenas.ctl:pve';
    is(call_ok($world, 'iscsi.global.sessions')->[0]{target}, $iqn,
        "$release lists the session");
    $fails->("[EFAULT] Associated target $iqn is in use.", 'a mapping in use',
        'iscsi.targetextent.delete', $mapping[0]{id}, \0);
    $fails->("[EFAULT] Associated target(s) $iqn is in use.", 'an extent in use',
        'iscsi.extent.delete', $extent[0]{id}, \0, \0);
    $fails->('[EFAULT] Target pve is in use.', 'a target in use', 'iscsi.target.delete',
        $target->{id}, \0);
    is(call_ok($world, 'iscsi.targetextent.delete', $mapping[0]{id}, \1), JSON::PP::true(),
        "$release: by force it goes");
    is(call_ok($world, 'iscsi.extent.delete', $extent[2]{id}, \0, \1), JSON::PP::true(),
        "$release: the extent too, by force");
    is(count($world, 'mapping'), 1, "$release: and its mapping with it");

    # deleting a zvol detaches first, also when it then fails
    $world->apply({ dataset => { name => $ZVOL[1], busy => 1 } });
    try_call($world, 'pool.dataset.delete', $ZVOL[1], {});
    ok(call_ok($world, 'pool.dataset.get_instance', $ZVOL[1]),
        "$release: the busy zvol is there");
    is(count($world, 'target') . count($world, 'mapping'), '00',
        "$release: mapping and empty target are gone");
    is(join(' ', map { $_->{name} } @{ $world->dump->{extent} }), 'one.x',
        "$release: and so is the extent");
}

# A disabled extent is not detached; a target with another LUN stays.
my $world = fresh('25.04');
my ($first, undef, $target) = publish($world, $ZVOL[0]);
publish($world, $ZVOL[1]);
call_ok($world, 'pool.dataset.delete', $ZVOL[1], {});
is(count($world, 'target'), 1, 'the target keeps its other LUN');
call_ok($world, 'iscsi.extent.update', $first->{id}, { enabled => \0 });
is(count($world, 'exported'), 0, 'a disabled extent is not shown');
call_ok($world, 'pool.dataset.delete', $ZVOL[0], {});
is(count($world, 'extent'), 1, 'and not removed with its zvol');

# The service.
for my $release (qw(24.10 26)) {
    my $world    = fresh($release);
    my ($extent) = publish($world, $ZVOL[0]);
    my $verb     = sub ($verb, %opt) {
        return call_ok($world,
            $release eq '26' ? ('service.control', $verb) : 'service.' . lc $verb,
            'iscsitarget', {%opt});
    };
    ok(call_ok($world, 'service.query', [['service', '=', 'iscsitarget']], { get => \1 })
            ->{state} eq 'RUNNING', "$release: it runs");
    $verb->('STOP');
    is(count($world, 'exported'), 0, "$release: stopped, it shows nothing");
    $world->apply({ knob => { service_start_fails => 1 } });
    ok(!$verb->('START'), "$release: a failed start is false");
    is(count($world, 'exported'), 0, "$release: still nothing");
    $world->apply({ knob => { service_start_fails => 0 } });
    ok($verb->('START'), "$release: it starts");
    is($world->dump->{exported}[0]{naa}, $extent->{naa},
        "$release: with the same identity");
    is(call_ok($world, 'service.update', 'iscsitarget', { enable => \1 }), 3,
        "$release: update answers the id");
}

# A reload that was cut, a lost race for a LUN, an edited extent.
$world = fresh('25.10');
publish($world, $ZVOL[0]);
$world->apply({ knob => { cut_reload => 1 } });
my ($extent, $mapping) = publish($world, $ZVOL[1]);
is(count($world, 'mapping') . count($world, 'exported'), '21',
    'a cut reload leaves the mapping in the database only');
call_ok($world, 'service.control', 'RELOAD', 'iscsitarget', {});
is(count($world, 'exported'), 2, 'the next one shows it');
$world->apply({ knob => { race_lun => 1 } });
my (undef, $second) = publish($world, $ZVOL[2], lunid => $mapping->{lunid});
is($second->{lunid}, $mapping->{lunid},                        'two mappings got one LUN');
is(count($world, 'mapping') . count($world, 'exported'), '32', 'and one of them is shown');
call_ok($world, 'iscsi.targetextent.delete', $mapping->{id}, \0);
is(
    (grep { $_->{lun} == $second->{lunid} } @{ $world->dump->{exported} })[0]{serial},
    call_ok($world, 'iscsi.extent.get_instance', $second->{extent})->{serial},
    'the other takes its place when it goes'
);
volume($world, 'tank/vm/d', volsize => 3 << 30);
$world->apply(
    { extent => { id => $second->{extent}, set => { disk => 'zvol/tank/vm/d' } } });
is((grep { $_->{lun} == $second->{lunid} } @{ $world->dump->{exported} })[0]{size},
    3 << 30, 'an edited extent shows another disk');

# Sizes on the wire.
$world = fresh('25.10');
publish($world, $ZVOL[0]);
$world->apply({ snapshot => "$ZVOL[0]\@s" });
call_ok($world, 'pool.dataset.update', $ZVOL[0], { volsize => 2 << 30 });
is($world->dump->{exported}[0]{size}, 2 << 30, 'growth is seen at once');
$world->apply({ knob => { stale_size => 1 } });
call_ok($world, 'pool.snapshot.rollback', "$ZVOL[0]\@s", {});
is($world->dump->{exported}[0]{size}, 2 << 30,
    'with stale_size a rollback over a resize is not');
call_ok($world, 'service.control', 'RELOAD', 'iscsitarget', {});
is($world->dump->{exported}[0]{size}, 2 << 30, '... nor after a reload');
my ($id) = map { $_->{id} } @{ $world->dump->{mapping} };
my $row = call_ok($world, 'iscsi.targetextent.get_instance', $id);
call_ok($world, 'iscsi.targetextent.delete', $id, \1);
call_ok($world, 'iscsi.targetextent.create',
    { map { $_ => $row->{$_} } qw(target extent lunid) });
is($world->dump->{exported}[0]{size}, 1 << 30, '... but after it is mapped again');

done_testing;
