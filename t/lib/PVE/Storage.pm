# SPDX-License-Identifier: Apache-2.0
# Stand-in for PVE::Storage: the calls that qm, pct and pvesm make, in their order and with their
# locks, on one plugin.
package PVE::Storage;

use v5.36;

our $APIVER = $ENV{TNS_TEST_APIVER} // 15;

sub APIVER { return $APIVER }
sub APIAGE { return 6 }

require PVE::Storage::Plugin;

my $plugin = 'PVE::Storage::Custom::TrueNASPlugin';

# As the real one: a plugin that fails to load is left out with a warning, and all else goes on.
my sub load_custom ($class) {
    require PVE::Storage::Custom::TrueNASPlugin;
    die "not derived from PVE::Storage::Plugin\n" if !$class->isa('PVE::Storage::Plugin');
    die "does not provide an api() method\n" if !$class->can('api');
    my $version = $class->api();
    die "implements an API version newer than current ($version > $APIVER)\n" if $version > $APIVER;
    die "API version too old, please update the plugin\n" if $version < 9;
    $class->register() if !eval { PVE::Storage::Plugin->lookup($class->type()) }; # a test may have done so
    warn "Plugin \"$class\" is implementing an older storage API, an upgrade is recommended\n"
        if $version != $APIVER;
    return;
}

eval { load_custom($plugin) };
warn "Error loading storage plugin \"$plugin\": $@" if $@;
PVE::Storage::Plugin->init();

# What the tests' storage.cfg says: set by them, or read by t/bin/pvesm.
our $config;

sub config { return $config }

sub storage_config ($cfg, $storeid) {
    return $cfg->{ids}->{$storeid} // die "storage '$storeid' does not exist\n";
}

sub parse_volume_id ($volid) {
    return ($1, $2) if $volid =~ m/\A([a-z][a-z0-9\-_.]*[a-z0-9]):(.+)\z/i;
    die "unable to parse volume ID '$volid'\n";
}

my sub lookup ($cfg, $volid) {
    my ($storeid, $volname) = parse_volume_id($volid);
    return ($storeid, storage_config($cfg, $storeid), $volname);
}

sub activate_storage ($cfg, $storeid, $cache = {}) {
    my $scfg = storage_config($cfg, $storeid);
    die "storage '$storeid' is disabled\n" if $scfg->{disable};
    return 1 if $cache->{activated}->{$storeid};
    die "storage '$storeid' is not online\n" if !$plugin->check_connection($storeid, $scfg);
    $plugin->activate_storage($storeid, $scfg, $cache);
    return $cache->{activated}->{$storeid} = 1;
}

sub storage_info ($cfg) {
    my (%info, $cache);
    for my $storeid (sort keys $cfg->{ids}->%*) {
        my $scfg = $cfg->{ids}->{$storeid};
        next if $scfg->{disable};
        my $entry = $info{$storeid} = { type => $scfg->{type}, total => 0, avail => 0, used => 0, active => 0 };
        eval {
            activate_storage($cfg, $storeid, $cache //= {});
            my @values = $plugin->status($storeid, $scfg, $cache);
            $entry->@{qw(total avail used active)} = @values if $values[3];
        };
        warn $@ if $@;
    }
    return \%info;
}

my sub locked ($cfg, $storeid, $code) {
    my $scfg = storage_config($cfg, $storeid);
    return $plugin->cluster_lock_storage($storeid, $scfg->{shared}, undef, $code);
}

sub vdisk_list ($cfg, $storeid, $vmid = undef, $vollist = undef) {
    my %lists;
    for my $id (defined($storeid) ? $storeid : sort keys $cfg->{ids}->%*) {
        activate_storage($cfg, $id);
        my $images = $plugin->list_images($id, storage_config($cfg, $id), $vmid, $vollist, {});
        $lists{$id} = [sort { $a->{volid} cmp $b->{volid} } @$images];
    }
    return \%lists;
}

sub vdisk_alloc ($cfg, $storeid, $vmid, $fmt, $name, $size) {
    my $scfg = storage_config($cfg, $storeid);
    activate_storage($cfg, $storeid);
    return locked($cfg, $storeid, sub {
        my $volname = $plugin->alloc_image($storeid, $scfg, $vmid, $fmt // 'raw', $name, $size);
        return "$storeid:$volname";
    });
}

sub vdisk_free ($cfg, $volid) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    activate_storage($cfg, $storeid);
    my $cleanup = locked($cfg, $storeid, sub {
        my (undef, undef, undef, undef, undef, $isbase, $format) = $plugin->parse_volname($volname);
        if ($isbase) {
            my (undef, $name) = $plugin->parse_volname($volname);
            for my $image ($plugin->list_images($storeid, $scfg, undef, undef, {})->@*) {
                my (undef, $other) = parse_volume_id($image->{volid});
                my $basename = ($plugin->parse_volname($other))[3] // '';
                die "base volume '$volname' is still in use (used by '$other')\n" if $basename eq $name;
            }
        }
        return $plugin->free_image($storeid, $scfg, $volname, $isbase, $format);
    });
    $cleanup->() if ref($cleanup) eq 'CODE';
    return;
}

sub vdisk_clone ($cfg, $volid, $vmid, $snap = undef) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    activate_storage($cfg, $storeid);
    return locked($cfg, $storeid, sub {
        return "$storeid:" . $plugin->clone_image($scfg, $storeid, $volname, $vmid, $snap);
    });
}

