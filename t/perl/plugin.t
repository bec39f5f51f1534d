#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# Every method of the plugin against a simulated NAS, with the tainted strings that PVE hands over.

use v5.36;
use utf8;
no warnings qw(once);

use POSIX ();
use Scalar::Util qw(tainted);
use Test::More;
use lib 't/perl/lib';
use TNSTest;
use TNSKernel;

my $plugin = plugin();
my $sim = start_sim();
plug_in($sim);
my $cfg = new_storage($sim, tn_initiator => 'kernel', target_iqn => 'iqn.2005-10.org.freenas.ctl:tnstor');
my $scfg = $cfg->{ids}->{nas};
my $nas = tainted_copy('nas');
my $MIB = 1024 * 1024;

my sub t ($value) { return tainted_copy($value) }

# Gives a value back, having checked that PVE can use it under -T.
my sub clean ($value, $what) {
    ok(!tainted($value), "$what is not tainted");
    return $value;
}

my sub alloc ($vmid, $name, $kib) {
    return $plugin->alloc_image($nas, $scfg, t($vmid), t('raw'), t($name), t($kib));
}

my sub volids ($vmid = undef, $list = undef) {
    return [sort map { $_->{volid} } $plugin->list_images($nas, $scfg, $vmid, $list, {})->@*];
}

subtest 'adding the storage makes an owner and keeps the key out of the section' => sub {
    ok(-s "$cfg->{dir}/root/etc/pve/priv/tnstor/owner", 'an owner for all of the cluster');
    ok(!defined($scfg->{api_key}), 'no key in the section');
    is((stat("$cfg->{dir}/priv/nas.pw"))[2] & 07777, 0600, 'the file of secrets is for root alone');
};

subtest 'status tells bytes and active' => sub {
    my ($total, $avail, $used, $active) = $plugin->status($nas, $scfg, {});
    is($active, 1, 'active');
    cmp_ok($total, '>', 500 * 1024**3, 'total');
    cmp_ok($avail + $used, '<=', $total, 'sums up');
    clean($_, 'a number') for $total, $avail, $used;
};

subtest 'alloc chooses the first free name' => sub {
    is(clean(alloc(100, undef, 1024), 'the volname'), 'vm-100-disk-0', 'disk 0');
    is(alloc(100, '', 1024), 'vm-100-disk-1', 'disk 1, with an empty name');
};

subtest 'alloc takes the names PVE gives, of any size in KiB' => sub {
    my %kib = (
        'vm-100-cloudinit' => 4096, 'vm-100-state-s1' => 1_048_576, 'vm-100-fleece-0' => 2048,
        'vm-100-efi' => 528, 'vm-100-disk-9' => 4097,
    );
    for my $name (sort keys %kib) {
        is(alloc(100, $name, $kib{$name}), $name, $name);
        is($plugin->volume_size_info($scfg, $nas, t($name), 5), $kib{$name} * 1024, 'exact to the byte');
    }
};

subtest 'alloc refuses a name that exists, another VM\'s, and one outside the grammar' => sub {
    like(error_of(sub { alloc(100, 'vm-100-disk-0', 1024) }), qr/\Astorage 'nas': .*vm-100-disk-0/, 'exists');
    like(error_of(sub { alloc(100, 'vm-101-disk-0', 1024) }), qr/\Astorage 'nas': /, 'another VM');
    for my $bad ("vm-100-disk-0\n", 'vm-100-../x', 'vm-100-a b', 'vm-100-', 'vm-100-a/b', 'disk-0') {
        like(error_of(sub { alloc(100, $bad, 1024) }), qr/\Astorage 'nas': [^\n]+\n\z/, 'outside the grammar');
    }
    like(error_of(sub { $plugin->alloc_image($nas, $scfg, 100, 'qcow2', undef, 1024) }), qr/only raw/, 'qcow2');
};

subtest 'state volumes are refused by enable_live_snapshots 0' => sub {
    my $without = { %$scfg, enable_live_snapshots => 0 };
    like(error_of(sub { $plugin->alloc_image($nas, $without, 100, 'raw', 'vm-100-state-s2', 1024) }),
        qr/enable_live_snapshots/, 'refused');
};

