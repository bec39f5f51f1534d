#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# What the plugin declares, and what it makes of storage.cfg, without a NAS.

use v5.36;
no warnings qw(once);

use Test::More;
use lib 't/perl/lib';
use TNSTest;

my $plugin = plugin();
my %taken = map { $_ => 1 } qw(content content-dirs disable format max-protected-backups nodes options
    port preallocation prune-backups shared snapshot-as-volume-chain storage subdir type bwlimit
    create-base-path create-subdirs is_mountpoint mkdir path export server domain password share
    smbversion portal target base saferemove saferemove-stepsize saferemove_throughput tagged_only
    vgname thinpool blocksize mountpoint sparse comstar_hg comstar_tg iscsiprovider lio_tpg
    nowritecache zfs-base-path authsupported data-pool keyring krbd monhost namespace pool username
    fs-name fuse datastore encryption-key fingerprint master-pubkey skip-cert-verification nocow);

subtest 'no property is one that PVE or another plugin declares' => sub {
    my @clash = grep { $taken{$_} } keys $plugin->properties()->%*;
    is_deeply(\@clash, [], 'no clash');
};

subtest 'every option is declared, here or by PVE' => sub {
    my $properties = $plugin->properties();
    my @undeclared = grep { !$properties->{$_} && !$taken{$_} } keys $plugin->options()->%*;
    is_deeply(\@undeclared, [], 'none undeclared');
};

subtest 'every secret is sensitive and optional, so that PVE can keep it out of storage.cfg' => sub {
    my $sensitive = $plugin->plugindata()->{'sensitive-properties'};
    for my $name (qw(api_key chap_password tn_chap_mutual_password)) {
        ok($sensitive->{$name}, "$name is sensitive");
        ok($plugin->options()->{$name}->{optional}, "$name is optional");
    }
};

subtest 'the options of truenasplugin 1.x are all there' => sub {
    my @old = qw(api_host api_key api_transport api_scheme api_port api_insecure prefer_ipv4 dataset
        target_iqn discovery_portal portals use_multipath use_by_path ipv6_by_path
        force_delete_on_inuse logout_on_free zvol_blocksize tn_sparse chap_user chap_password
        vmstate_storage enable_live_snapshots snapshot_volume_chains enable_bulk_operations debug
        api_retry_max api_retry_delay transport_mode subsystem_nqn hostnqn nvme_dhchap_secret
        nvme_dhchap_ctrl_secret);
    my $options = $plugin->options();
    ok($options->{$_}, $_) for @old;
};

my sub parse ($text) {
    my @warnings;
    local $SIG{__WARN__} = sub ($line) { push @warnings, $line };
    return (PVE::Storage::Plugin->parse_config('storage.cfg', $text), \@warnings);
}

subtest 'a section of truenasplugin 1.x is accepted unchanged' => sub {
    my ($cfg, $warnings) = parse(<<'CFG');
truenasplugin: old-nas
	api_host 192.0.2.5
	api_key 1-abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz012345
	api_insecure 1
	api_transport ws
	api_scheme wss
	api_port 443
	api_retry_max 5
	api_retry_delay 2
	dataset tank/proxmox
	target_iqn iqn.2005-10.org.freenas.ctl:proxmox
	discovery_portal 192.0.2.5:3260
	portals 192.0.2.6:3260,192.0.2.7:3260
	content images
	shared 1
	prefer_ipv4 1
	use_multipath 1
	use_by_path 0
	ipv6_by_path 0
	zvol_blocksize 128K
	tn_sparse 1
	vmstate_storage local
	enable_live_snapshots 1
	snapshot_volume_chains 1
	enable_bulk_operations 1
	force_delete_on_inuse 0
	logout_on_free 0
	debug 0
CFG
    is_deeply($warnings, [], 'no warning');
    my $scfg = $cfg->{ids}->{'old-nas'};
    is($scfg->{zvol_blocksize}, '128K', 'an option');
    is($scfg->{debug}, 0, 'the last one too');
    ok($scfg->{shared}, 'shared');
};

subtest 'an nvme-tcp section is kept, and every use says why it does not work' => sub {
    my ($cfg, $warnings) = parse(<<'CFG');
truenasplugin: nvme
	api_host 192.0.2.5
	dataset tank/nvme
	transport_mode nvme-tcp
	subsystem_nqn nqn.2005-10.org.freenas:proxmox
	hostnqn nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-000000000001
	content images
CFG
    is_deeply($warnings, [], 'no warning');
    my $scfg = $cfg->{ids}->{nvme};
    for my $use (
        sub { $plugin->list_images('nvme', $scfg, undef, undef, {}) },
        sub { $plugin->alloc_image('nvme', $scfg, 100, 'raw', undef, 1024) },
        sub { $plugin->path($scfg, 'vm-100-disk-0', 'nvme') },
    ) {
        like(error_of($use), qr/\Astorage 'nvme': transport_mode nvme-tcp is not supported/, 'refused');
    }
};

subtest 'each section of storage.cfg.example is accepted' => sub {
    open(my $fh, '<', top() . '/storage.cfg.example') or die "storage.cfg.example: $!\n";
    my ($cfg, $warnings) = parse(do { local $/ = undef; <$fh> });
    is_deeply($warnings, [], 'no warning');
    is(scalar(keys $cfg->{ids}->%*), 3 + (exists($cfg->{ids}->{local}) ? 1 : 0), 'three sections');
    is_deeply([grep { $cfg->{ids}->{$_}->{type} ne 'truenasplugin' && $_ ne 'local' } keys $cfg->{ids}->%*],
        [], 'of our type');
    is_deeply([sort keys $cfg->{ids}->{'nas-cluster'}->{nodes}->%*], [qw(pve1 pve2 pve3)], 'node list');
};

subtest 'README.md tells of every option' => sub {
    open(my $fh, '<', top() . '/README.md') or die "README.md: $!\n";
    my $text = do { local $/ = undef; readline($fh) };
    my @untold = grep { index($text, "`$_`") < 0 && $text !~ m/`\Q$_\E / } sort keys $plugin->options()->%*;
    is_deeply(\@untold, [], 'none is missing');
    my ($table) = $text =~ m/^### Options\n(.*?)^Sections of/ms;
    my @unknown = grep { !$plugin->options()->{$_} } map { split(/`, `/) } $table =~ m/^\| `([^|]+)` \|/mg;
    is_deeply(\@unknown, [], 'and none is made up');
};

subtest 'the storage is shared whatever its section says' => sub {
    my ($cfg) = parse("truenasplugin: nas\n\tapi_host 192.0.2.5\n\tdataset tank/vm\n");
    ok($cfg->{ids}->{nas}->{shared}, 'shared');
};

subtest 'api() is the running version, and 15 at most' => sub {
    no warnings qw(redefine);
    for my $version (10 .. 17) {
        local *PVE::Storage::APIVER = sub { $version };
        is($plugin->api(), $version < 15 ? $version : 15, "PVE's $version");
    }
};

subtest 'formats are raw alone' => sub {
    is_deeply($plugin->get_formats({}, 'nas'), { default => 'raw', valid => { raw => 1 } }, 'raw');
};

done_testing();
