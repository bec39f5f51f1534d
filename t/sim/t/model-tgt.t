#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The real target: identity, data through snapshot, rollback and clone, resize, CHAP, ACL, and
# an end that leaves no process.
use v5.36;
use FindBin;
BEGIN { require "$FindBin::Bin/model-lib.pl"; ModelLib->import }
use Test::More;
use File::Temp qw(tempdir);
use IPC::Open3;
use POSIX       ();
use Time::HiRes qw(time sleep);

for my $tool (qw(tgtd qemu-io qemu-img iscsi-ls iscsi-inq)) {
    plan skip_all => "no $tool here"
        unless grep { -x "$_/$tool" } split /:/, "$ENV{PATH}:/usr/sbin";
}
$ENV{PATH} .= ':/usr/sbin';

my $ME    = 'iqn.1993-08.org.debian:01:model';
my $dir   = tempdir(CLEANUP => 1);
my $world = world_of('25.10', state_dir => $dir, iscsi => 1);
my ($portal, $other) = @{ $world->iscsi_portals };
like($portal, qr/\A127\.0\.0\.1:\d+\z/, 'a portal on the first loopback address');
like($other,  qr/\A127\.0\.0\.2:\d+\z/, 'and one on the second');
is(call_ok($world, 'iscsi.global.config')->{listen_port}, $portal =~ s/.*://r,
    'the API names the port');

# (output, exit code) of a command; the output also of what went wrong.
sub run (@argv) {
    open my $null, '<', '/dev/null' or die;
    my $pid  = open3('<&' . fileno $null, my $out, undef, @argv);
    my $text = do { local $/; <$out> }
        // '';
    waitpid $pid, 0;
    return ($text, $? >> 8);
}

my $IQN = 'iqn.2005-10.org.freenas.ctl:pve';
sub url ($lun, $at = $portal, $login = '') { return "iscsi://$login$at/$IQN/$lun" }

sub qemu_io ($lun, @commands) {
    my ($text, $code) =
        run('qemu-io', '-f', 'raw', (map { ('-c', $_) } @commands), url($lun));
    return $code == 0 && $text !~ /verification failed|error/i ? 1 : 0;
}

sub size_of ($lun) {
    my ($text) = run('qemu-img', 'info', '-f', 'raw', '--output=json', url($lun));
    return $text =~ /"virtual-size":\s*(\d+)/ ? $1 : undef;
}

# An empty zvol, published.
volume($world, 'tank/vm/a', volsize => 64 << 20);
my ($extent, $mapping, $target) = publish($world, 'tank/vm/a', lunid => 3);
my ($listing) = run('iscsi-ls', '-s', '-i', $ME, "iscsi://$portal");
like($listing, qr/Target:\Q$IQN\E .*\nLun:0 .*\nLun:3 .*DIRECT_ACCESS/s,
    'the target shows the LUN');
is(size_of(3), 64 << 20, 'with its size to the byte');

my ($vpd) = run('iscsi-inq', '-e', '1', '-c', '128', url(3));
like($vpd, qr/Unit Serial Number:\[\s*\Q$extent->{serial}\E\s*\]/,
    'VPD 0x80 is the serial');
