#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# The calls of qm, pct and pvesm in their order, as they were traced on a node: what a guest then has is right, and
# at the end nothing is left.

use v5.36;
no warnings qw(once);

use File::Copy qw(copy);
use File::Path qw(make_path);
use Test::More;
use lib 't/perl/lib';
use TNSTest;
use TNSKernel;

my $plugin = plugin();
my $sim = start_sim();
plug_in($sim);
my $node = TNSTest::node();
my $cfg = new_storage($sim, tn_initiator => 'kernel', content => 'images,rootdir', node_dir => $node);
my $MIB = 1024 * 1024;

# ---- what PVE does -----------------------------------------------------------------------

my $GUEST_HINTS = { 'guest-is-windows' => 0, 'plugin-may-deactivate-volume' => 1 };

my sub feature ($volid, $feature, $snap = undef, $running = undef) {
    return PVE::Storage::volume_has_feature($cfg, $feature, $volid, $snap, $running) ? 1 : 0;
}

my sub path ($volid, $snap = undef) { return scalar PVE::Storage::path($cfg, $volid, $snap) }

my sub size ($volid, $timeout = 5) { return scalar PVE::Storage::volume_size_info($cfg, $volid, $timeout) }

my sub alloc ($vmid, $kib, $name = undef, $storeid = 'nas') {
    return PVE::Storage::vdisk_alloc($cfg, $storeid, $vmid, 'raw', $name, $kib);
}

my sub snapshot ($volids, $snap, $running = undef) {
    for my $volid (@$volids) {
        die "no snapshots\n" if !feature($volid, 'snapshot', undef, $running);
    }
    PVE::Storage::volume_snapshot($cfg, $_, $snap) for @$volids;
    return;
}

my sub rollback ($volids, $snap, $is_running) {
    PVE::Storage::volume_rollback_is_possible($cfg, $_, $snap, []) for @$volids;
    PVE::Storage::deactivate_volumes($cfg, $volids) if $is_running;
    for my $volid (@$volids) {
        PVE::Storage::volume_rollback_is_possible($cfg, $volid, $snap, []);
        PVE::Storage::volume_snapshot_rollback($cfg, $volid, $snap);
    }
    return;
}

# A device as QEMU is given it, from machine version 10.0 on, and as it was before.
my sub blockdev ($volid, $machine, $options = {}) {
    return path($volid, $options->{'snapshot-name'}) if PVE::Storage::APIVER() < 12;
    my $blockdev = PVE::Storage::qemu_blockdev_options($cfg, $volid, $machine, $options);
    is($blockdev->{driver}, 'host_device', "$volid is a device to QEMU");
    return $blockdev->{filename};
}

my sub start_guest ($volids) {
    PVE::Storage::activate_volumes($cfg, $volids, undef, $GUEST_HINTS);
    my @machines = ('10.0+pve1', '10.0', 'pc-i440fx-10.0');
    for my $volid (@$volids) {
        my @paths = map { blockdev($volid, $_, { hints => { 'efi-disk' => 1 } }) } @machines;
        is_deeply(\@paths, [(path($volid)) x 3], "$volid: the same path in every way");
        ok(defined(device_of($cfg, path($volid))), "$volid: and it is there");
        next if PVE::Storage::APIVER() < 12;
        is(PVE::Storage::volume_qemu_snapshot_method($cfg, $volid), 'storage', "$volid: the storage snapshots it");
    }
    return;
}

my sub full_clone ($volid, $vmid, $snap = undef, $storeid = 'nas') {
    (feature($volid, 'copy', $snap) && feature($volid, 'copy', $snap)) or die "no copy\n";
    PVE::Storage::activate_volumes($cfg, [$volid], $snap);
    my $new = alloc($vmid, int((size($volid, 10) + 1023) / 1024), undef, $storeid);
    PVE::Storage::activate_volumes($cfg, [$new]);
    my $zeroed = feature($new, 'sparseinit');
    PVE::Storage::activate_volumes($cfg, [$volid], $snap);
    device_copy($cfg, path($volid, $snap), path($new), $zeroed);
    return $new;
}

my sub linked_clone ($volid, $vmid, $snap = undef) {
    feature($volid, 'clone', $snap) or die "no linked clone\n";
    PVE::Storage::activate_volumes($cfg, [$volid]);
    my $new = PVE::Storage::vdisk_clone($cfg, $volid, $vmid, $snap);
    ok(size($new), "$new has a size");
    return $new;
}

