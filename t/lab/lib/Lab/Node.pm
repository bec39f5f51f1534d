# SPDX-License-Identifier: Apache-2.0
# This guest as a node of a cluster: its daemons, the plugin's commands, and what it has in its kernel.
package Lab::Node;

use v5.36;

use File::Find ();
use Cwd qw(realpath);
use Time::HiRes qw(time);
use Lab;

use Exporter qw(import);
our @EXPORT = qw(node_up multipathd_up pvesm try_pvesm on_all_paths activate_on_all_paths add_storage device_of slaves_of wwid_of
    size_of sessions_up mounted inventory holders_of_locks);

my $DIR = '/etc/pve';

# ---- daemons -----------------------------------------------------------------------------

sub multipathd_up () {
    run('multipathd');
    wait_until('multipathd', sub { (try('multipathd', 'show', 'daemon'))[0] == 0 });
    return;
}

# %with: name of the initiator, find (find_multipaths), multipath 0 for a node without multipathd.
sub node_up (%with) {
    my $name = $with{name} // 'a';
    my $find = $with{find} // 'strict';
    run('modprobe', $_) for qw(iscsi_tcp dm-multipath scsi_dh_alua);
    run('mkdir', '-p', '/etc/iscsi', "$DIR/priv/storage", '/run/lock');
    chmod(0700, "$DIR/priv", "$DIR/priv/storage");
    write_file('/etc/iscsi/initiatorname.iscsi', "InitiatorName=iqn.1993-08.org.debian:01:node-$name\n");
    # what the NAS has on its own disks in this kernel is not the node's to look at
    write_file('/etc/lvm/lvm.conf', qq(devices {\n filter = [ "r|/dev/mapper/tnsim-|", "r|/dev/loop|" ]\n}\n))
        if !$with{lvm};
    write_file('/etc/multipath.conf', <<"CONF");
defaults {
    user_friendly_names no
    find_multipaths $find
    no_path_retry 5
    polling_interval 2
}
blacklist {
    devnode "^(loop|vd|dm-)"
}
CONF
    run('iscsid');
    multipathd_up() if $with{multipath} // 1;
    return;
}

# ---- the plugin --------------------------------------------------------------------------

# (exit code, output): a pvesm of its own, as each task of a node has.
sub try_pvesm (@args) {
    my $from = time();
    my @told = try('/job/t/bin/pvesm', '--cfg', "$DIR/storage.cfg", '--priv', "$DIR/priv/storage",
        '--holder', '/job/build/bin/tnsessiond', @args);
    printf("# pvesm %s (%.1f s)\n", "@args" =~ s/\A(add nas).*/$1/sr, time() - $from);
    return @told;
}

# What it printed, without the warnings; a failure is an error.
sub pvesm (@args) {
    my ($code, $said) = try_pvesm(@args);
    die "pvesm @args ($code): $said\n" if $code;
    return join("\n", grep { !m/^(?:tnstor|truenasplugin|warning)/i } split(/\n/, $said));
}

# A login that takes three seconds longer than the other is not waited for, and tried again after a minute: so it is on a
# node, and an emulated processor may need that long.
sub on_all_paths ($activate, $paths = 2) {
    return wait_until("$paths sessions", sub { $activate->(); sessions_up() == $paths }, 400);
}

sub activate_on_all_paths ($vol) {
    return on_all_paths(sub { pvesm('activate', $vol) });
}

# %option: more options, or others; undef takes one away.
sub add_storage ($nas, %option) {
    my %all = (
        api_host => $nas->{host}, api_port => $nas->{port}, api_key => $nas->{api_key},
        tn_fingerprint => $nas->{fingerprint}, dataset => 'tank/vm', content => 'images,rootdir',
        discovery_portal => '10.9.1.1:3260', logout_on_free => 1,
        portals => join(',', map { "10.9.$_.1:3260" } 1 .. $nas->{paths}), %option,
    );
    my @add = ('add', 'nas', map { defined($all{$_}) ? ("--$_", $all{$_}) : () } sort keys %all);
    # on a machine that is busy with other things, the time that a node allows itself is not enough at first
    for (1 .. 4) {
        my ($code, $said) = try_pvesm(@add);
        return if !$code;
        die "pvesm add: $said\n" if $said !~ m/time allowed has passed/;
    }
    die "the storage cannot be added in time\n";
}

sub device_of ($volid) { return pvesm('path', $volid) }

# ---- devices -----------------------------------------------------------------------------

my sub kernel_name ($device) { return (realpath($device) // die "$device is not there\n") =~ s!.*/!!r }

# The disks below a map.
sub slaves_of ($device) {
    return map { m!([^/]+)\z! ? "/dev/$1" : () } glob('/sys/class/block/' . kernel_name($device) . '/slaves/*');
}

sub wwid_of ($device) {
    return read_file('/sys/class/block/' . kernel_name($device) . '/dm/name') =~ s/\s+\z//r;
}

# iSCSI sessions that work.
sub sessions_up () {
    return scalar grep { read_file("$_/state") =~ m/LOGGED_IN/ } glob('/sys/class/iscsi_session/session*');
}

sub size_of ($device) { return 512 * read_file('/sys/class/block/' . kernel_name($device) . '/size') }

# What a piece of code gives while the device's file system is mounted.
sub mounted ($device, $code) {
    run('mkdir', '-p', '/mnt/lab');
    run('mount', $device, '/mnt/lab');
    my $result = eval { $code->('/mnt/lab') };
    my $why = $@;
    run('umount', '/mnt/lab');
    die $why if $why;
    return $result;
}

# ---- what the node has -------------------------------------------------------------------

my sub files_below (@dirs) {
    my @found;
    my @there = grep { -d } @dirs or return;
    File::Find::find({ no_chdir => 1, wanted => sub { push @found, $_ if -l || -f || -b } }, @there);
    return sort @found;
}

# Files below a folder that some process holds a lock on.
sub holders_of_locks ($dir) {
    my %inode = map { (stat)[1] => $_ } files_below($dir);
    return map { m/:(\d+) \d+ (?:\d+|EOF)$/ && $inode{$1} ? "lock on $inode{$1}" : () }
        split(/\n/, read_file('/proc/locks'));
}

# Everything that mapping may leave, as names.
sub inventory () {
    my (undef, $maps) = try('dmsetup', 'ls');
    my $wwids = -e '/etc/multipath/wwids' ? read_file('/etc/multipath/wwids') : '';
    return (
        (map { 'session ' . read_file("$_/targetname") =~ s/\s+\z//r } glob('/sys/class/iscsi_session/session*')),
        (map { "disk $_" } map { m!([^/]+)\z! } glob('/sys/block/sd*')),
        (map { m/\A(?!tnsim-|No devices)(\S+)/ ? "map $1" : () } split(/\n/, $maps)),
        (map { "WWID $_" } $wwids =~ m!^/([^/\n]+)/!mg),
        (map { "file $_" } files_below('/dev/tnstor', '/var/lib/tnstor', '/etc/iscsi/nodes', '/etc/iscsi/send_targets',
            '/var/lib/iscsi/nodes', '/run/tnstor/stuck')),
        holders_of_locks('/run/tnstor'), holders_of_locks('/run/lock'),
    );
}

1;
