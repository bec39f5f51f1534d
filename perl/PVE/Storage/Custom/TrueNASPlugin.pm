# SPDX-License-Identifier: Apache-2.0
# Storage type "truenasplugin": volumes of a TrueNAS system as disks of Proxmox VE guests.
package PVE::Storage::Custom::TrueNASPlugin;

use v5.36;

use PVE::Storage::Plugin;

use TNStor::Handles;
use TNStor::Options;
use TNStor::Secrets;

use base qw(PVE::Storage::Plugin);

# Volumes are on the NAS, whatever the section says: without this PVE would take no cluster lock and
# refuse to migrate guests.
push @PVE::Storage::Plugin::SHARED_STORAGE, 'truenasplugin';

# 10: rename_volume, volume_snapshot_info, attributes. 11: sensitive-properties. 12: blockdev options,
# rename_snapshot, get_formats, snapshot method. 13: hints, on_update_hook_full. 14: get_identity.
# 15: snapname on resize, virtual-size of snapshots.
my $TESTED_API = 15;

sub api {
    my $running = PVE::Storage::APIVER();
    return $running < $TESTED_API ? $running : $TESTED_API;
}

# ---- declaration -------------------------------------------------------------------------

sub type {
    return 'truenasplugin';
}

sub plugindata {
    return {
        content => [{ images => 1, rootdir => 1 }, { images => 1 }],
        format => [{ raw => 1 }, 'raw'],
        'sensitive-properties' => TNStor::Options::secrets(),
    };
}

sub properties {
    return TNStor::Options::properties();
}

sub options {
    return TNStor::Options::options();
}

sub get_formats {
    my ($class, $scfg, $storeid) = @_;
    return { default => 'raw', valid => { raw => 1 } };
}

# ---- helpers -----------------------------------------------------------------------------

my sub call ($storeid, $scfg, $method, @args) {
    return TNStor::Handles::call($storeid, $scfg, $method, @args);
}

