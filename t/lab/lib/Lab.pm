# SPDX-License-Identifier: Apache-2.0
# The NAS side of the lab: LIO behind a network namespace, with dm-thin volumes as its zvols.
package Lab;

use v5.36;

use Exporter qw(import);
use POSIX ();
use Time::HiRes qw(time sleep);

our @EXPORT = qw(run try capture write_file read_file wait_until nas_up portal_up target_up volume lun_up
    lun_down login_all scan_lun TARGET NAA_A NAA_B path_down path_up);

use constant TARGET => 'iqn.2005-10.org.freenas.ctl:lab';
use constant NAA_A => '6589cfc000000000000000000000aa01';
use constant NAA_B => '6589cfc000000000000000000000bb02';

my $CONFIGFS = '/sys/kernel/config/target';

# ---- commands and files ------------------------------------------------------------------

# Runs an argv quietly; what it said comes with the error.
sub try (@argv) {
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    if (!$pid) {
        open(STDERR, '>&', \*STDOUT);
        open(STDIN, '<', '/dev/null');
        exec { $argv[0] } @argv or POSIX::_exit(127);
    }
    my $said = do { local $/ = undef; readline($out) } // '';
    close($out);
    return ($? >> 8 || $? & 127, $said);
}

sub capture (@argv) {
    my ($code, $said) = try(@argv);
    die "'@argv' failed ($code): $said\n" if $code;
    return $said;
}

sub run (@argv) { capture(@argv); return }

# configfs takes a value in one write, without a newline where it compares it later
sub write_file ($path, $text) {
    open(my $fh, '>', $path) or die "cannot open $path: $!\n";
    syswrite($fh, $text) // die "cannot write '$text' to $path: $!\n";
    close($fh) or die "cannot write '$text' to $path: $!\n";
    return;
}

sub read_file ($path) {
    open(my $fh, '<', $path) or die "cannot open $path: $!\n";
    local $/ = undef;
    return readline($fh) // '';
}

# Looks until it is so; the deadline is for a slow guest.
sub wait_until ($what, $code, $seconds = 60) {
    my $end = time() + $seconds;
    while (time() < $end) {
        my $result = $code->();
        return $result if $result;
        sleep(0.05);
    }
    die "timed out: $what\n";
}

# ---- the network and the target ----------------------------------------------------------

# With a second guest on the wire, the NAS's end is a switch that both nodes are plugged into.
my sub link_up ($n) {
    run('ip', 'link', 'add', "path$n", 'type', 'veth', 'peer', 'name', "nas$n", 'netns', 'nas');
    my $own = "nas$n";
    if (-e "/sys/class/net/eth$n") {
        $own = "switch$n";
        run('ip', '-n', 'nas', 'link', 'add', $own, 'type', 'bridge');
        run('ip', 'link', 'set', "eth$n", 'netns', 'nas');
        run('ip', '-n', 'nas', 'link', 'set', $_, 'master', $own, 'up') for "nas$n", "eth$n";
    }
    run('ip', 'addr', 'add', "10.9.$n.2/24", 'dev', "path$n");
    run('ip', '-n', 'nas', 'addr', 'add', "10.9.$n.1/24", 'dev', $own);
    run('ip', 'link', 'set', "path$n", 'up');
    run('ip', '-n', 'nas', 'link', 'set', $_, 'up') for $own, "nas$n";
    return;
}

# One veth pair a path, 0 for the API where that is wanted: 10.9.N.1 is the NAS, 10.9.N.2 the node.
sub nas_up ($paths, $first = 1) {
    run('modprobe', $_) for qw(target_core_mod target_core_iblock iscsi_target_mod dm-thin-pool loop iscsi_tcp dm-multipath);
    run('mount', '-t', 'configfs', 'configfs', '/sys/kernel/config') if !-d $CONFIGFS;
    run('ip', 'netns', 'add', 'nas');
    run('ip', '-n', 'nas', 'link', 'set', 'lo', 'up');
    link_up($_) for $first .. $paths;
    return;
}

sub path_down ($n) { run('ip', '-n', 'nas', 'link', 'set', "nas$n", 'down'); return }
sub path_up ($n) { run('ip', '-n', 'nas', 'link', 'set', "nas$n", 'up'); return }