my ($page) = run('iscsi-inq', '-e', '1', '-c', '131', url(3));
like($page, qr{Designator Type:\(3\) NAA\nDesignator:\[\x65\x89\xcf\xc0},
    'VPD 0x83 has a NAA that begins as the extent\'s');
like($page, qr{T10_VENDORT_ID\nDesignator:\[\Q@{[substr $extent->{naa}, 2]}\E\]},
    'and the target\'s own name for it is the whole');
my ($inquiry) = run('iscsi-inq', url(3));
like($inquiry, qr/Vendor:TrueNAS\s.*Product:iSCSI Disk/s, 'vendor and product');
is($world->dump->{exported}[0]{naa}, $extent->{naa}, 'the target itself says so too');

# iscsi-inq prints a designator up to its first zero byte, so one without any is read back whole.
my $NAA = '6589cfc1112233445566778899aabbcc';
volume($world, 'tank/vm/id', volsize => 1 << 20);
$world->apply(
    {
        insert => [
            {
                table => 'extent',
                row   => { name => 'id', disk => 'zvol/tank/vm/id', naa => "0x$NAA" }
            },
            {
                table => 'mapping',
                row   => { target => $target->{id}, extent => 2, lunid => 9 }
            },
        ]
    }
);
($page) = run('iscsi-inq', '-e', '1', '-c', '131', url(9));
like($page, qr{\(3\) NAA\nDesignator:\[\Q@{[pack 'H*', $NAA]}\E\]},
    'VPD 0x83 has the NAA as 16 binary bytes');
$world->apply({ remove => { table => 'extent', id => 2 } });

# Data.
ok(qemu_io(3, 'write -P 0xaa 0 1M'), 'a pattern is written');
call_ok($world, 'pool.snapshot.create', { dataset => 'tank/vm/a', name => 's1' });
ok(qemu_io(3, 'write -P 0xbb 0 1M', 'read -P 0xbb 0 1M'), 'another is written over it');
call_ok($world, 'pool.snapshot.clone',
    { snapshot => 'tank/vm/a@s1', dataset_dst => 'tank/vm/c' });
publish($world, 'tank/vm/c', lunid => 4);
ok(qemu_io(4, 'read -P 0xaa 0 1M'), 'a clone shows the data of the snapshot, not of today');
ok(qemu_io(4, 'write -P 0xcc 0 1M'), 'the clone is written');
call_ok($world, 'pool.snapshot.rollback', 'tank/vm/a@s1', {});
ok(qemu_io(3, 'read -P 0xaa 0 1M'), 'after rollback the first pattern is back');
ok(qemu_io(4, 'read -P 0xcc 0 1M'), 'and the clone has its own');
cmp_ok(call_ok($world, 'pool.dataset.get_instance', 'tank/vm/a')->{used}{parsed}, '>=',
    1 << 20, 'what was written counts as used');

# A resize is seen, and so is the rollback over it.
call_ok($world, 'pool.dataset.update', 'tank/vm/a', { volsize => 96 << 20 });
is(size_of(3), 96 << 20, 'a grown zvol is grown on the wire');
$world->apply({ knob => { stale_size => 1 } });
call_ok($world, 'pool.snapshot.rollback', 'tank/vm/a@s1', {});
is(size_of(3), 96 << 20, 'stale_size keeps the old size on the wire');
$world->apply({ knob => { stale_size => 0 } });
call_ok($world, 'pool.dataset.update',    'tank/vm/a',    { volsize => 128 << 20 });
call_ok($world, 'pool.snapshot.rollback', 'tank/vm/a@s1', {});
is(size_of(3), 64 << 20, 'without it a rollback brings the size back');

# A reused LUN shows other bytes under another identity.
call_ok($world, 'iscsi.targetextent.delete', $mapping->{id}, \1);
ok(!defined size_of(3), 'an unmapped LUN is gone');
volume($world, 'tank/vm/b', volsize => 64 << 20);
my ($fresh) = publish($world, 'tank/vm/b', lunid => 3);
ok(qemu_io(3, 'read -P 0 0 1M'), 'a new volume at that number reads as zeros');
isnt($fresh->{naa}, $extent->{naa}, 'and has another NAA');

# Who may log in.
my $group = call_ok($world, 'iscsi.initiator.create', { initiators => [$ME] });
my ($row) = @{ call_ok($world, 'iscsi.target.query', [['name', '=', 'pve']], {}) };
call_ok($world, 'iscsi.target.update', $row->{id},
    { groups => [{ portal => 1, initiator => $group->{id} }] });
unlike((run('iscsi-ls', '-i', 'iqn.x:stranger', "iscsi://$portal"))[0], qr/Target:/,
    'a stranger sees no target');
like((run('iscsi-ls', '-i', $ME, "iscsi://$portal"))[0], qr/Target:\Q$IQN/,
    'a member does');
call_ok(
    $world,
    'iscsi.auth.create',
    {
        tag      => 1,      user       => 'chapuser', secret => 'secretsecret1',
        peeruser => 'peer', peersecret => 'secretsecret2'
    }
);
call_ok($world, 'iscsi.target.update', $row->{id},
    { groups => [{ portal => 1, authmethod => 'CHAP', auth => 1 }] });
isnt((run('iscsi-inq', url(3)))[1], 0, 'CHAP: no login without');
isnt((run('iscsi-inq', url(3, $portal, 'chapuser%wrongsecret12@')))[1], 0,
    'CHAP: nor with a wrong secret');
is((run('iscsi-inq', url(3, $portal, 'chapuser%secretsecret1@')))[1], 0,
    'CHAP: but with the right one');
call_ok($world, 'iscsi.target.update', $row->{id},
    { groups => [{ portal => 1, authmethod => 'CHAP_MUTUAL', auth => 1 }] });
my $mutual = sub ($secret) {
    return url(3, $portal, 'chapuser%secretsecret1@')
        . "?target_user=peer&target_password=$secret";
};
is((run('iscsi-inq', $mutual->('secretsecret2')))[1], 0,
    'mutual CHAP: the target proves itself');
isnt((run('iscsi-inq', $mutual->('wrongsecret12')))[1], 0,
    'mutual CHAP: a wrong answer is refused');
call_ok($world, 'iscsi.target.update', $row->{id}, { groups => [{ portal => 1 }] });
is((run('iscsi-inq', url(3, $other)))[1], 0, 'without CHAP again, on the other portal');

# Sessions.
pipe my $hold_read, my $hold_write or die;
my $qemu = open3($hold_write, my $out, undef, 'qemu-io', '-f', 'raw', url(3));
syswrite $hold_write, "read 0 512\n";
my $deadline = time + 10;
sleep 0.02 until @{ call_ok($world, 'iscsi.global.sessions') } || time > $deadline;
my ($session) = @{ call_ok($world, 'iscsi.global.sessions') };
is($session->{target},         $IQN,        'an open session is listed');
is($session->{initiator_addr}, '127.0.0.1', 'with the address of the initiator');
call_fails($world, 'no error', 'an unused target would go', 'iscsi.global.config');
like(error_of($world, 'iscsi.target.delete', $row->{id}, \0, \0)->reason,
    qr/Target pve is in use\./, 'its target is in use');
close $hold_write;
waitpid $qemu, 0;
sleep 0.02 until !@{ call_ok($world, 'iscsi.global.sessions') } || time > $deadline;
is_deeply(call_ok($world, 'iscsi.global.sessions'), [], 'a closed one is not');

# A restart keeps port, identities and bytes.
my $pid = $world->{tgt}{pid};
$world->shutdown;
ok(!-e "/proc/$pid", 'no tgtd is left');
undef $world;
$world = world_of('25.10', state_dir => $dir, iscsi => 1);
is($world->iscsi_portals->[0], $portal, 'a restart listens on the same port');
ok(qemu_io(4, 'read -P 0xcc 0 1M'), 'and shows the same bytes');
is(
    $world->dump->{exported}[1]{naa},
    (grep { $_->{disk} eq 'zvol/tank/vm/c' } $world->iscsi->rows('extent'))[0]{naa},
    'under the same identity'
);

# Whatever tnsim dies of, tgtd goes with it.
$world->shutdown;
pipe my $read, my $write or die;
my $place = tempdir(CLEANUP => 1);
my $child = fork // die;
if (!$child) {
    my $doomed = world_of('25.10', state_dir => $place, iscsi => 1);
    volume($doomed, 'tank/vm/a', volsize => 1 << 20);
    publish($doomed, 'tank/vm/a');
    syswrite $write, "$doomed->{tgt}{pid} $doomed->{tgt}{port}\n";
    kill 'KILL', $$;
    POSIX::_exit(1);
}
my ($orphan, $port) = split ' ', <$read>;
waitpid $child, 0;
my $next = world_of('25.10', state_dir => $place, iscsi => 1);
is($next->{tgt}->port, $port, 'after kill -9 the next one listens on the same port');
is(scalar @{ $next->dump->{exported} }, 1, 'and shows what was acknowledged');
$deadline = time + 2;
sleep 0.01 while -e "/proc/$orphan" && time < $deadline;
ok(!-e "/proc/$orphan", 'after kill -9 of tnsim its tgtd is gone within two seconds');

done_testing;
