#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The state survives an end, a kill at any moment and a line cut short; space adds up.
use v5.36;
use FindBin;
BEGIN { require "$FindBin::Bin/model-lib.pl"; ModelLib->import }
use Test::More;
use File::Temp qw(tempdir);
use POSIX      ();

sub facts ($world) {
    my $dump = $world->dump;
    delete $dump->{session};
    return json($dump);
}

# What was answered is on disk, without a save.
my $dir   = tempdir(CLEANUP => 1);
my $world = world_of('25.10', state_dir => $dir);
volume($world, 'tank/vm/a', user => { 'org.tnstor:owner' => 'o' });
publish($world, 'tank/vm/a');
call_ok($world, 'pool.snapshot.create', { dataset => 'tank/vm/a', name => 's' });
call_ok($world, 'pool.snapshot.clone',
    { snapshot => 'tank/vm/a@s', dataset_dst => 'tank/vm/c' });
$world->apply({ fill => { pool => 'flash', leave => 1 << 20 }, knob => { race_lun => 2 } });
my $before = facts($world);
is(facts(world_of('25.10', state_dir => $dir)), $before,
    'another process finds the same state without a save');
$world->save;
is(facts(world_of('25.10', state_dir => $dir)), $before, 'and after a save');
call_ok($world, 'pool.dataset.promote', 'tank/vm/c');
call_ok($world, 'pool.dataset.rename', 'tank/vm/c',
    { new_name => 'tank/vm/d', force => \1 });
$before = facts($world);
is(facts(world_of('25.10', state_dir => $dir)), $before, 'and what came after the save');

# Ids and transaction groups go on.
my $next = world_of('25.10', state_dir => $dir);
my $id   = call_ok($next, 'iscsi.initiator.create', {})->{id};
call_ok($next, 'iscsi.initiator.delete', $id);
$next = world_of('25.10', state_dir => $dir);
is(call_ok($next, 'iscsi.initiator.create', {})->{id}, $id + 1,
    'an id is never given twice');

# A line that a crash cut short is left out, and writing goes on after the last whole one.
my ($journal) = grep { -s } glob "$dir/journal.*";
$before = facts($next);
open my $fh, '>>', $journal or die;
print {$fh} '[["dataset","tank/half",{"name":"tank/ha';
close $fh;
$next = world_of('25.10', state_dir => $dir);
is(facts($next), $before, 'a torn line changes nothing');
volume($next, 'tank/vm/after');
is(facts(world_of('25.10', state_dir => $dir)), facts($next),
    'and does not hide what is written after it');

# Killed at any moment: every acknowledged volume is there, at most one more.
my $place = tempdir(CLEANUP => 1);
pipe my $read, my $write or die;
my $child = fork // die;
if (!$child) {
    close $read;
    my $doomed = world_of('25.10', state_dir => $place);
    $doomed->apply({ dataset => { name => 'tank/vm', create => {} } });
    for my $n (1 .. 100_000) {
        call_ok($doomed, 'pool.dataset.create',
            { name => "tank/vm/v$n", type => 'VOLUME', volsize => 1 << 20, sparse => \1 });
        syswrite $write, "$n\n";
    }
    POSIX::_exit(0);
}
close $write;
my $seen = 0;
while (my $line = <$read>) {
    chomp($seen = $line);
    kill 'KILL', $child if $seen == 200;
}
waitpid $child, 0;
my @kept = grep { m{tank/vm/v} }
    map { $_->{name} } @{ world_of('25.10', state_dir => $place)->dump->{dataset} };
cmp_ok(scalar @kept, '>=', $seen,     "all $seen acknowledged volumes are there");
cmp_ok(scalar @kept, '<=', $seen + 1, 'and at most one that was not');