subtest 'list gives volids as the guests have them, filtered as asked' => sub {
    alloc(101, undef, 2048);
    is_deeply(volids(101), ['nas:vm-101-disk-0'], 'of one VM');
    is_deeply(volids(undef, ['nas:vm-100-disk-1', 'nas:vm-999-disk-0']), ['nas:vm-100-disk-1'], 'of a list');
    my ($entry) = $plugin->list_images($nas, $scfg, 101, undef, {})->@*;
    is_deeply([$entry->@{qw(format size vmid)}], ['raw', 2048 * 1024, 101], 'an entry');
    clean($entry->{$_}, $_) for qw(volid size vmid);
};

subtest 'parse_volname gives the seven' => sub {
    is_deeply([$plugin->parse_volname(t('vm-100-disk-0'))],
        ['images', 'vm-100-disk-0', 100, undef, undef, 0, 'raw'], 'a disk');
    is_deeply([$plugin->parse_volname('base-100-disk-0/vm-101-disk-0')],
        ['images', 'vm-101-disk-0', 101, 'base-100-disk-0', 100, 0, 'raw'], 'a linked clone');
    is(($plugin->parse_volname('base-100-disk-0'))[5], 1, 'a base');
    for my $bad ('', 'x', "vm-100-disk-0\n", 'vm-100-disk-0@s', '../vm-100-disk-0', 'vm-1x-disk') {
        like(error_of(sub { $plugin->parse_volname($bad) }), qr/\Aunable to parse volume name/, "'$bad'" =~ s/\n/\\n/r);
    }
};

subtest 'path is pure: no call, and the same while the NAS is away' => sub {
    my $costs = $sim->calls_of(sub {
        is(clean(scalar $plugin->path($scfg, t('vm-100-disk-0'), $nas), 'the path'),
            '/dev/tnstor/nas/vm-100-disk-0', 'of a volume');
        is(scalar $plugin->path($scfg, 'base-100-disk-0/vm-101-disk-0', $nas),
            '/dev/tnstor/nas/base-100-disk-0+vm-101-disk-0', 'of a linked clone');
        is(scalar $plugin->path($scfg, 'vm-100-disk-0', $nas, 's1'),
            '/dev/tnstor/nas/vm-100-disk-0@s1', 'of a snapshot');
    });
    is_deeply($costs, {}, 'no call');
    is_deeply([$plugin->path($scfg, 'vm-100-disk-0', $nas)],
        ['/dev/tnstor/nas/vm-100-disk-0', 100, 'images'], 'in list context');
};

subtest 'resize grows, twice the same is once, and shrinking is refused' => sub {
    $plugin->volume_resize($scfg, $nas, t('vm-101-disk-0'), t(8 * $MIB), 0) for 1 .. 2;
    is($plugin->volume_size_info($scfg, $nas, 'vm-101-disk-0', 5), 8 * $MIB, 'the new size');
    like(error_of(sub { $plugin->volume_resize($scfg, $nas, 'vm-101-disk-0', $MIB, 0) }),
        qr/\Astorage 'nas': /, 'smaller');
    like(error_of(sub { $plugin->volume_resize($scfg, $nas, 'vm-101-disk-0', 9 * $MIB, 0, 's1') }),
        qr/snapshot/, 'a snapshot');
};

subtest 'volume_size_info in list context' => sub {
    my ($size, $format, $used, $parent, $ctime) = $plugin->volume_size_info($scfg, $nas, 'vm-101-disk-0', 5);
    is_deeply([$size, $format, $parent], [8 * $MIB, 'raw', undef], 'size, format, parent');
    clean($size, 'the size');
};

subtest 'snapshots: made, listed, blocking a rollback, renamed where the NAS can, deleted' => sub {
    $plugin->volume_snapshot($scfg, $nas, t('vm-101-disk-0'), t($_)) for qw(one two);
    my $info = $plugin->volume_snapshot_info($scfg, $nas, 'vm-101-disk-0');
    is_deeply([sort keys %$info], [qw(one two)], 'listed');
    is($info->{one}->{'virtual-size'}, 8 * $MIB, 'virtual-size') if defined($info->{one}->{'virtual-size'});
    ok($info->{one}->{id} && defined($info->{one}->{timestamp}), 'id and timestamp');

    my @blockers;
    like(error_of(sub { $plugin->volume_rollback_is_possible($scfg, $nas, 'vm-101-disk-0', 'one', \@blockers) }),
        qr/newer snapshots exist: two/, 'blocked');
    is_deeply(\@blockers, ['two'], 'by the newer one');
    ok(error_of(sub { $plugin->volume_rollback_is_possible($scfg, $nas, 'vm-101-disk-0', 'one', undef) }),
        'also without a list for the blockers');
    is($plugin->volume_rollback_is_possible($scfg, $nas, t('vm-101-disk-0'), t('two'), []), 1, 'the newest is fine');
    is(error_of(sub { $plugin->volume_snapshot_rollback($scfg, $nas, 'vm-101-disk-0', 'two') }), undef, 'rolled back');

    $plugin->volume_snapshot_delete($scfg, $nas, t('vm-101-disk-0'), t('two'), 0) for 1 .. 2;
    is_deeply([keys $plugin->volume_snapshot_info($scfg, $nas, 'vm-101-disk-0')->%*], ['one'], 'deleted');
};