# qm rescan: which volumes of a guest its configuration would get as unused.
my sub unused ($vmid, @referenced) {
    my %known;
    my $lists = PVE::Storage::vdisk_list($cfg, undef, $vmid);
    for my $item (map { @$_ } values %$lists) {
        $known{ $item->{volid} } = path($item->{volid}) if $item->{volid} && $item->{size};
    }
    my %is_referenced = map { $_ => 1 } @referenced;
    my %path_referenced = map { $known{$_} => 1 } grep { $known{$_} } @referenced;
    return [
        grep { !m/vm-\d+-state-/ && !$is_referenced{$_} && !$path_referenced{ $known{$_} } } sort keys %known
    ];
}

my sub destroy_guest ($vmid, @referenced) {
    my $lists = PVE::Storage::vdisk_list($cfg, undef, $vmid);
    my %volids = map { $_ => 1 } @referenced, map { $_->{volid} } map { @$_ } values %$lists;
    for my $volid (sort keys %volids) {
        path($volid);
        PVE::Storage::vdisk_free($cfg, $volid);
    }
    return;
}

# ---- what a guest does -------------------------------------------------------------------

my sub fill ($volid, $byte, $from = 0, $mib = 1) {
    device_write($cfg, path($volid), $from * $MIB, $byte x ($mib * $MIB));
    return;
}

# The first byte of each MiB of a volume whose MiBs are uniform.
my sub pattern ($volid, $snap = undef) {
    my $bytes = device_read($cfg, path($volid, $snap));
    my $pattern = '';
    for my $mib (unpack("(a$MIB)*", $bytes)) {
        my $first = substr($mib, 0, 1);
        die "$volid is not uniform\n" if $mib ne $first x length($mib);
        $pattern .= $first eq "\0" ? '.' : $first;
    }
    return $pattern;
}