sub vdisk_create_base ($cfg, $volid) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    activate_storage($cfg, $storeid);
    return locked($cfg, $storeid, sub {
        return "$storeid:" . $plugin->create_base($storeid, $scfg, $volname);
    });
}

sub rename_volume ($cfg, $volid, $vmid, $name = undef) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    activate_storage($cfg, $storeid);
    return locked($cfg, $storeid, sub { $plugin->rename_volume($scfg, $storeid, $volname, $vmid, $name) });
}

sub path ($cfg, $volid, $snap = undef) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    my ($path, $owner, $vtype) = $plugin->path($scfg, $volname, $storeid, $snap);
    return wantarray ? ($path, $owner, $vtype) : $path;
}

sub activate_volumes ($cfg, $volids, $snap = undef, $hints = undef) {
    my @hints = $APIVER >= 13 ? ($hints) : ();
    for my $volid (@$volids) {
        my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
        activate_storage($cfg, $storeid);
        $plugin->activate_volume($storeid, $scfg, $volname, $snap, {}, @hints);
    }
    return;
}

sub deactivate_volumes ($cfg, $volids, $snap = undef) {
    my @errors;
    for my $volid (@$volids) {
        my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
        eval { $plugin->deactivate_volume($storeid, $scfg, $volname, $snap, {}) };
        push @errors, "$volid: $@" if $@;
    }
    die "volume deactivation failed: " . join(' ', @errors) if @errors;
    return;
}

sub map_volume ($cfg, $volid, $snap = undef, $hints = undef) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    return $plugin->map_volume($storeid, $scfg, $volname, $snap, $APIVER >= 13 ? $hints : ());
}

sub unmap_volume ($cfg, $volid, $snap = undef) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    return $plugin->unmap_volume($storeid, $scfg, $volname, $snap);
}

my %allowed = (
    host_device => { filename => 1 },
    iscsi => { map { $_ => 1 } qw(transport portal target lun initiator-name header-digest timeout) },
);

sub qemu_blockdev_options ($cfg, $volid, $machine_version, $options) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    my $blockdev = $plugin->qemu_blockdev_options($scfg, $storeid, $volname, $machine_version, $options);
    my $driver = $blockdev->{driver} // die "storage plugin for '$storeid' did not return a blockdev driver\n";
    my $keys = $allowed{$driver} // die "blockdev driver '$driver' not allowed\n";
    delete $blockdev->@{ grep { $_ ne 'driver' && !$keys->{$_} } keys %$blockdev };
    return $blockdev;
}

sub volume_qemu_snapshot_method ($cfg, $volid) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    return $plugin->volume_qemu_snapshot_method($storeid, $scfg, $volname);
}

sub volume_snapshot_needs_fsfreeze ($cfg, $volid) {
    return $plugin->volume_snapshot_needs_fsfreeze();
}

sub volume_export ($cfg, $fh, $volid, $format, $snap, $base_snap, $with_snapshots) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    return $plugin->volume_export($scfg, $storeid, $fh, $volname, $format, $snap, $base_snap, $with_snapshots);
}

sub volume_import ($cfg, $fh, $volid, $format, $snap, $base_snap, $with_snapshots, $allow_rename) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    return $plugin->volume_import($scfg, $storeid, $fh, $volname, $format, $snap, $base_snap, $with_snapshots,
        $allow_rename);
}

sub volume_export_formats ($cfg, $volid, $snap, $base_snap, $with_snapshots) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    return $plugin->volume_export_formats($scfg, $storeid, $volname, $snap, $base_snap, $with_snapshots);
}

sub volume_import_formats ($cfg, $volid, $snap, $base_snap, $with_snapshots) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    return $plugin->volume_import_formats($scfg, $storeid, $volname, $snap, $base_snap, $with_snapshots);
}

sub volume_size_info ($cfg, $volid, $timeout = 5) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    return $plugin->volume_size_info($scfg, $storeid, $volname, $timeout);
}

sub volume_resize ($cfg, $volid, $size, $running = 0, $snap = undef) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    activate_storage($cfg, $storeid);
    return $plugin->volume_resize($scfg, $storeid, $volname, $size, $running, $APIVER >= 15 ? $snap : ());
}

sub volume_snapshot ($cfg, $volid, $snap) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    activate_storage($cfg, $storeid);
    return $plugin->volume_snapshot($scfg, $storeid, $volname, $snap);
}

sub volume_rollback_is_possible ($cfg, $volid, $snap, $blockers = undef) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    activate_storage($cfg, $storeid);
    return $plugin->volume_rollback_is_possible($scfg, $storeid, $volname, $snap, $blockers);
}

sub volume_snapshot_rollback ($cfg, $volid, $snap) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    activate_storage($cfg, $storeid);
    $plugin->volume_rollback_is_possible($scfg, $storeid, $volname, $snap);
    return $plugin->volume_snapshot_rollback($scfg, $storeid, $volname, $snap);
}

sub volume_snapshot_delete ($cfg, $volid, $snap, $running = 0) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    activate_storage($cfg, $storeid);
    return $plugin->volume_snapshot_delete($scfg, $storeid, $volname, $snap, $running);
}

sub volume_snapshot_info ($cfg, $volid) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    return $plugin->volume_snapshot_info($scfg, $storeid, $volname);
}

sub volume_has_feature ($cfg, $feature, $volid, $snap = undef, $running = undef) {
    my ($storeid, $scfg, $volname) = lookup($cfg, $volid);
    return $plugin->volume_has_feature($scfg, $feature, $storeid, $volname, $snap, $running);
}

1;
