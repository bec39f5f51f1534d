# SPDX-License-Identifier: Apache-2.0
# Data on a device, by QEMU's own block layer without the page cache, as a guest's disk has it: patterns
# that are written and read back, at once or by a process that keeps the device open.
package Lab::Io;

use v5.36;

use IO::Select;
use Time::HiRes qw(time);
use Lab;

use Exporter qw(import);
our @EXPORT = qw(qemu_io write_pattern has_pattern has_pattern_readonly open_disk disks_killed);

my @QEMU_IO = ('qemu-io', '-f', 'raw', '-t', 'none', '-n');

# qemu-io's own exit code is not enough in older versions: it tells of a wrong pattern in words.
my sub verdict ($said) {
    die "$said\n" if $said =~ m/fail|error|invalid|cannot|denied/i;
    return 1;
}

sub qemu_io ($device, @commands) {
    my ($code, $said) = try('timeout', '300', @QEMU_IO, (map { ('-c', $_) } @commands), $device);
    die "$said (exit $code)\n" if $code;
    return verdict($said);
}

# A byte over a range; sizes as qemu-io knows them.
sub write_pattern ($device, $byte, $from, $length) {
    return qemu_io($device, "write -P $byte $from $length", 'flush');
}

sub has_pattern ($device, $byte, $from, $length) { return qemu_io($device, "read -P $byte $from $length") }

# qemu-io opens for writing unless it is told not to.
sub has_pattern_readonly ($device, $byte, $from, $length) {
    my ($code, $said) = try('timeout', '300', @QEMU_IO, '-r', '-c', "read -P $byte $from $length", $device);
    die "$said (exit $code)\n" if $code;
    return verdict($said);
}

# A scenario that ends early must not wait for its disks.
my %open;

sub disks_killed () { return kill('KILL', keys %open) }

END {
    my $status = $?;
    disks_killed();
    $? = $status;
}

# A process that has the device open, as a running guest has.
sub open_disk ($device) {
    pipe(my $commands, my $to) or die "pipe: $!\n";
    my $pid = open(my $from, '-|') // die "cannot fork: $!\n";
    if (!$pid) {
        open(STDIN, '<&', $commands);
        open(STDERR, '>&', \*STDOUT);
        close($to);
        exec { $QEMU_IO[0] } @QEMU_IO, $device or exit 127;
    }
    close($commands);
    $open{$pid} = 1;
    $to->autoflush(1);
    my $self = bless { pid => $pid, to => $to, from => $from, device => $device, said => '' }, __PACKAGE__;
    $self->prompt(60);
    return $self;
}

# Everything up to the next prompt.
sub prompt ($self, $seconds) {
    my $end = time() + $seconds;
    my $ready = IO::Select->new($self->{from});
    while (1) {
        return $1 if $self->{said} =~ s/\A(.*?)qemu-io> \z//s;
        $ready->can_read($end - time()) or die "$self->{device}: no answer in $seconds s\n";
        sysread($self->{from}, $self->{said}, 65536, length($self->{said})) or die "qemu-io ended: $self->{said}\n";
    }
}

# Begins a command without waiting for it; answer() waits.
sub begin ($self, $command) { print { $self->{to} } "$command\n"; return }
sub answer ($self, $seconds = 120) { return $self->prompt($seconds) }

sub command ($self, $command, $seconds = 120) {
    $self->begin($command);
    return verdict($self->answer($seconds));
}

sub fill ($self, $byte, $from, $length) { return $self->command("write -P $byte $from $length") }
sub holds ($self, $byte, $from, $length) { return $self->command("read -P $byte $from $length") }
sub flush ($self) { return $self->command('flush') }

sub quit ($self) {
    $self->begin('quit');
    close($self->{to});
    close($self->{from});
    delete $open{ $self->{pid} };
    return;
}

1;
