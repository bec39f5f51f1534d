#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# Debian's QEMU opens volumes through its own iSCSI driver (tn_initiator qemu): what it writes, the NAS
# snapshots, rolls back, clones and resizes, and what it then reads is right.

use v5.36;
no warnings qw(once);

use IO::Socket::UNIX;
use JSON::PP qw(decode_json encode_json);
use Test::More;
use Time::HiRes qw(sleep time);
use lib 't/perl/lib';
use TNSTest;
use TNSQemu;

my $why_not = why_no_qemu();
plan(skip_all => $why_not) if $why_not;

my $plugin = plugin();
my $sim = start_sim();
my $cfg = new_storage($sim);
my $scfg = $cfg->{ids}->{nas};
my $MIB = 1024 * 1024;

my sub volume ($vmid, $mib) {
    my $volid = PVE::Storage::vdisk_alloc($cfg, 'nas', $vmid, 'raw', undef, $mib * 1024);
    PVE::Storage::activate_volumes($cfg, [$volid]);
    return $volid;
}

my sub io ($volid, @commands) {
    is(qemu_io_fails(drive_of($cfg, $volid), @commands), undef, join('; ', @commands));
    return;
}

subtest 'a fresh volume reads as zeroes, has the exact size, and keeps what is written' => sub {
    my $volid = volume(100, 8);
    my ($status, $info) = capture('qemu-img', 'info', '--output=json', '--image-opts', drive_of($cfg, $volid));
    is($status, 0, 'qemu-img info');
    is(decode_json($info)->{'virtual-size'}, 8 * $MIB, 'the size');
    io($volid, 'read -P 0 0 8M');
    io($volid, 'write -P 0x11 0 1M', 'write -P 0x22 7M 1M', 'flush');
    io($volid, 'read -P 0x11 0 1M', 'read -P 0 1M 6M', 'read -P 0x22 7M 1M');
    ok(defined(qemu_io_fails(drive_of($cfg, $volid), 'read 8M 64k')), 'nothing lies behind the end');
};

subtest 'the path of an active volume is the URL of the same bytes' => sub {
    is(qemu_io_fails(drive_of_path($cfg, 'nas:vm-100-disk-0'), 'read -P 0x11 0 1M'), undef, 'read through path()');
};

subtest 'two volumes never show each other\'s data' => sub {
    my $other = volume(101, 8);
    io($other, 'read -P 0 0 8M', 'write -P 0x99 0 8M');
    io('nas:vm-100-disk-0', 'read -P 0x11 0 1M', 'read -P 0 1M 6M');
};

subtest 'a rollback brings back what the snapshot saw' => sub {
    my $volid = 'nas:vm-100-disk-0';
    PVE::Storage::volume_snapshot($cfg, $volid, 'before');
    io($volid, 'write -P 0x33 0 8M');
    PVE::Storage::deactivate_volumes($cfg, [$volid]);
    PVE::Storage::volume_snapshot_rollback($cfg, $volid, 'before');
    PVE::Storage::activate_volumes($cfg, [$volid]);
    io($volid, 'read -P 0x11 0 1M', 'read -P 0 1M 6M', 'read -P 0x22 7M 1M');
};

subtest 'a resized volume has the new end and the old data' => sub {
    my $volid = 'nas:vm-100-disk-0';
    PVE::Storage::volume_resize($cfg, $volid, 24 * $MIB, 0);
    io($volid, 'read -P 0x11 0 1M', 'read -P 0 8M 16M', 'write -P 0x44 23M 1M', 'read -P 0x44 23M 1M');
    PVE::Storage::deactivate_volumes($cfg, [$volid]);
    PVE::Storage::volume_snapshot_rollback($cfg, $volid, 'before');
    PVE::Storage::activate_volumes($cfg, [$volid]);
    is(scalar(PVE::Storage::volume_size_info($cfg, $volid)), 8 * $MIB, 'a rollback past it takes the size back');
    io($volid, 'read -P 0x22 7M 1M');
    ok(defined(qemu_io_fails(drive_of($cfg, $volid), 'read 8M 64k')), 'on the wire as well');
};

subtest 'a linked clone has the template\'s data, and writes only to itself' => sub {
    my $volid = volume(200, 4);
    io($volid, 'write -P 0x55 0 4M');
    PVE::Storage::deactivate_volumes($cfg, [$volid]);
    my $base = PVE::Storage::vdisk_create_base($cfg, $volid);
    my @clones = map { PVE::Storage::vdisk_clone($cfg, $base, $_) } 201, 202;
    PVE::Storage::activate_volumes($cfg, [$base, @clones]);
    io($clones[0], 'read -P 0x55 0 4M', 'write -P 0x66 0 2M');
    io($clones[1], 'read -P 0x55 0 4M');
    io($base, 'read -P 0x55 0 4M');
    PVE::Storage::deactivate_volumes($cfg, [$base, @clones]);
    PVE::Storage::vdisk_free($cfg, $_) for @clones, $base;
};

# ---- a guest that runs -------------------------------------------------------------------