subtest 'renaming a snapshot, where the NAS can' => sub {
    my $error = error_of(sub { $plugin->rename_snapshot($scfg, $nas, t('vm-101-disk-0'), t('one'), t('uno')) });
    my $names = [keys $plugin->volume_snapshot_info($scfg, $nas, 'vm-101-disk-0')->%*];
    is_deeply($names, [defined($error) ? 'one' : 'uno'], 'renamed, or as it was');
    like($error // "storage 'nas': x\n", qr/\Astorage 'nas': [^\n]+\n\z/, 'a refusal is one line');
    $plugin->rename_snapshot($scfg, $nas, 'vm-101-disk-0', 'uno', 'one') if !defined($error);
};

subtest 'activate, map, hand over to QEMU, unmap, deactivate: a volume and a snapshot of it' => sub {
    my $hints = { 'guest-is-windows' => t(1), 'plugin-may-deactivate-volume' => t(0) };
    for my $snap (undef, 'one') {
        my $want = '/dev/tnstor/nas/vm-101-disk-0' . (defined($snap) ? "\@$snap" : '');
        is($plugin->activate_volume($nas, $scfg, t('vm-101-disk-0'), t($snap), {}, $hints), 1, 'activated') for 1 .. 2;
        is(clean($plugin->map_volume($nas, $scfg, t('vm-101-disk-0'), t($snap), $hints), 'the device'), $want, 'mapped');
        ok(defined(device_of($cfg, $want)), 'there it is');
        my $options = { 'snapshot-name' => t($snap), hints => { 'efi-disk' => t(1) } };
        my $blockdev = $plugin->qemu_blockdev_options($scfg, $nas, t('vm-101-disk-0'), t('10.0+pve1'), $options);
        is_deeply($blockdev, { driver => 'host_device', filename => $want }, 'for QEMU');
        clean($_, 'what QEMU gets') for values %$blockdev;
        is($plugin->unmap_volume($nas, $scfg, t('vm-101-disk-0'), t($snap)), 1, 'unmapped');
        is($plugin->deactivate_volume($nas, $scfg, t('vm-101-disk-0'), t($snap), {}), 1, 'deactivated') for 1 .. 2;
        is(device_of($cfg, $want), undef, 'gone');
    }
};

subtest 'the same with tn_initiator qemu: an address for QEMU, and no device' => sub {
    my $own = { %$scfg, tn_initiator => t('qemu') };
    $plugin->activate_volume($nas, $own, t('vm-101-disk-0'), undef, {}, undef);
    my $blockdev = $plugin->qemu_blockdev_options($own, $nas, t('vm-101-disk-0'), t('pc-i440fx-10.0'), {});
    is($blockdev->{driver}, 'iscsi', 'the driver');
    is_deeply([sort keys %$blockdev], [sort qw(driver transport portal target lun initiator-name)], 'what PVE lets through');
    clean($_, 'what QEMU gets') for values %$blockdev;
    like(error_of(sub { $plugin->map_volume($nas, $own, t('vm-101-disk-0'), undef, undef) }), qr/tn_initiator kernel/, 'no device');
    like(error_of(sub { $plugin->alloc_image($nas, $own, 101, 'raw', t('vm-101-state-s1'), 1024) }), qr/vmstatestorage/, 'no RAM');
    like(error_of(sub { $plugin->alloc_image($nas, $own, 101, 'raw', t('vm-101-cloudinit'), 4096) }), qr/another storage/, 'no cloud-init');
    $plugin->deactivate_volume($nas, $own, t('vm-101-disk-0'), undef, {});
    like(error_of(sub { $plugin->qemu_blockdev_options($own, $nas, 'vm-101-disk-0', '10.0', {}) }), qr/is not active on this node/,
        'nor an address without activation');
    TNStor::Handles::forget('nas');
};

subtest 'what is inherited works on what is ours' => sub {
    is($plugin->find_free_diskname($nas, $scfg, t(101), 'raw', 0), 'vm-101-disk-1', 'find_free_diskname');
    my $volumes = $plugin->list_volumes($nas, $scfg, t(101), ['images']);
    is_deeply([map { $_->@{qw(volid content)} } @$volumes], ['nas:vm-101-disk-0', 'images'], 'list_volumes');
    is(clean(scalar $plugin->filesystem_path($scfg, t('vm-101-disk-0'), undef, $nas), 'the path'), '/dev/tnstor/nas/vm-101-disk-0',
        'filesystem_path');
    like(error_of(sub { $plugin->filesystem_path($scfg, 'vm-101-disk-0') }), qr/without the storage's id/, 'which needs the storage');
};

subtest 'a template, its linked clone, and who may go first' => sub {
    alloc(200, undef, 4096);
    my $base = clean($plugin->create_base($nas, $scfg, t('vm-200-disk-0')), 'the base');
    is($base, 'base-200-disk-0', 'the base\'s name');
    my $clone = clean($plugin->clone_image($scfg, $nas, t($base), t(201), undef), 'the clone');
    is($clone, 'base-200-disk-0/vm-201-disk-0', 'the clone\'s name');
    is_deeply(volids(201), ["nas:$clone"], 'listed with its base');
    my ($entry) = $plugin->list_images($nas, $scfg, 201, undef, {})->@*;
    like($entry->{parent}, qr{\Abase-200-disk-0(?:\@\w+)?\z}, 'parent');
    like(error_of(sub { $plugin->free_image($nas, $scfg, $base, 1, 'raw') }), qr/vm-201-disk-0/, 'the base stays');
    is(error_of(sub { $plugin->free_image($nas, $scfg, t($clone), 0, 'raw') }), undef, 'the clone goes');
    is(error_of(sub { $plugin->free_image($nas, $scfg, t($base), 1, 'raw') }), undef, 'then the base');
};

subtest 'a linked clone of a snapshot' => sub {
    my $clone = $plugin->clone_image($scfg, $nas, 'vm-101-disk-0', 301, t('one'));
    like($clone, qr!(?:\A|/)vm-301-disk-0\z!, 'a volume of the new VM');
    like(error_of(sub { $plugin->volume_snapshot_delete($scfg, $nas, 'vm-101-disk-0', 'one', 0) }),
        qr/vm-301-disk-0/, 'its snapshot stays');
    $plugin->free_image($nas, $scfg, $clone, 0, 'raw');
    is(error_of(sub { $plugin->volume_snapshot_delete($scfg, $nas, 'vm-101-disk-0', 'one', 0) }), undef, 'then it goes');
};

subtest 'rename gives the whole volid' => sub {
    is(clean($plugin->rename_volume($scfg, $nas, t('vm-101-disk-0'), t(102), undef), 'the volid'),
        'nas:vm-102-disk-0', 'a new owner');
    is_deeply(volids(101), [], 'the old one has none');
};

subtest 'the feature matrix' => sub {
    my %want = (
        snapshot => [1, 0, 1], clone => [0, 1, 1], template => [1, 0, 0], copy => [1, 1, 1],
        sparseinit => [1, 1, 0], rename => [1, 0, 0], replicate => [0, 0, 0], nonsense => [0, 0, 0],
    );
    for my $feature (sort keys %want) {
        my @got = map { $plugin->volume_has_feature($scfg, $feature, $nas, $_->@*) ? 1 : 0 }
            ['vm-100-disk-0', undef, undef], ['base-100-disk-0', undef, 0], ['vm-100-disk-0', 's1', 4711];
        is_deeply(\@got, $want{$feature}, "$feature of current, base, snap");
    }
};

subtest 'notes and the protected mark' => sub {
    is($plugin->get_volume_attribute($scfg, $nas, 'vm-100-disk-0', 'notes'), undef, 'no notes');
    $plugin->update_volume_attribute($scfg, $nas, t('vm-100-disk-0'), 'notes', t("two\nlines, ümlaut"));
    is($plugin->get_volume_attribute($scfg, $nas, 'vm-100-disk-0', 'notes'), "two\nlines, ümlaut", 'notes');
    $plugin->update_volume_attribute($scfg, $nas, 'vm-100-disk-0', 'protected', 1);
    is($plugin->get_volume_attribute($scfg, $nas, 'vm-100-disk-0', 'protected'), 1, 'protected');
    is($plugin->get_volume_attribute($scfg, $nas, 'vm-100-disk-0', 'colour'), undef, 'another: unsupported');
    ok(error_of(sub { $plugin->update_volume_attribute($scfg, $nas, 'vm-100-disk-0', 'colour', 1) }), 'and refused');
};

subtest 'identity is the same twice' => sub {
    my $id = $plugin->get_identity($scfg, $nas);
    ok(length($id), 'there');
    is($plugin->get_identity($scfg, $nas), $id, 'the same');
};

subtest 'an operation is told to syslog, without a secret' => sub {
    no warnings qw(redefine);
    require PVE::SafeSyslog;
    my @lines;
    local *PVE::SafeSyslog::syslog = sub ($level, $format, @args) { push @lines, "$level: " . sprintf($format, @args) };
    alloc(103, undef, 1024);
    $plugin->volume_snapshot($scfg, $nas, 'vm-103-disk-0', 'told');
    $plugin->free_image($nas, $scfg, 'vm-103-disk-0', 0, 'raw');
    my @told = grep { m/\Ainfo: tnstor .*vm-103-disk-0/ } @lines;
    cmp_ok(scalar(@told), '>=', 3, 'a line for each, at least') or diag(@lines);
    is(scalar(grep { m/\n/ || m/\Q$sim->{api_key}\E/ } @lines), 0, 'lines, and no key in them');
};

subtest 'a forked worker opens its own session, and its end leaves the parent\'s alone' => sub {
    is_deeply(volids(100), volids(100), 'the parent has one');
    my $pid = fork() // die "cannot fork: $!\n";
    if (!$pid) {
        my $volumes = eval { volids(100) };
        TNStor::Handles::forget('nas');
        POSIX::_exit($volumes && @$volumes ? 0 : 1);
    }
    waitpid($pid, 0);
    is($?, 0, 'the worker has its answer');
    my $logins = $sim->stats()->{logins};
    ok(volids(100)->@*, 'the parent still has');
    is($sim->stats()->{logins}, $logins, 'in the session of before');
};

subtest 'C39: a section that was edited counts from the next call on, and a call goes on with the one it has' => sub {
    $sim->post('/world', { dataset => [{ name => 'flash/vm', create => {} }] });
    my $before = volids();
    cmp_ok(scalar(@$before), '>', 0, 'there are volumes');
    my $edited = { %$scfg, dataset => t('flash/vm') };
    is_deeply($plugin->list_images($nas, $edited, undef, undef, {}), [], 'none on the other dataset, by the same process');
    is($plugin->alloc_image($nas, $edited, t(100), t('raw'), t('vm-100-disk-0'), t(1024)), 'vm-100-disk-0', 'a volume there');
    ok((grep { $_->{name} eq 'flash/vm/vm-100-disk-0' } $sim->world()->{dataset}->@*), 'on the dataset of the edited section');
    is_deeply(volids(), $before, 'who still has the section of before works with that');
    $plugin->free_image($nas, $edited, t('vm-100-disk-0'), 0);
    ok(!(grep { $_->{name} eq 'flash/vm/vm-100-disk-0' } $sim->world()->{dataset}->@*), 'freed where it was');
    is_deeply(volids(), $before, 'and nothing of the same name elsewhere');
};

subtest 'freeing twice is success, and nothing is left' => sub {
    for my $volid (volids()->@*) {
        my ($volname) = $volid =~ m/\Anas:(.*)\z/;
        $plugin->free_image($nas, $scfg, t($volname), 0, 'raw') for 1 .. 2;
    }
    is_deeply(volids(), [], 'nothing is listed');
};

subtest 'what never fails because of the NAS' => sub {
    is($plugin->check_connection($nas, $scfg), 1, 'check_connection');
    is($plugin->activate_storage($nas, $scfg, {}), 1, 'activate_storage');
    is($plugin->deactivate_storage($nas, $scfg, {}), 1, 'deactivate_storage');
    is($plugin->volume_snapshot_needs_fsfreeze(), 1, 'fsfreeze');
    is($plugin->volume_qemu_snapshot_method($nas, $scfg, 'vm-100-disk-0'), 'storage', 'snapshot method');
    is($plugin->storage_can_replicate($scfg, $nas, 'raw'), 0, 'no replication');
};

subtest 'removing the storage removes its secrets' => sub {
    $plugin->on_delete_hook($nas, $scfg);
    ok(!-e "$cfg->{dir}/priv/nas.pw", 'gone');
    is(error_of(sub { $plugin->on_delete_hook($nas, $scfg) }), undef, 'twice is fine');
};

done_testing();