# Space.
sub numbers ($world, $id) {
    my $row = call_ok($world, 'pool.dataset.get_instance', $id);
    return
        map { $row->{$_}{parsed} // 0 }
        qw(used available usedbydataset usedbysnapshots usedbyrefreservation usedbychildren);
}

my $MIB = 1 << 20;
my $nas = world_of('25.04');
$nas->apply({ dataset => { name => 'tank/vm', create => {} } });
my ($used, $free) = numbers($nas, 'tank');
call_ok($nas, 'pool.dataset.create',
    { name => 'tank/vm/thick', type => 'VOLUME', volsize => 1024 * $MIB });
my @thick = numbers($nas, 'tank/vm/thick');
is($thick[0], $thick[2] + $thick[3] + $thick[4] + $thick[5],
    'used is the sum of its parts');
is((numbers($nas, 'tank'))[0] - $used, $thick[0], 'a volume is charged to the pool');
is($free - (numbers($nas, 'tank'))[1], $thick[0], 'and leaves so much less');
$nas->apply({ write => { dataset => 'tank/vm/thick', bytes => 100 * $MIB } });
is((numbers($nas, 'tank/vm/thick'))[0], $thick[0],
    'writing into a reservation takes nothing more');
call_ok($nas, 'zfs.snapshot.create', { dataset => 'tank/vm/thick', name => 's' });
is((numbers($nas, 'tank/vm/thick'))[0], $thick[0] + 100 * $MIB + 57344,
    'a snapshot keeps its data beside the whole reservation');
$nas->apply({ write => { dataset => 'tank/vm/thick', overwrite => 10 * $MIB } });
is((numbers($nas, 'tank/vm/thick'))[3], 10 * $MIB,
    'what is written over belongs to the snapshot');
call_ok($nas, 'pool.dataset.create',
    { name => 'tank/vm/thin', type => 'VOLUME', volsize => 1024 * $MIB, sparse => \1 });
is((numbers($nas, 'tank/vm/thin'))[4], 0, 'a sparse volume reserves nothing');
call_ok($nas, 'pool.dataset.delete', 'tank/vm/thick', { recursive => \1 });
call_ok($nas, 'pool.dataset.delete', 'tank/vm/thin',  {});
is((numbers($nas, 'tank'))[0], $used, 'deleted, the space is back to the byte');

# Full, quota, reservation.
$nas->apply({ fill => { pool => 'tank', leave => 100 * $MIB } });
is((numbers($nas, 'tank/vm'))[1], 100 * $MIB, 'a filled pool has what was left');
my $zvol = sub ($size, %more) {
    return ('pool.dataset.create',
        { name => 'tank/vm/x', type => 'VOLUME', volsize => $size * $MIB, %more });
};
call_fails($nas, qr/80% of your available space/, 'the 80% rule counts what is left',
    $zvol->(90, sparse => \1));
call_fails(
    $nas, "[EFAULT] Failed to create dataset: cannot create 'tank/vm/x': out of space",
    'a thick one does not fit',
    $zvol->(200, force_size => \1)
);
ok(call_ok($nas, $zvol->(200, force_size => \1, sparse => \1)),
    'a sparse one does, by force');
call_ok($nas, 'pool.dataset.delete', 'tank/vm/x', {});
$nas->apply(
    {
        fill    => { pool => 'tank',    leave => undef },
        dataset => { name => 'tank/vm', quota => 1024 * $MIB }
    }
);
is((numbers($nas, 'tank/vm'))[1], 1024 * $MIB - (numbers($nas, 'tank/vm'))[0],
    'a quota limits what is available');
call_fails($nas, qr/80% of your available space/, 'and the 80% rule with it',
    $zvol->(1000));
call_fails($nas, qr/out of space/, 'and a thick volume', $zvol->(2000, force_size => \1));
$nas->apply(
    {
        dataset => [
            { name => 'tank/other', create      => {} },
            { name => 'tank/other', reservation => 4096 * $MIB }
        ]
    }
);
is((numbers($nas, 'tank'))[0] - $used, 4096 * $MIB, 'a reservation is charged whole');

done_testing;
