# SPDX-License-Identifier: Apache-2.0
# The NAS of a scenario: tnsim in a network namespace, with this kernel's own target and thin volumes.
package Lab::Nas;

use v5.36;

use HTTP::Tiny;
use IO::Select;
use JSON::PP qw(decode_json encode_json);
use POSIX ();
use Lab;

my $STATE = '/var/lib/tnsim'; # below the guest's root: the disk of a NAS outlives its restart
my $SETNS = 308;              # of x86-64, as the guest is

# %with: paths (2), release, args of tnsim's.
sub start ($class, %with) {
    my $self = bless { paths => 2, release => '25.10', args => [], %with }, $class;
    nas_up($self->{paths}, 0);
    $self->boot();
    return $self;
}

# tnsim with what is in its state; the API is at 10.9.0.1.
sub boot ($self) {
    my @portals = map { ('--portal', "10.9.$_.1") } 1 .. $self->{paths};
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    if (!$pid) {
        open(STDERR, '>>', '/results/tnsim');
        open(STDIN, '<', '/dev/null');
        exec { 'nsenter' } 'nsenter', '--net=/run/netns/nas', '/job/t/sim/tnsim', '--iscsi', 'lio',
            '--release', $self->{release}, '--listen', '10.9.0.1:443', '--state', $STATE, @portals, $self->{args}->@*
            or POSIX::_exit(127);
    }
    # left alone, it would be waited for when this process ends
    IO::Select->new($out)->can_read(600) or kill('KILL', $pid), die "tnsim does not start\n";
    my $told = decode_json(readline($out) // die 'tnsim ended: ' . read_file('/results/tnsim') . "\n");
    $self->{$_} = $told->{$_} for keys %$told;
    $self->@{qw(pid out)} = ($pid, $out);
    return;
}

sub end ($self, $signal) {
    kill($signal, $self->{pid});
    close(delete $self->{out});
    return;
}

# An orderly end takes targets and volumes from the kernel; a death leaves them where they are.
sub stop ($self) { $self->end('TERM'); return }
sub kill_api ($self) { $self->end('KILL'); return }

# Alive, but silent: what a node sees of a NAS whose middleware hangs.
sub freeze ($self) { kill('STOP', $self->{pid}); return }
sub thaw ($self) { kill('CONT', $self->{pid}); return }

# A request to tnsim's control port, which is inside the namespace.
sub ask ($self, $verb, $path, $body = undef) {
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    if (!$pid) {
        my $answer = eval {
            open(my $net, '<', '/run/netns/nas') or die "no namespace: $!\n";
            syscall($SETNS, fileno($net), 0) == 0 or die "setns: $!\n";
            HTTP::Tiny->new(timeout => 120)->request($verb, "$self->{control}$path",
                defined($body) ? { content => encode_json($body) } : {});
        } // { success => 0, content => $@ };
        syswrite(STDOUT, encode_json($answer));
        POSIX::_exit(0);
    }
    my $answer = decode_json(do { local $/ = undef; readline($out) });
    close($out);
    die "tnsim: $answer->{content}\n" if !$answer->{success};
    return length($answer->{content}) ? decode_json($answer->{content}) : undef;
}

sub world ($self) { return $self->ask('GET', '/world') }
sub stats ($self) { return $self->ask('GET', '/stats') }
sub change ($self, %command) { return $self->ask('POST', '/world', \%command) }
sub fault ($self, %fault) { return $self->ask('POST', '/fault', \%fault) }

# The rows that belong to one zvol: { extent, mapping }.
sub export_of ($self, $zvol) {
    my $world = $self->world();
    my ($extent) = grep { ($_->{disk} // '') eq "zvol/$zvol" } $world->{extent}->@*;
    die "no extent of $zvol\n" if !$extent;
    my ($mapping) = grep { $_->{extent} == $extent->{id} } $world->{mapping}->@*;
    return { extent => $extent, mapping => $mapping };
}

# Another admin, or another node's free and alloc: two volumes change their LUN numbers.
sub exchange_luns ($self, @zvols) {
    my @rows = map { $self->export_of($_)->{mapping} } @zvols;
    $self->change(remove => [map { { table => 'mapping', id => $_->{id} } } @rows]);
    $self->map_at($_->[0], $_->[1]{lunid}) for [@rows], [reverse @rows];
    return;
}

# A row of a mapping comes back, at a LUN number.
sub map_at ($self, $row, $lun) {
    $self->change(insert => {
        table => 'mapping',
        row => { target => $row->{target}, extent => $row->{extent}, lunid => $lun },
    });
    return;
}

# Names of what a storage on tank/vm has left here.
sub leftovers ($self) {
    my $world = $self->world();
    return (
        (map { "zvol $_->{name}" } grep { $_->{name} =~ m!\Atank/vm/! } $world->{dataset}->@*),
        (map { "snapshot $_->{name}" } $world->{snapshot}->@*),
        (map { "extent $_->{name}" } $world->{extent}->@*),
        (map { "mapping at LUN $_->{lunid}" } $world->{mapping}->@*),
        (map { "LUN $_->{lun} of LIO" } $world->{exported}->@*),
        (map { "session of $_->{initiator}" } $world->{session}->@*),
    );
}

# Sessions that LIO holds, by initiator.
sub sessions ($self) {
    my @acls = map { m/^InitiatorName: (\S+)/m ? $1 : () } map { read_file($_) }
        glob('/sys/kernel/config/target/iscsi/iqn.*/tpgt_1/acls/*/info');
    my @dynamic = map { split(/[\s\0]+/, read_file($_)) }
        glob('/sys/kernel/config/target/iscsi/iqn.*/tpgt_1/dynamic_sessions');
    return (@acls, @dynamic);
}

1;
