# SPDX-License-Identifier: Apache-2.0
# One TCP connection: bytes in, bytes out, and every way in which it can go wrong.
package TNSim::Wire::Peer;
use v5.36;
use Mojo::IOLoop;
use Mojo::IOLoop::Stream;
use Scalar::Util qw(weaken);
use Socket       qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);

use constant PIECE => 262_144;

sub new ($class, %field) {    # handle, id, secure, address, port
    my $self = bless { queue => [], %field }, $class;
    setsockopt $self->{handle}, IPPROTO_TCP, TCP_NODELAY, 1;
    my $stream = $self->{stream} = Mojo::IOLoop::Stream->new($self->{handle});
    $stream->timeout(0);
    weaken(my $weak = $self);
    $stream->on(read  => sub ($, $bytes) { $weak->_read($bytes) if $weak });
    $stream->on(close => sub ($) { $weak->_closed               if $weak });
    $stream->on(error => sub ($, $) { });
    return $self;
}

sub id      ($self) { return $self->{id} }
sub secure  ($self) { return $self->{secure} }
sub address ($self) { return $self->{address} }
sub origin  ($self) { return "$self->{address}:$self->{port}" }

sub start ($self, $on_read, $on_close) {
    @$self{qw(on_read on_close)} = ($on_read, $on_close);
    $self->{stream}->start;
    return;
}

# Seconds without traffic after which the connection is cut, as the NAS' web server does.
sub idle ($self, $seconds) {
    $self->{idle} = $seconds;
    $self->_touch;
    return;
}

sub _touch ($self) {
    Mojo::IOLoop->remove(delete $self->{idle_timer}) if $self->{idle_timer};
    return                                           if !$self->{idle} || !$self->{stream};
    weaken(my $weak = $self);
    $self->{idle_timer} =
        Mojo::IOLoop->timer($self->{idle} => sub ($) { $weak->close if $weak });
    return;
}

sub _read ($self, $bytes) {
    return        if $self->{deaf};
    $self->_touch if $self->{idle};
    $self->{on_read}->($bytes);
    return;
}

sub _closed ($self) {
    return if $self->{gone}++;
    Mojo::IOLoop->remove($_) for grep {defined} delete @$self{qw(idle_timer drip_timer)};
    my $told = delete $self->{on_close};
    # Jobs may hold their connection for long: the socket goes now.
    delete @$self{qw(on_read stream handle)};
    $told->() if $told;
    return;
}

sub write ($self, $bytes) {
    return        if $self->{mute} || !$self->{stream};
    $self->_touch if $self->{idle};
    if ($self->{drip_ms}) { $self->{dripping} .= $bytes; return $self->_drip }
    if (!$self->{busy} && length $bytes <= PIECE) { $self->{stream}->write($bytes); return }
    push @{ $self->{queue} }, $bytes;
    $self->_pump;
    return;
}

# Long replies leave in pieces, so that the stream's buffer stays small.
sub _pump ($self) {
    return if $self->{busy} || !$self->{stream};
    my $queue = $self->{queue};
    return if !@$queue;
    my $piece = substr $queue->[0], 0, PIECE, '';
    shift @$queue if !length $queue->[0];
    $self->{busy} = 1;
    weaken(my $weak = $self);
    $self->{stream}->write(
        $piece => sub ($) {
            return if !$weak;
            $weak->{busy} = 0;
            if    (@{ $weak->{queue} }) { $weak->_pump }
            elsif ($weak->{closing})    { $weak->close }
        });
    return;
}

sub _drip ($self) {
    return if $self->{drip_timer} || !length $self->{dripping};
    weaken(my $weak = $self);
    $self->{drip_timer} = Mojo::IOLoop->timer(
        $self->{drip_ms} / 1000 => sub ($) {
            return if !$weak || !$weak->{stream};
            delete $weak->{drip_timer};
            $weak->{stream}->write(substr $weak->{dripping}, 0, 1, '');
            return $weak->_drip               if length $weak->{dripping};
            $weak->{stream}->close_gracefully if $weak->{closing};
        });
    return;
}

# From now on one byte leaves every so many milliseconds.
sub slow ($self, $ms) { $self->{drip_ms} = $ms; $self->{dripping} //= ''; return }

# From now on nothing leaves any more (and nothing is heard, when deaf).
sub silence ($self, $deaf = 0) { $self->{mute} = 1; $self->{deaf} = $deaf; return }

# Close after what is still to be written.
sub finish ($self) {
    return if !$self->{stream};
    if ($self->{busy} || @{ $self->{queue} } || length($self->{dripping} // '')) {
        $self->{closing} = 1;
        return;
    }
    $self->{stream}->close_gracefully;
    return;
}

sub close ($self) {
    $self->{stream}->close if $self->{stream};
    return;
}

# With a reset instead of an end.
sub abort ($self) {
    my $handle = $self->{stream} ? $self->{stream}->handle : undef;
    setsockopt $handle, SOL_SOCKET, SO_LINGER, pack 'll', 1, 0 if $handle;
    $self->close;
    return;
}

1;