# A portal listens in the namespace of the process that makes it; `ip netns exec` would hide configfs.
sub portal_up ($n, $tpg = 1) {
    run('nsenter', '--net=/run/netns/nas', 'mkdir', "$CONFIGFS/iscsi/" . TARGET . "/tpgt_$tpg/np/10.9.$n.1:3260");
    return;
}

# All portals in one target portal group, or each in its own.
sub target_up ($paths, $apart = 0) {
    group_up($_, $apart ? $_ : 1 .. $paths) for 1 .. ($apart ? $paths : 1);
    return;
}

sub group_up ($group, @portals) {
    my $tpg = "$CONFIGFS/iscsi/" . TARGET . "/tpgt_$group";
    run('mkdir', '-p', $tpg);
    write_file("$tpg/attrib/generate_node_acls", '1');
    write_file("$tpg/attrib/demo_mode_write_protect", '0');
    write_file("$tpg/attrib/cache_dynamic_acls", '1');
    write_file("$tpg/attrib/authentication", '0');
    portal_up($_, $group) for @portals;
    write_file("$tpg/enable", '1');
    return;
}

# A sparse file behind a loop device stands for a zvol; gives the loop device.
sub volume ($name, $bytes, $sector = 512) {
    my $file = "/tmp/$name.img";
    run('truncate', '-s', $bytes, $file);
    my $loop = capture('losetup', '--find', '--show', '--sector-size', $sector, $file);
    chomp($loop);
    return $loop;
}

# LIO derives the NAA from the serial: company id 589cfc0 and 25 digits of our choosing.
sub lun_up ($lun, $name, $device, $naa, $group = 1) {
    my ($serial) = $naa =~ m/\A6589cfc([0-9a-f]{25})\z/ or die "not a NAA of ours: $naa\n";
    my ($index) = $name =~ m/(\d+)\z/;
    my $core = "$CONFIGFS/core/iblock_" . ($index // 0) . "/$name";
    if (!-d $core) {
        run('mkdir', '-p', $core);
        write_file("$core/control", "udev_path=$device");
        write_file("$core/enable", '1');
        write_file("$core/wwn/vendor_id", 'TrueNAS');
        write_file("$core/wwn/product_id", 'iSCSI Disk');
        write_file("$core/wwn/company_id", '0x589cfc');
        write_file("$core/wwn/vpd_unit_serial", $serial);
    }
    my $dir = "$CONFIGFS/iscsi/" . TARGET . "/tpgt_$group/lun/lun_$lun";
    run('mkdir', '-p', $dir);
    symlink($core, "$dir/$name") or die "cannot map LUN $lun: $!\n";
    return;
}

sub lun_down ($lun, $name, $group = 1) {
    my $dir = "$CONFIGFS/iscsi/" . TARGET . "/tpgt_$group/lun/lun_$lun";
    unlink("$dir/$name") or die "cannot unmap LUN $lun: $!\n";
    rmdir($dir) or die "cannot remove LUN $lun: $!\n";
    return;
}

# ---- the node ----------------------------------------------------------------------------

sub login_all ($paths) {
    for my $n (1 .. $paths) {
        my @node = ('iscsiadm', '-m', 'node', '-T', TARGET, '-p', "10.9.$n.1:3260");
        run(@node, '-o', 'new');
        run(@node, '-o', 'update', '-n', 'node.session.scan', '-v', 'manual');
        run(@node, '-o', 'update', '-n', 'node.startup', '-v', 'manual');
        run(@node, '--login');
    }
    return;
}

# Scans one LUN on each iSCSI host and waits for the disks.
sub scan_lun ($lun, $paths) {
    for my $host (glob('/sys/class/iscsi_host/host*')) {
        my ($name) = $host =~ m!([^/]+)\z!;
        write_file("/sys/class/scsi_host/$name/scan", "0 0 $lun");
    }
    return wait_until("LUN $lun on $paths paths", sub {
        my @disks = map { m!/([^/]+)\z! } glob("/sys/class/iscsi_session/session*/device/target*/*:$lun/block/*");
        return @disks == $paths ? \@disks : undef;
    });
}

1;
