#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# What each operation of Proxmox VE costs, counted by the NAS: the Perl side adds nothing to the library.

use v5.36;
no warnings qw(once);

use Test::More;
use lib 't/perl/lib';
use TNSTest;

my $plugin = plugin();
my $sim = start_sim();
my $cfg = new_storage($sim, tn_initiator => 'kernel', content => 'images,rootdir');
my $scfg = $cfg->{ids}->{nas};

my sub used () { return TNStor::Handles::call('nas', $scfg, 'counters')->{trips} }

# Exactly so many trips, as the library counts them: to the NAS, requests that were sent together look like more when
# this machine paused between two of them, but never like fewer. At most so many calls, as the NAS counts them.
my sub costs ($what, $trips, $calls, $code) {
    my $before = used();
    my $result;
    my ($got_calls, $seen) = $sim->cost(sub { $result = $code->() });
    my $got = used() - $before;
    is($got, $trips, "$what: trips");
    cmp_ok($seen, '>=', $got, "$what: the NAS saw no fewer");
    cmp_ok($got_calls, '<=', $calls, "$what: $got_calls calls (at most $calls)");
    return $result;
}

# The session is there, and what the release can do is known, as in a daemon of PVE's.
PVE::Storage::vdisk_free($cfg, PVE::Storage::vdisk_alloc($cfg, 'nas', 900, 'raw', undef, 1024));

subtest 'a poll is one call' => sub {
    for (1 .. 3) {
        my $info = costs('activate_storage and status', 1, 1, sub { PVE::Storage::storage_info($cfg) });
        is($info->{nas}->{active}, 1, 'active');
    }
};

subtest 'alloc, with a name and without' => sub {
    costs('a given name', 4, 9, sub { PVE::Storage::vdisk_alloc($cfg, 'nas', 100, 'raw', "vm-100-given", 4096) });
    costs('a name of ours', 5, 9, sub { PVE::Storage::vdisk_alloc($cfg, 'nas', 100, 'raw', undef, 8192) });
};

subtest 'a list is one trip, of any number of volumes' => sub {
    my $few = costs('a few volumes', 1, 3, sub { PVE::Storage::vdisk_list($cfg, 'nas') });
    open(my $fh, '<', "$cfg->{dir}/root/etc/pve/priv/tnstor/owner") or die "no owner: $!\n";
    my $owner = readline($fh);
    close($fh);
    $sim->post('/world', {
        bulk => {
            dataset => 'tank/vm', count => 500, first => 1000, name => 'vm-%d-disk-0', volsize => 1048576,
            target => $scfg->{target_iqn} =~ s/\A.*://r, extent_name => '{leaf}',
            user => {
                'org.tnstor:owner' => $owner, 'org.tnstor:storeid' => 'nas', 'org.tnstor:state' => 'ready',
                'org.tnstor:volname' => '{leaf}', 'org.tnstor:self' => '{name}', 'org.tnstor:schema' => 1,
            },
        },
    });
    my $list = costs('five hundred more', 1, 3, sub { PVE::Storage::vdisk_list($cfg, 'nas') });
    is($list->{nas}->@* - $few->{nas}->@*, 500, 'all of them');
    costs('of one guest', 1, 3, sub { PVE::Storage::vdisk_list($cfg, 'nas', 100) });
};

subtest 'names, paths and features cost nothing' => sub {
    costs('path', 0, 0, sub { PVE::Storage::path($cfg, 'nas:vm-100-disk-0') });
    costs('path of a snapshot', 0, 0, sub { PVE::Storage::path($cfg, 'nas:vm-100-disk-0', 's1') });
    costs('parse_volname', 0, 0, sub { $plugin->parse_volname('base-1000-disk-0/vm-101-disk-0') });
    costs('has_feature', 0, 0, sub { PVE::Storage::volume_has_feature($cfg, 'snapshot', 'nas:vm-100-disk-0') });
    costs('activate_storage', 0, 0, sub { PVE::Storage::activate_storage($cfg, 'nas') });
    costs('get_formats', 0, 0, sub { $plugin->get_formats($scfg, 'nas') });
};

subtest 'snapshot, rollback, delete, resize' => sub {
    my $volid = 'nas:vm-100-disk-0';
    costs('snapshot', 2, 6, sub { PVE::Storage::volume_snapshot($cfg, $volid, 's1') });
    costs('one check of a rollback', 1, 7, sub { PVE::Storage::volume_rollback_is_possible($cfg, $volid, 's1', []) });
    costs('rollback', 2, 8, sub { $plugin->volume_snapshot_rollback($scfg, 'nas', 'vm-100-disk-0', 's1') });
    costs('delete of a snapshot', 2, 6, sub { PVE::Storage::volume_snapshot_delete($cfg, $volid, 's1') });
    costs('resize', 3, 6, sub { PVE::Storage::volume_resize($cfg, $volid, 16 * 1024**2, 0) });
    costs('size', 1, 3, sub { PVE::Storage::volume_size_info($cfg, $volid) });
};

subtest 'a linked clone' => sub {
    my $base = PVE::Storage::vdisk_create_base($cfg, 'nas:vm-100-disk-0');
    my $clone = costs('of a template', 5, 13, sub { PVE::Storage::vdisk_clone($cfg, $base, 101) });
    is($clone, 'nas:base-100-disk-0/vm-101-disk-0', 'made');
    costs('free of the clone', 5, 11, sub { PVE::Storage::vdisk_free($cfg, $clone) });
};

subtest 'free' => sub {
    my $volid = PVE::Storage::vdisk_alloc($cfg, 'nas', 102, 'raw', undef, 1024);
    costs('a volume', 5, 11, sub { PVE::Storage::vdisk_free($cfg, $volid) });
    costs('one that is not there', 1, 7, sub { PVE::Storage::vdisk_free($cfg, 'nas:vm-103-disk-0') });
};

done_testing();