# A QEMU process that holds the volume open for a long time, with its monitor on a socket.
package Daemon {
    sub start ($class, $drive) {
        my $dir = TNSTest::scratch();
        my %node = map { m/\A([^=]+)=(.*)\z/ } map { s/\Afile\.//r } grep { m/\Afile\./ } split(/,/, $drive);
        my $blockdev = join(',', 'node-name=disk', 'driver=' . delete($node{driver}), map { "$_=$node{$_}" } sort keys %node);
        my @argv = ('qemu-storage-daemon', '--blockdev', $blockdev, '--chardev',
            "socket,id=mon,path=$dir/qmp,server=on,wait=off", '--monitor', 'chardev=mon',
            '--nbd-server', "addr.type=unix,addr.path=$dir/nbd", '--export', 'nbd,id=e,node-name=disk,name=disk,writable=on');
        ($_) = m/\A(.*)\z/s for @argv;
        my $pid = fork() // die "cannot fork: $!\n";
        if (!$pid) {
            exec { $argv[0] } @argv or POSIX::_exit(127);
        }
        my $self = bless { dir => $dir, pid => $pid }, $class;
        my $until = Time::HiRes::time() + 60;
        until ($self->{qmp} = IO::Socket::UNIX->new("$dir/qmp")) {
            die "qemu-storage-daemon does not start\n" if Time::HiRes::time() > $until || waitpid($pid, 1) == $pid;
            Time::HiRes::sleep(0.05);
        }
        readline($self->{qmp});
        $self->ask('qmp_capabilities');
        return $self;
    }

    sub drive ($self) { return "driver=raw,file.driver=nbd,file.server.type=unix,file.server.path=$self->{dir}/nbd,file.export=disk" }

    sub ask ($self, $command, %arguments) {
        $self->{qmp}->print(JSON::PP::encode_json({ execute => $command, arguments => \%arguments }) . "\n");
        while (my $line = readline($self->{qmp})) {
            my $answer = JSON::PP::decode_json($line);
            next if $answer->{event};
            die "$command: $answer->{error}->{desc}\n" if $answer->{error};
            return $answer->{return};
        }
        die "$command: qemu-storage-daemon is gone\n";
    }

    sub wait_for ($self, $done) {
        my $until = Time::HiRes::time() + 60;
        until ($done->()) {
            die "qemu-storage-daemon does not get there\n" if Time::HiRes::time() > $until;
            Time::HiRes::sleep(0.02);
        }
        return;
    }

    sub size ($self) {
        my ($node) = $self->ask('query-named-block-nodes')->@*;
        return $node->{image}->{'virtual-size'};
    }

    sub stop ($self) {
        my $pid = delete $self->{pid} // return;
        kill('TERM', $pid);
        waitpid($pid, 0);
        return;
    }

    sub DESTROY ($self) { return $self->stop() }
}

subtest 'a running QEMU: snapshot below it, grow below it, go on writing, roll back after it' => sub {
    plan(skip_all => 'qemu-storage-daemon is not installed (package qemu-system-common)')
        if !-x '/usr/bin/qemu-storage-daemon';
    my $volid = volume(300, 8);
    is(PVE::Storage::volume_has_feature($cfg, 'snapshot', $volid, undef, $$), 1, 'a running guest can be snapshotted');
    is($plugin->volume_qemu_snapshot_method('nas', $scfg, 'vm-300-disk-0'), 'storage', 'by the storage');

    my $guest = Daemon->start(drive_of($cfg, $volid));
    is(qemu_io_fails($guest->drive(), 'write -P 0xa1 0 8M', 'flush'), undef, 'the guest writes');
    PVE::Storage::volume_snapshot($cfg, $volid, 'live');
    is(qemu_io_fails($guest->drive(), 'read -P 0xa1 0 8M', 'write -P 0xb2 0 4M', 'flush'), undef, 'and goes on');

    PVE::Storage::volume_resize($cfg, $volid, 16 * $MIB, 1);
    # an NBD export pins the size of its node, which a guest's disk does not
    $guest->ask('block-export-del', id => 'e', mode => 'hard');
    $guest->wait_for(sub { !$guest->ask('query-block-exports')->@* });
    $guest->ask('block_resize', 'node-name' => 'disk', size => 16 * $MIB);
    $guest->ask('block-export-add', type => 'nbd', id => 'f', 'node-name' => 'disk', name => 'disk',
        writable => JSON::PP::true());
    is($guest->size(), 16 * $MIB, 'block_resize after volume_resize');
    is(qemu_io_fails($guest->drive(), 'read -P 0xb2 0 4M', 'read -P 0xa1 4M 4M'), undef, 'the data stays');
    $guest->stop();

    PVE::Storage::deactivate_volumes($cfg, [$volid]);
    PVE::Storage::volume_snapshot_rollback($cfg, $volid, 'live');
    PVE::Storage::activate_volumes($cfg, [$volid]);
    io($volid, 'read -P 0xa1 0 8M');
    is(scalar(PVE::Storage::volume_size_info($cfg, $volid)), 8 * $MIB, 'with the size of then');
};

subtest 'the volume at the end of the way: nothing is left' => sub {
    for my $image (PVE::Storage::vdisk_list($cfg, 'nas')->{nas}->@*) {
        PVE::Storage::deactivate_volumes($cfg, [$image->{volid}]);
        PVE::Storage::vdisk_free($cfg, $image->{volid});
    }
    is_deeply($sim->world()->{exported}, [], 'no LUN');
    is_deeply($sim->world()->{extent}, [], 'no extent');
    is_deeply([grep { $_->{type} eq 'VOLUME' } $sim->world()->{dataset}->@*], [], 'no zvol');
};

done_testing();
