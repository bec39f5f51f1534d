# SPDX-License-Identifier: Apache-2.0
# For tests: volumes opened by Debian's QEMU tools as Proxmox VE has QEMU open them.
package TNSQemu;

use v5.36;

use IO::Select;

use Exporter qw(import);
our @EXPORT = qw(why_no_qemu capture drive_of drive_of_path qemu_io qemu_io_fails convert_image);

# Why QEMU cannot open iSCSI here; undef when it can.
sub why_no_qemu () {
    for my $tool (qw(qemu-io qemu-img)) {
        return "$tool is not installed (package qemu-utils)" if !grep { -x "$_/$tool" } qw(/usr/bin /bin);
    }
    my @driver = (glob('/usr/lib/*/qemu/block-iscsi.so'), glob('/usr/lib/qemu/block-iscsi.so'));
    return @driver ? undef : "QEMU's iSCSI driver is not installed (package qemu-block-extra)";
}

# Runs a program; gives its exit status and all that it said.
sub capture (@argv) {
    ($_) = m/\A(.*)\z/s for @argv; # the tests' own commands, some made of the plugin's answers
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    if (!$pid) {
        open(STDIN, '<', '/dev/null');
        open(STDERR, '>&', \*STDOUT);
        { no warnings qw(exec); exec { $argv[0] } @argv }
        require POSIX;
        POSIX::_exit(127);
    }
    my $text = '';
    while (IO::Select->new($out)->can_read(120)) {
        sysread($out, $text, 65536, length($text)) or last;
    }
    kill('KILL', $pid) if !eof($out);
    close($out);
    return ($?, $text);
}

my sub iscsi_drive ($driver) {
    my %file = map { ("file.$_" => $driver->{$_}) } keys %$driver;
    return join(',', 'driver=raw', map { "$_=$file{$_}" } sort keys %file);
}

# The drive as `qm start` opens it from machine version 10.0 on.
sub drive_of ($cfg, $volid) {
    my ($storeid, $volname) = PVE::Storage::parse_volume_id($volid);
    my $plugin = 'PVE::Storage::Custom::TrueNASPlugin';
    return iscsi_drive($plugin->qemu_blockdev_options($cfg->{ids}->{$storeid}, $storeid, $volname, '10.0+pve1', {}));
}

# As qemu-server makes one of a path that is an iscsi URL, for qemu-img convert.
sub drive_of_path ($cfg, $volid, $snap = undef) {
    my $path = PVE::Storage::path($cfg, $volid, $snap);
    my ($portal, $target, $lun) = $path =~ m{\Aiscsi://([^/]+)/([^/]+)/(\d+)\z} or die "'$path' is no iscsi URL\n";
    open(my $fh, '<', "$cfg->{dir}/root/etc/iscsi/initiatorname.iscsi") or die "cannot read the initiator's name: $!\n";
    my ($name) = readline($fh) =~ m/\AInitiatorName=(\S+)/;
    return iscsi_drive({
        driver => 'iscsi', transport => 'tcp', portal => $portal, target => $target, lun => $lun,
        'initiator-name' => $name,
    });
}

# Runs commands of qemu-io; dies when one fails, or a pattern is not what it should be.
sub qemu_io ($drive, @commands) {
    my ($status, $said) = capture('qemu-io', '--image-opts', (map { ('-c', $_) } @commands), $drive);
    die "qemu-io: $said\n" if $status || $said =~ m/verification failed|error|can't|cannot/i;
    return 1;
}

sub qemu_io_fails ($drive, @commands) {
    return eval { qemu_io($drive, @commands) } ? undef : $@;
}

# What a full clone does: all bytes of one drive to another of at least its size.
sub convert_image ($from, $to) {
    my ($status, $said) = capture('qemu-img', 'convert', '-n', '-t', 'none', '--image-opts', '--target-image-opts', $from, $to);
    die "qemu-img convert: $said\n" if $status;
    return 1;
}

1;