my sub mapped () {
    my $dir = "$node/root/dev/tnstor";
    return [sort map { s/\A\Q$dir\E\///r } grep { -e } glob("$dir/*/*")];
}

my sub zvols () { return [sort map { $_->{name} } grep { $_->{type} eq 'VOLUME' } $sim->world()->{dataset}->@*] }

# ---- virtual machines --------------------------------------------------------------------

my ($disk, $efi, $tpm, $ci);

subtest 'qm create, qm set: nothing but alloc, and nothing is mapped' => sub {
    $disk = alloc(100, 4 * 1024);
    $efi = alloc(100, 528);
    $tpm = alloc(100, 4096);
    $ci = alloc(100, 4096, 'vm-100-cloudinit');
    is_deeply([$disk, $efi, $tpm, $ci], [map { "nas:vm-100-$_" } qw(disk-0 disk-1 disk-2 cloudinit)], 'names');
    is(size($efi, 3), 528 * 1024, 'the EFI disk has its odd size');
    is_deeply(mapped(), [], 'nothing mapped');
};

subtest 'qm start and qm stop' => sub {
    start_guest([$disk, $efi, $ci]);
    my $state = PVE::Storage::map_volume($cfg, $tpm);
    is($state, path($tpm), 'swtpm gets a device');
    device_write($cfg, $state, 0, 'tpm');
    fill($disk, 'a');
    device_write($cfg, path($efi), 0, 'e' x (528 * 1024));
    PVE::Storage::unmap_volume($cfg, $tpm);
    PVE::Storage::deactivate_volumes($cfg, [$disk, $efi, $tpm, $ci]) for 1 .. 2;
    is_deeply(mapped(), [], 'nothing stays mapped');
    start_guest([$disk, $efi, $ci]);
    is(pattern($disk), 'a...', 'the data is there again');
    PVE::Storage::deactivate_volumes($cfg, [$disk, $efi, $tpm, $ci]);
};

subtest 'qm resize of a stopped guest: the device has the new size, and stays' => sub {
    PVE::Storage::activate_volumes($cfg, [$disk]);
    my $size = size($disk) + 2 * $MIB;
    PVE::Storage::volume_resize($cfg, $disk, $size, 0);
    is(size($disk), 6 * $MIB, 'says the NAS');
    is(pattern($disk), 'a.....', 'says the device');
};

subtest 'qm snapshot of a stopped guest with TPM state' => sub {
    snapshot([$disk, $efi, $tpm, $ci], 's1');
    is(path($tpm), '/dev/tnstor/nas/vm-100-disk-2', 'the path of its state');
    is_deeply([sort keys PVE::Storage::volume_snapshot_info($cfg, $disk)->%*], ['s1'], 'taken') if PVE::Storage->can('volume_snapshot_info');
};

my $state;

subtest 'qm snapshot --vmstate: the path of the state is asked for before it is there' => sub {
    start_guest([$disk, $efi, $ci]);
    fill($disk, 'b');
    $state = alloc(100, (2 * 2 + 4) * 1024, 'vm-100-state-s2');
    is($state, 'nas:vm-100-state-s2', 'allocated');
    my $path = path($state);
    is(device_of($cfg, $path), undef, 'a path without a device');
    PVE::Storage::activate_volumes($cfg, [$state]);
    ok(defined(device_of($cfg, $path)), 'then with one');
    fill($state, 'R', 0, 2);
    snapshot([$disk, $efi, $tpm, $ci], 's2', $$);
    PVE::Storage::deactivate_volumes($cfg, [$state]);
    is(device_of($cfg, $path), undef, 'and without again');
    fill($disk, 'c');
    is_deeply(unused(100, $disk, $efi, $tpm, $ci), [], 'rescan does not take the state for an unused disk');
};

subtest 'qm rollback past a newer snapshot: refused before the guest is stopped' => sub {
    my @blockers;
    my $error = error_of(sub { PVE::Storage::volume_rollback_is_possible($cfg, $disk, 's1', \@blockers) });
    like($error, qr/\Astorage 'nas': [^\n]*s2\n\z/, 'the reason');
    is_deeply(\@blockers, ['s2'], 'and which');
    like(error_of(sub { rollback([$disk], 's1', 0) }), qr/s2/, 'the whole way');
    is(pattern($disk), 'c.....', 'nothing changed');
};

subtest 'qm rollback of a running guest, with its RAM' => sub {
    rollback([$disk, $efi, $tpm, $ci], 's2', 1);
    is(path($state), '/dev/tnstor/nas/vm-100-state-s2', 'the path of the state');
    PVE::Storage::activate_volumes($cfg, [$disk, $efi, $ci, $state], undef, $GUEST_HINTS);
    is(blockdev($state, '10.0+pve1'), path($state), 'the state to QEMU');
    is(pattern($state), 'RR......', 'the RAM of then');
    is(pattern($disk), 'b.....', 'the disk of then');
    PVE::Storage::deactivate_volumes($cfg, [$disk, $efi, $tpm, $ci, $state]);
    is_deeply(mapped(), [], 'stopped with the volumes of its snapshots');
};

subtest 'qm delsnapshot, stopped and running' => sub {
    PVE::Storage::vdisk_free($cfg, $state);
    PVE::Storage::volume_snapshot_delete($cfg, $_, 's2', undef) for $disk, $efi, $tpm, $ci;
    start_guest([$disk]);
    PVE::Storage::volume_snapshot_delete($cfg, $_, 's1', $$) for $disk, $efi, $tpm, $ci;
    PVE::Storage::volume_snapshot_delete($cfg, $disk, 's1', $$);
    is_deeply($sim->world()->{snapshot}, [], 'none is left');
    is(pattern($disk), 'b.....', 'the guest goes on');
};

subtest 'a snapshot of several disks that fails at the second one is taken back' => sub {
    $sim->fault(match => '*snapshot.create', nth => 2, do => 'fail');
    ok(error_of(sub { snapshot([$disk, $efi, $tpm], 'bad') }), 'it fails');
    $sim->reset();
    PVE::Storage::volume_snapshot_delete($cfg, $_, 'bad', $$) for $disk, $efi, $tpm;
    is_deeply($sim->world()->{snapshot}, [], 'nothing is left of it');
};

subtest 'qm clone --full of a running guest, and of a snapshot of it' => sub {
    my $copy = full_clone($disk, 101);
    is($copy, 'nas:vm-101-disk-0', 'of now');
    is(pattern($copy), 'b.....', 'every byte');

    PVE::Storage::volume_snapshot($cfg, $disk, 'then');
    fill($disk, 'd', 5);
    my $old = full_clone($disk, 102, 'then');
    ok(device_read($cfg, path($old)) eq device_read($cfg, path($copy)), 'of then: every byte');
    is(pattern($disk, 'then'), 'b.....', 'through a device of its own');
    is(pattern($disk), 'b....d', 'and not through the volume');
    PVE::Storage::deactivate_volumes($cfg, [$disk], 'then');
    is_deeply([grep { m/\@/ } mapped()->@*], [], 'which goes again');

    my $again = full_clone($disk, 102, 'then'); # PVE does not always deactivate a snapshot
    PVE::Storage::deactivate_volumes($cfg, [$old, $again, $copy]);
    PVE::Storage::volume_snapshot_delete($cfg, $disk, 'then', $$);
    is_deeply(zvols(), [map { "tank/vm/vm-$_" } qw(100-cloudinit 100-disk-0 100-disk-1 100-disk-2 101-disk-0 102-disk-0 102-disk-1)],
        'nor does it keep the snapshot from being deleted');
    destroy_guest($_) for 101, 102;
};

subtest 'a full clone that fails half way is freed' => sub {
    my $new = full_clone($disk, 103);
    PVE::Storage::vdisk_free($cfg, $new); # still mapped, as PVE does it
    is_deeply([grep { m/103/ } zvols()->@*], [], 'gone');
    is_deeply([grep { m/103/ } mapped()->@*], [], 'and unmapped');
};

subtest 'qm clone of a snapshot that is linked' => sub {
    PVE::Storage::volume_snapshot($cfg, $disk, 'origin');
    my $clone = linked_clone($disk, 104, 'origin');
    PVE::Storage::activate_volumes($cfg, [$clone]);
    is(pattern($clone), 'b....d', 'its data');
    fill($clone, 'x');
    is(pattern($disk), 'b....d', 'which is not ours to write');
    like(error_of(sub { PVE::Storage::volume_snapshot_delete($cfg, $disk, 'origin', $$) }), qr/vm-104-disk-0/, 'its snapshot stays');
    is_deeply(unused(104, $clone), [], 'nothing unused');
    PVE::Storage::deactivate_volumes($cfg, [$clone]);
    destroy_guest(104, $clone);
    PVE::Storage::volume_snapshot_delete($cfg, $disk, 'origin', $$);
};

my ($base, @clones);

subtest 'qm template, and its linked clones; the TPM state is a full one' => sub {
    PVE::Storage::deactivate_volumes($cfg, [$disk, $efi, $tpm, $ci]);
    feature($_, 'template') or fail("$_ can be no template") for $disk, $efi, $tpm;
    ($base, my @other) = map { PVE::Storage::vdisk_create_base($cfg, $_) } $disk, $efi, $tpm;
    is_deeply([$base, @other], [map { "nas:base-100-disk-$_" } 0 .. 2], 'base volumes');
    is(feature($base, 'template'), 0, 'a template is none once more');
    @clones = map { linked_clone($base, $_) } 110, 111;
    is_deeply(\@clones, [map { "nas:base-100-disk-0/vm-$_-disk-0" } 110, 111], 'two clones');
    my $tpm_copy = full_clone($other[1], 110);
    is(substr(device_read($cfg, path($tpm_copy)), 0, 3), 'tpm', 'the TPM state was copied');
    PVE::Storage::activate_volumes($cfg, \@clones);
    is(pattern($clones[0]), 'b....d', 'the data of the template');
    fill($clones[0], 'y');
    is(pattern($clones[1]), 'b....d', 'each writes to itself');
    is_deeply(unused(110, $clones[0], $tpm_copy), [], 'nothing unused');
    PVE::Storage::deactivate_volumes($cfg, [@clones, $base, $other[1], $tpm_copy]);
};

subtest 'a template in use cannot be destroyed, and says by whom' => sub {
    like(error_of(sub { PVE::Storage::vdisk_free($cfg, $base) }), qr/still in use|vm-11[01]-disk-0/, 'refused');
    is_deeply([map { PVE::Storage::path($cfg, $_) ? 1 : 0 } @clones], [1, 1], 'the clones live');
};

subtest 'qm disk move --target-vmid: another owner, the same bytes' => sub {
    my $own = alloc(110, 1024);
    PVE::Storage::activate_volumes($cfg, [$own]);
    fill($own, 'm');
    PVE::Storage::deactivate_volumes($cfg, [$own]);
    feature($own, 'rename') or fail('it cannot be renamed');
    my $moved = PVE::Storage::rename_volume($cfg, $own, 112);
    is($moved, 'nas:vm-112-disk-0', 'the whole volid');
    PVE::Storage::activate_volumes($cfg, [$moved]);
    is(pattern($moved), 'm', 'the same bytes');
    PVE::Storage::deactivate_volumes($cfg, [$moved]);
    is_deeply([unused(112, $moved), unused(110, $clones[0], 'nas:vm-110-disk-1')], [[], []], 'listed where it belongs');
    destroy_guest(112, $moved);
};

subtest 'qm disk move to another storage and back' => sub {
    my $two = new_storage($sim, storeid => 'nas2', dataset => 'tank/other', tn_initiator => 'kernel', node_dir => $node);
    $cfg->{ids}->{nas2} = $two->{ids}->{nas2};
    $cfg->{order}->{nas2} = 2;
    my $here = alloc(113, 2048);
    start_guest([$here]);
    fill($here, 'q', 1);
    my $there = full_clone($here, 113, undef, 'nas2');
    is($there, 'nas2:vm-113-disk-0', 'a mirror');
    is(blockdev($there, '10.0+pve1'), '/dev/tnstor/nas2/vm-113-disk-0', 'for QEMU');
    is(pattern($there), '.q', 'with every byte');
    PVE::Storage::deactivate_volumes($cfg, [$here]);
    PVE::Storage::vdisk_free($cfg, $here);
    my $back = full_clone($there, 113);
    is(pattern($back), '.q', 'and back');
    PVE::Storage::deactivate_volumes($cfg, [$there, $back]);
    PVE::Storage::vdisk_free($cfg, $there);
    is_deeply(unused(113, $back), [], 'nothing unused, in neither storage');
    destroy_guest(113, $back);
    delete $cfg->{ids}->{nas2};
};

# Runs the code on a second node of the same cluster.
my sub on_another_node ($storeid, $code) {
    my $other = TNSTest::node();
    make_path("$other/root/etc/pve/priv/tnstor");
    copy(map { "$_/root/etc/pve/priv/tnstor/owner" } $node, $other) or die "cannot copy the owner: $!\n";
    local %TNStor::Handles::NODE = (%TNStor::Handles::NODE, tn_sysroot => "$other/root", tn_run_dir => "$other/run", tn_node => 'pve2');
    TNStor::Handles::forget($storeid);
    $code->("$other/root");
    TNStor::Handles::forget($storeid);
    return;
}

subtest 'qm migrate --online: active on both nodes, then on one' => sub {
    my $volid = alloc(114, 1024);
    start_guest([$volid]);
    fill($volid, 'v');
    on_another_node('nas', sub ($root) {
        PVE::Storage::activate_volumes($cfg, [$volid], undef, $GUEST_HINTS);
        ok(-e "$root/dev/tnstor/nas/vm-114-disk-0", 'on the target node');
    });
    is(pattern($volid), 'v', 'still on the source');
    PVE::Storage::deactivate_volumes($cfg, [$volid]);
    is(device_of($cfg, path($volid)), undef, 'then no more');
    destroy_guest(114, $volid);
};

# ---- containers --------------------------------------------------------------------------

subtest 'pct create, start, resize, stop' => sub {
    my $root = alloc(200, 2048);
    is($root, 'nas:vm-200-disk-0', 'a volume like any other');
    PVE::Storage::activate_volumes($cfg, [$root]);
    my $device = PVE::Storage::map_volume($cfg, $root);
    ok(defined(device_of($cfg, $device)), 'mkfs has a device');
    device_write($cfg, $device, 0, 'F' x $MIB);
    PVE::Storage::activate_volumes($cfg, [$root]);
    is(PVE::Storage::map_volume($cfg, $root), $device, 'mount gets the same one');
    PVE::Storage::unmap_volume($cfg, $root);
    PVE::Storage::deactivate_volumes($cfg, [$root]);
    is(device_of($cfg, $device), undef, 'and it goes');

    PVE::Storage::activate_volumes($cfg, [$root]);
    PVE::Storage::volume_resize($cfg, $root, 3 * $MIB, 0);
    is(pattern($root), 'F..', 'resize2fs sees the new end');
};

subtest 'pct snapshot, vzdump of it, rollback, clone' => sub {
    my $root = 'nas:vm-200-disk-0';
    is(PVE::Storage::volume_snapshot_needs_fsfreeze($cfg, $root), 1, 'the file system is frozen first');
    snapshot([$root], 'vzdump');
    PVE::Storage::activate_volumes($cfg, [$root], 'vzdump');
    my $device = PVE::Storage::map_volume($cfg, $root, 'vzdump');
    device_write($cfg, path($root), 0, 'G' x $MIB);
    is(substr(device_read($cfg, $device), 0, 1), 'F', 'a backup reads what was');
    PVE::Storage::unmap_volume($cfg, $root, 'vzdump');
    PVE::Storage::deactivate_volumes($cfg, [$root], 'vzdump');
    PVE::Storage::volume_snapshot_delete($cfg, $root, 'vzdump');

    snapshot([$root], 'keep');
    fill($root, 'H');
    rollback([$root], 'keep', 1);
    PVE::Storage::activate_volumes($cfg, [$root]);
    is(pattern($root), 'G..', 'rolled back');
    my $copy = full_clone($root, 201, 'keep');
    is(pattern($copy), 'G..', 'pct clone --full of a snapshot');
    PVE::Storage::deactivate_volumes($cfg, [$root], 'keep');
    PVE::Storage::deactivate_volumes($cfg, [$root, $copy]);
    destroy_guest(201);
};

# ---- volumes of before -------------------------------------------------------------------

# A volume as the plugin truenasplugin 1.x made one.
my sub old_volume ($leaf, $lun) {
    my $target = (grep { $cfg->{ids}->{nas}->{target_iqn} =~ m/:\Q$_->{name}\E\z/ } $sim->world()->{target}->@*)[0];
    $sim->post('/world', { dataset => { name => "tank/vm/$leaf", create => { volsize => $MIB } } });
    $sim->post('/world', { insert => { table => 'extent', row => { name => $leaf, disk => "zvol/tank/vm/$leaf" } } });
    my ($extent) = grep { $_->{name} eq $leaf } $sim->world()->{extent}->@*;
    $sim->post('/world', { insert => { table => 'mapping',
        row => { target => $target->{id}, extent => $extent->{id}, lunid => $lun } } });
    $sim->post('/world', { reload => 1 });
    return;
}

# Numbers that no volume of the plugin's has by now.
my sub free_luns ($count) {
    my %taken = map { $_->{lunid} => 1 } $sim->world()->{mapping}->@*;
    return (grep { !$taken{$_} } 901 .. 999)[0 .. $count - 1];
}

subtest 'qm rescan with old and new volnames side by side: nothing shows as unused that is used' => sub {
    my $new = alloc(300, 1024);
    my ($lun_one, $lun_two) = free_luns(2);
    old_volume('vm-300-disk-1', $lun_one);
    old_volume('vm-300-disk-2', $lun_two);
    my ($one, $two) = ("nas:vol-vm-300-disk-1-lun$lun_one", "nas:vol-vm-300-disk-2-lun$lun_two");
    is_deeply(unused(300, $new, $one, $two), [], 'all of them used');
    is_deeply(unused(300, $new, $two), [$one], 'one of them is not');

    start_guest([$new, $one, $two]);
    fill($one, 'o');
    PVE::Storage::deactivate_volumes($cfg, [$new, $one, $two]);

    my $storage = TNStor::Handles::open_new('nas', $cfg->{ids}->{nas}, TNStor::Handles::secrets('nas', $cfg->{ids}->{nas}));
    $storage->volume_adopt('vol-vm-300-disk-1-lun3'); # as the guest's configuration spells it
    is_deeply(unused(300, $new, 'nas:vol-vm-300-disk-1-lun3', $two), [], 'an adopted one keeps the spelling of its guest');
    start_guest(['nas:vol-vm-300-disk-1-lun3']);
    is(pattern('nas:vol-vm-300-disk-1-lun3'), 'o', 'whatever its LUN is');
    PVE::Storage::deactivate_volumes($cfg, ['nas:vol-vm-300-disk-1-lun3']);
    is(alloc(300, 1024), 'nas:vm-300-disk-3', 'a new volume takes no name of an old one');
    destroy_guest(300);
    is_deeply([grep { m/300/ } zvols()->@*], [], 'destroyed with all of them');
};

# ---- the end -----------------------------------------------------------------------------

subtest 'pvesm free asks for the path first, and twice is fine' => sub {
    my $volid = alloc(400, 1024);
    path($volid);
    PVE::Storage::vdisk_free($cfg, $volid) for 1 .. 2;
    is_deeply([grep { m/400/ } zvols()->@*], [], 'gone');
};

subtest 'qm destroy and pct destroy of all that is left' => sub {
    destroy_guest(110, $clones[0]);
    destroy_guest(111, $clones[1]);
    destroy_guest(200);
    destroy_guest(100);
    is_deeply(zvols(), [], 'no zvol');
    my $world = $sim->world();
    is_deeply([map { scalar $world->{$_}->@* } qw(extent mapping snapshot exported)], [0, 0, 0, 0], 'no extent, mapping, snapshot, LUN');
    is_deeply(mapped(), [], 'no device');
};

done_testing();