# What the library says comes from the NAS in the end: captured before it goes to exec or open.
my sub untaint_path ($path) {
    $path =~ m!\A(/dev/tnstor/[\w.\-/+\@]+|iscsi://[\w.\-:\[\]/]+)\z!
        or die "unexpected path '$path'\n";
    return $1;
}

my sub untaint_volname ($volname) {
    $volname =~ m!\A([a-zA-Z0-9][\w.\-/:]*)\z! or die "unexpected volume name '$volname'\n";
    return $1;
}

my sub untaint_iqn ($iqn) {
    $iqn =~ m/\A((?:iqn|eui|naa)\.[\w.:\-]+)\z/ or die "unexpected initiator name '$iqn'\n";
    return $1;
}

# A volume, or a snapshot of one.
my sub untaint_parent ($parent) {
    $parent =~ m!\A([a-zA-Z0-9][\w.\-/:\@]*)\z! or die "unexpected parent '$parent'\n";
    return $1;
}

my sub untaint_storeid ($storeid) {
    $storeid =~ m!\A([a-zA-Z][\w.\-]*)\z! or die "unexpected storage id '$storeid'\n";
    return $1;
}

my sub untaint_int ($number) {
    $number =~ m/\A(\d+)\z/ or die "unexpected number '$number'\n";
    return int($1);
}

# Tests have a node of their own below some directory.
my sub on_this_node ($path) {
    return ($TNStor::Handles::NODE{tn_sysroot} // '') . $path;
}

my sub uses_qemu ($scfg) {
    return ($scfg->{tn_initiator} // 'kernel') eq 'qemu';
}

# ---- configuration hooks -----------------------------------------------------------------

# Storage API 10 hands secrets over as ordinary options and would write them to storage.cfg.
my sub take_secrets ($config, $sensitive) {
    my %secrets = %$sensitive;
    for my $name (keys TNStor::Options::secrets()->%*) {
        $secrets{$name} = delete $config->{$name} if exists($config->{$name});
    }
    return \%secrets;
}

my sub check_combination ($storeid, $config) {
    return if !uses_qemu($config);
    die "storage '$storeid': tn_initiator qemu cannot be used with chap_user:"
        . " PVE has no way to hand QEMU the secret\n"
        if defined($config->{chap_user});
    die "storage '$storeid': tn_initiator qemu cannot be used with content rootdir:"
        . " containers need a device of the kernel\n"
        if ref($config->{content}) eq 'HASH' && $config->{content}->{rootdir};
    return;
}

# Finds or makes what the storage needs; what was found goes into the section.
my sub set_up_on_nas ($storeid, $config, $secrets) {
    my $storage = TNStor::Handles::open_new($storeid, $config, $secrets);
    $storage->set_timeout(40_000);
    my $made = $storage->setup(0);
    $config->{target_iqn} //= $made->{target_iqn};
    return if defined($config->{discovery_portal});
    my ($first, @more) = ($made->{portals} // [])->@*;
    $config->{discovery_portal} = $first;
    $config->{portals} //= join(',', @more) if @more;
    return;
}

# Asks the NAS whether all of it is right.
my sub check_with_nas ($storeid, $config, $secrets) {
    my $storage = TNStor::Handles::open_new($storeid, $config, $secrets);
    $storage->set_timeout(20_000);
    my $report = $storage->check();
    warn "storage '$storeid': $_\n" for ($report->{warnings} // [])->@*;
    return;
}

sub on_add_hook {
    my ($class, $storeid, $scfg, %sensitive) = @_;

    my $secrets = take_secrets($scfg, \%sensitive);
    check_combination($storeid, $scfg);
    die "storage '$storeid': api_key is missing\n" if !length($secrets->{api_key} // '');
    if (($scfg->{transport_mode} // 'iscsi') eq 'iscsi') {
        eval {
            set_up_on_nas($storeid, $scfg, $secrets);
            check_with_nas($storeid, $scfg, $secrets);
        };
        TNStor::Handles::rethrow($storeid, $@) if $@;
    }
    TNStor::Secrets::update($storeid, $secrets);
    return;
}

# Both generations of the hook: the section as it is now, what is set, what is deleted; undef when PVE
# does not tell that.
my sub update ($storeid, $scfg, $update, $delete, $sensitive) {
    my $secrets = take_secrets($update, $sensitive);
    my %gone = map { $_ => 1 } ($delete // [])->@*;
    my $config = { %$scfg, %$update };
    delete $config->@{ keys %gone };
    delete $config->@{ keys %$secrets };
    check_combination($storeid, $config);
    # deleted and set at once is set, as PVE has it
    $secrets->{$_} //= undef for grep { TNStor::Options::secrets()->{$_} } keys %gone;
    my $all = { TNStor::Handles::secrets($storeid, $config)->%*, %$secrets };
    delete $all->@{ grep { !defined($all->{$_}) } keys %$all };
    die "storage '$storeid': api_key cannot be removed\n" if !defined($all->{api_key});
    # where we do not know what goes beside a deleted secret, the NAS cannot judge the rest
    my @secrets = grep { $delete || defined($secrets->{$_}) } keys %$secrets;
    # turning a storage off, or its node list, must work while the NAS is away
    if (grep { TNStor::Options::concerns_nas($_) } keys %$update, @secrets) {
        eval { check_with_nas($storeid, $config, $all) };
        TNStor::Handles::rethrow($storeid, $@) if $@;
    }
    TNStor::Secrets::update($storeid, $secrets);
    TNStor::Handles::forget($storeid);
    return;
}

# Up to storage API 12, which does not tell the section as it is.
sub on_update_hook {
    my ($class, $storeid, $update, %sensitive) = @_;
    my $scfg = PVE::Storage::storage_config(PVE::Storage::config(), $storeid);
    update($storeid, $scfg, $update, undef, \%sensitive);
    return;
}

sub on_update_hook_full {
    my ($class, $storeid, $scfg, $update, $delete, $sensitive) = @_;
    $sensitive //= {};
    update($storeid, $scfg, $update, $delete // [], $sensitive);
    # this is the section that PVE writes next: a secret that stood in it has moved to the file
    delete $scfg->@{ grep { defined($sensitive->{$_}) } keys TNStor::Options::secrets()->%* };
    return;
}

# Never touches data, and works while the NAS is away.
sub on_delete_hook {
    my ($class, $storeid, $scfg) = @_;
    eval { call($storeid, $scfg, 'forget') };
    warn $@ if $@;
    TNStor::Handles::forget($storeid);
    TNStor::Secrets::remove($storeid);
    return;
}

# ---- state of the storage ----------------------------------------------------------------

# A NAS that is away makes its storage inactive, which status tells. Guests whose disks are mapped
# start and stop all the same, so these two never fail because of it.
sub check_connection {
    my ($class, $storeid, $scfg) = @_;
    return 1;
}

sub activate_storage {
    my ($class, $storeid, $scfg, $cache) = @_;
    return 1;
}

sub deactivate_storage {
    my ($class, $storeid, $scfg, $cache) = @_;
    return 1;
}

my %last_status; # storeid => { at, values, retry_at, failures }

# After a failure the next attempts wait, longer each time up to 30 s: a hanging NAS costs pvestatd its
# 1.5 s now and then, not at every poll.
my sub status_failed ($storeid, $last, $error, $now) {
    my $wait = 5 * 2**($last->{failures} // 0);
    $last->{failures} = ($last->{failures} // 0) + 1;
    $last->{retry_at} = $now + ($wait < 30 ? $wait : 30);
    warn $error if $last->{failures} == 1;
    return;
}

sub status {
    my ($class, $storeid, $scfg, $cache) = @_;

    my $now = time();
    my $last = $last_status{$storeid} //= {};
    if ($now >= ($last->{retry_at} // 0) || $last->{retry_at} - $now > 30) {
        my $status = eval { call($storeid, $scfg, 'status') };
        if (my $error = $@) {
            die $error if !ref($error) && $error =~ m/^got timeout/;
            status_failed($storeid, $last, $error, $now);
        } else {
            my @values = map { untaint_int($_) } $status->@{qw(total available used)};
            $last_status{$storeid} = { at => $now, values => \@values };
            return (@values, 1);
        }
    }
    my $keep = $scfg->{tn_status_cache} // 30;
    return if !$last->{values} || $now - $last->{at} >= $keep || $now < $last->{at};
    return ($last->{values}->@*, 1);
}

sub get_identity {
    my ($class, $scfg, $storeid) = @_;
    return call($storeid, $scfg, 'identity');
}

# ---- names and paths ---------------------------------------------------------------------

sub parse_volname {
    my ($class, $volname) = @_;

    TNStor::Handles::load_library();
    my $parsed = eval { TNStor::volname_parse($volname) };
    die "unable to parse volume name '$volname'\n" if $@;
    return $parsed->@{qw(vtype name vmid basename basevmid isbase format)};
}

# PVE's own callers come through path(), which knows the storage.
sub filesystem_path {
    my ($class, $scfg, $volname, $snapname, $storeid) = @_;

    die "the path of '$volname' cannot be told without the storage's id\n" if !defined($storeid);
    my ($vtype, $name, $vmid) = $class->parse_volname($volname);
    my $path = untaint_path(call($storeid, $scfg, 'volume_path', $volname, $snapname));
    return wantarray ? ($path, $vmid, $vtype) : $path;
}

sub path {
    my ($class, $scfg, $volname, $storeid, $snapname) = @_;
    return $class->filesystem_path($scfg, $volname, $snapname, $storeid);
}

# ---- life of a volume --------------------------------------------------------------------

sub create_base {
    my ($class, $storeid, $scfg, $volname) = @_;
    return untaint_volname(call($storeid, $scfg, 'volume_create_base', $volname));
}

sub clone_image {
    my ($class, $scfg, $storeid, $volname, $vmid, $snap) = @_;
    return untaint_volname(call($storeid, $scfg, 'volume_clone', $volname, $snap, $vmid));
}

sub alloc_image {
    my ($class, $storeid, $scfg, $vmid, $fmt, $name, $size) = @_;

    die "storage '$storeid': unsupported format '$fmt', only raw is\n" if ($fmt // 'raw') ne 'raw';
    my $is_state = ($name // '') =~ m/\Avm-\d+-state-/;
    die "storage '$storeid': state volumes are refused by enable_live_snapshots 0\n"
        if $is_state && !($scfg->{enable_live_snapshots} // 1);
    die "storage '$storeid': the state of a guest needs a device, which tn_initiator qemu has not:"
        . " set vmstatestorage of the guest to another storage\n"
        if $is_state && uses_qemu($scfg);
    die "storage '$storeid': PVE writes a cloud-init drive through a device, which tn_initiator qemu has not:"
        . " put the drive on another storage\n"
        if ($name // '') =~ m/\Avm-\d+-cloudinit\z/ && uses_qemu($scfg);
    return untaint_volname(call($storeid, $scfg, 'volume_alloc', $vmid, $name, $size * 1024));
}

sub free_image {
    my ($class, $storeid, $scfg, $volname, $isBase, $format) = @_;
    call($storeid, $scfg, 'volume_free', $volname);
    return;
}

sub rename_volume {
    my ($class, $scfg, $storeid, $source_volname, $target_vmid, $target_volname) = @_;
    my $new = call($storeid, $scfg, 'volume_rename', $source_volname, $target_vmid, $target_volname);
    return untaint_storeid($storeid) . ":" . untaint_volname($new);
}

my sub list_entry ($storeid, $volume) {
    my $volname = untaint_volname($volume->{volname});
    my $entry = {
        volid => "$storeid:$volname",
        format => 'raw',
        size => untaint_int($volume->{size}),
        vmid => untaint_int($volume->{vmid}),
    };
    $entry->{used} = untaint_int($volume->{used}) if defined($volume->{used});
    $entry->{ctime} = untaint_int($volume->{ctime}) if $volume->{ctime};
    $entry->{parent} = untaint_parent($volume->{parent}) if defined($volume->{parent});
    return $entry;
}

sub list_images {
    my ($class, $storeid, $scfg, $vmid, $vollist, $cache) = @_;
    $storeid = untaint_storeid($storeid);
    my $volumes = call($storeid, $scfg, 'volume_list', $vollist ? 0 : $vmid // 0);
    my @entries = map { list_entry($storeid, $_) } @$volumes;
    return \@entries if !$vollist;
    my %wanted = map { $_ => 1 } @$vollist;
    return [grep { $wanted{ $_->{volid} } } @entries];
}

sub volume_size_info {
    my ($class, $scfg, $storeid, $volname, $timeout) = @_;

    my $info = call($storeid, $scfg, 'volume_info', $volname);
    warn "storage '$storeid': $info->{warning}\n" if length($info->{warning} // '');
    my $size = untaint_int($info->{size});
    return $size if !wantarray;
    my $used = defined($info->{used}) ? untaint_int($info->{used}) : undef;
    return ($size, 'raw', $used, $info->{parent}, $info->{ctime});
}

sub volume_resize {
    my ($class, $scfg, $storeid, $volname, $size, $running, $snapname) = @_;
    die "storage '$storeid': a snapshot cannot be resized\n" if defined($snapname);
    call($storeid, $scfg, 'volume_resize', $volname, $size);
    return 1;
}

sub get_volume_attribute {
    my ($class, $scfg, $storeid, $volname, $attribute) = @_;
    return if $attribute ne 'notes' && $attribute ne 'protected';
    return call($storeid, $scfg, 'volume_get_attribute', $volname, $attribute);
}

sub update_volume_attribute {
    my ($class, $scfg, $storeid, $volname, $attribute, $value) = @_;
    die "attribute '$attribute' is not supported for storage type '$scfg->{type}'\n"
        if $attribute ne 'notes' && $attribute ne 'protected';
    call($storeid, $scfg, 'volume_set_attribute', $volname, $attribute, $value);
    return;
}

# ---- on this node ------------------------------------------------------------------------

my sub map_here ($storeid, $scfg, $volname, $snapname) {
    my $mapped = call($storeid, $scfg, 'volume_map', $volname, $snapname);
    warn "storage '$storeid': $mapped->{warning}\n" if length($mapped->{warning} // '');
    return untaint_path($mapped->{path});
}

sub activate_volume {
    my ($class, $storeid, $scfg, $volname, $snapname, $cache, $hints) = @_;
    map_here($storeid, $scfg, $volname, $snapname);
    return 1;
}

sub deactivate_volume {
    my ($class, $storeid, $scfg, $volname, $snapname, $cache) = @_;
    call($storeid, $scfg, 'volume_unmap', $volname, $snapname);
    return 1;
}

sub map_volume {
    my ($class, $storeid, $scfg, $volname, $snapname, $hints) = @_;
    die "storage '$storeid': '$volname' is no device of this node with tn_initiator qemu:"
        . " containers and TPM state need tn_initiator kernel\n"
        if uses_qemu($scfg);
    return map_here($storeid, $scfg, $volname, $snapname);
}

sub unmap_volume {
    my ($class, $storeid, $scfg, $volname, $snapname) = @_;
    return 1; # stays for the guest; deactivate_volume removes it
}

sub qemu_blockdev_options {
    my ($class, $scfg, $storeid, $volname, $machine_version, $options) = @_;

    my $path = $class->path($scfg, $volname, $storeid, $options->{'snapshot-name'});
    return { driver => 'host_device', filename => $path } if !uses_qemu($scfg);
    my ($portal, $target, $lun) = $path =~ m!\Aiscsi://([^/]+)/([^/]+)/(\d+)\z!
        or die "storage '$storeid': '$volname' is not active on this node\n";
    return {
        driver => 'iscsi',
        transport => 'tcp',
        portal => $portal,
        target => $target,
        lun => int($lun),
        'initiator-name' => untaint_iqn(call($storeid, $scfg, 'initiator')),
    };
}

# ---- snapshots ---------------------------------------------------------------------------

sub volume_snapshot {
    my ($class, $scfg, $storeid, $volname, $snap) = @_;
    call($storeid, $scfg, 'snapshot_create', $volname, $snap);
    return;
}

sub volume_snapshot_delete {
    my ($class, $scfg, $storeid, $volname, $snap, $running) = @_;
    call($storeid, $scfg, 'snapshot_delete', $volname, $snap);
    return;
}

sub volume_rollback_is_possible {
    my ($class, $scfg, $storeid, $volname, $snap, $blockers) = @_;

    my $newer = call($storeid, $scfg, 'rollback_check', $volname, $snap) // [];
    return 1 if !@$newer;
    push @$blockers, @$newer if $blockers;
    die "storage '$storeid': cannot roll '$volname' back to '$snap', newer snapshots exist: "
        . join(', ', @$newer) . "\n";
}

sub volume_snapshot_rollback {
    my ($class, $scfg, $storeid, $volname, $snap) = @_;
    call($storeid, $scfg, 'rollback', $volname, $snap);
    return;
}

sub volume_snapshot_info {
    my ($class, $scfg, $storeid, $volname) = @_;

    my $snapshots = call($storeid, $scfg, 'snapshot_list', $volname);
    my %info;
    for my $snapshot (@$snapshots) {
        my $entry = $info{ $snapshot->{name} } = { $snapshot->%{qw(id timestamp)} };
        $entry->{'virtual-size'} = untaint_int($snapshot->{size}) if $snapshot->{size};
    }
    return \%info;
}

sub rename_snapshot {
    my ($class, $scfg, $storeid, $volname, $source_snap, $target_snap) = @_;
    call($storeid, $scfg, 'snapshot_rename', $volname, $source_snap, $target_snap);
    return;
}

# The snapshot is taken behind the file system of a container.
sub volume_snapshot_needs_fsfreeze {
    return 1;
}

sub volume_qemu_snapshot_method {
    my ($class, $storeid, $scfg, $volname) = @_;
    return 'storage';
}

sub storage_can_replicate {
    return 0;
}

# A fresh zvol reads as zeroes, thin or thick, and so does a freed and made anew LUN.
my $features = {
    snapshot => { current => 1, snap => 1 },
    clone => { base => 1, snap => 1 },
    template => { current => 1 },
    copy => { base => 1, current => 1, snap => 1 },
    sparseinit => { base => 1, current => 1 },
    rename => { current => 1 },
};

sub volume_has_feature {
    my ($class, $scfg, $feature, $storeid, $volname, $snapname, $running, $opts) = @_;

    my $isbase = ($class->parse_volname($volname))[5];
    my $key = defined($snapname) ? 'snap' : $isbase ? 'base' : 'current';
    return 1 if $features->{$feature} && $features->{$feature}->{$key};
    return;
}

# ---- export and import -------------------------------------------------------------------

my sub transfer_formats ($scfg, $base_snapshot, $with_snapshots) {
    return () if $with_snapshots || defined($base_snapshot) || uses_qemu($scfg);
    return ('raw+size');
}

sub volume_export_formats {
    my ($class, $scfg, $storeid, $volname, $snapshot, $base_snapshot, $with_snapshots) = @_;
    return transfer_formats($scfg, $base_snapshot, $with_snapshots);
}

sub volume_import_formats {
    my ($class, $scfg, $storeid, $volname, $snapshot, $base_snapshot, $with_snapshots) = @_;
    return transfer_formats($scfg, $base_snapshot, $with_snapshots);
}

my sub refuse_transfer ($storeid, $scfg, $format, $base_snapshot, $with_snapshots) {
    my ($possible) = transfer_formats($scfg, $base_snapshot, $with_snapshots);
    return if ($possible // '') eq $format;
    die "storage '$storeid': volumes cannot be transferred as '$format' here: only raw+size, without"
        . " snapshots, and with tn_initiator kernel\n";
}

# What comes from below may name the storage already.
my sub transfer_failed ($storeid, $what, $error) {
    $error =~ s/\Astorage '[^']*': //;
    die "storage '$storeid': $what: $error";
}

# The volume may have grown since the snapshot.
my sub size_at ($class, $scfg, $storeid, $volname, $snapshot) {
    return $class->volume_size_info($scfg, $storeid, $volname, 10) if !defined($snapshot);
    my $info = $class->volume_snapshot_info($scfg, $storeid, $volname)->{$snapshot}
        or die "storage '$storeid': volume '$volname' has no snapshot '$snapshot'\n";
    return $info->{'virtual-size'}
        // die "storage '$storeid': the NAS does not tell the size of snapshot '$snapshot'\n";
}

sub volume_export {
    my ($class, $scfg, $storeid, $fh, $volname, $format, $snapshot, $base_snapshot, $with_snapshots) = @_;

    refuse_transfer($storeid, $scfg, $format, $base_snapshot, $with_snapshots);
    my $size = size_at($class, $scfg, $storeid, $volname, $snapshot);
    my $path = map_here($storeid, $scfg, $volname, $snapshot);
    require TNStor::Stream; # for this alone
    eval {
        PVE::Storage::Plugin::write_common_header($fh, $size);
        TNStor::Stream::send_device(on_this_node($path), $fh, $size);
    };
    my $error = $@;
    # a snapshot was mapped for this alone
    eval { $class->deactivate_volume($storeid, $scfg, $volname, $snapshot) if defined($snapshot) };
    warn $@ if $@;
    transfer_failed($storeid, "export of '$volname'", $error) if $error;
    return;
}

my sub name_of ($class, $volid) {
    my (undef, $name) = $class->parse_volname($volid =~ s/\A[^:]+://r);
    return $name;
}

# Takes the wanted name; another one if that is taken and may be.
my sub alloc_for_import ($class, $storeid, $scfg, $volname, $size_kib, $allow_rename) {
    my (undef, $name, $vmid) = $class->parse_volname($volname);
    return $class->cluster_lock_storage(
        $storeid,
        $scfg->{shared},
        undef,
        sub {
            # a linked clone has its template's name in front, a volume of plugin 1.x its LUN behind
            my $is_taken = grep { name_of($class, $_->{volid}) eq $name }
                $class->list_images($storeid, $scfg, undef, undef, {})->@*;
            warn "volume $storeid:$name exists already, importing under another name\n"
                if $is_taken && $allow_rename;
            undef $name if $is_taken && $allow_rename;
            return $class->alloc_image($storeid, $scfg, $vmid, 'raw', $name, $size_kib);
        },
    );
}

sub volume_import {
    my (
        $class, $scfg, $storeid, $fh, $volname, $format, $snapshot, $base_snapshot,
        $with_snapshots, $allow_rename,
    ) = @_;

    refuse_transfer($storeid, $scfg, $format, $base_snapshot, $with_snapshots);
    require TNStor::Stream;
    my $size = eval { TNStor::Stream::read_size($fh) };
    transfer_failed($storeid, "import of '$volname'", $@) if $@;
    my $size_kib = int(($size + 1023) / 1024);
    my $new = alloc_for_import($class, $storeid, $scfg, $volname, $size_kib, $allow_rename);
    eval {
        my $path = map_here($storeid, $scfg, $new, undef);
        TNStor::Stream::receive_device($fh, on_this_node($path), $size);
        $class->deactivate_volume($storeid, $scfg, $new);
    };
    if (my $error = $@) {
        eval { $class->free_image($storeid, $scfg, $new, 0, 'raw') };
        warn $@ if $@;
        transfer_failed($storeid, "import of '$volname'", $error);
    }
    return untaint_storeid($storeid) . ":$new";
}

1;
