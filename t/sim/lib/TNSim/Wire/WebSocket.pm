# SPDX-License-Identifier: Apache-2.0
# RFC 6455 on an upgraded connection: messages out of frames, and replies in fragments.
package TNSim::Wire::WebSocket;
use v5.36;
use Digest::SHA qw(sha1_base64);
use Encode      ();
use Mojo::WebSocket
    qw(WS_BINARY WS_CLOSE WS_CONTINUATION WS_PING WS_PONG WS_TEXT build_frame parse_frame);

use constant MAX_FRAME => 4 << 20;

sub accept_key ($key) {
    return sha1_base64($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11') . '=';
}

# peer, fragment->() (a number), on_text->($characters), on_binary->(), on_ping->()
sub new ($class, %field) {
    return bless { buffer => '', message => '', %field }, $class;
}

sub feed ($self, $bytes) {
    $self->{buffer} .= $bytes;
    while (!$self->{closed}) {
        my $frame = parse_frame(\$self->{buffer}, MAX_FRAME) // last;
        return $self->close(1009, 'Message size exceeds limit') if !ref $frame;
        $self->_frame(@$frame);
    }
    return;
}

sub _frame ($self, $fin, $rsv1, $rsv2, $rsv3, $op, $payload) {
    return $self->close(1002, 'Received frame with non-zero reserved bits')
        if $rsv1 || $rsv2 || $rsv3;
    if ($op == WS_PING) {
        $self->{on_ping}->();
        return $self->_frames(build_frame(0, 1, 0, 0, 0, WS_PONG, $payload));
    }
    if ($op == WS_PONG)         {return}
    if ($op == WS_CLOSE)        { return $self->_closed_by_peer($payload) }
    if ($op != WS_CONTINUATION) { $self->{op} = $op; $self->{message} = '' }
    return $self->close(1002, 'Continuation frame for non started message')
        if !defined $self->{op};
    $self->{message} .= $payload;
    return $self->close(1009, 'Message size exceeds limit')
        if length $self->{message} > MAX_FRAME;
    return if !$fin;
    my ($kind, $message) = (delete $self->{op}, delete $self->{message});
    return $self->{on_binary}->() if $kind != WS_TEXT;
    my $text =
        eval { Encode::decode('UTF-8', $message, Encode::FB_CROAK | Encode::LEAVE_SRC) };
    return defined $text
        ? $self->{on_text}->($text)
        : $self->close(1007, 'Invalid UTF-8 text message');
}

sub _closed_by_peer ($self, $payload) {
    $self->_frames(build_frame(0, 1, 0, 0, 0, WS_CLOSE, substr $payload, 0, 2))
        if !$self->{closed};
    $self->{closed} = 1;
    $self->{peer}->finish;
    return;
}

sub _frames ($self, $bytes) { $self->{peer}->write($bytes); return }

sub close ($self, $code, $reason) {
    return if $self->{closed}++;
    $self->_frames(
        build_frame(
            0, 1, 0, 0, 0, WS_CLOSE, pack('n', $code) . Encode::encode('UTF-8', $reason)));
    $self->{peer}->finish;
    return;
}

# The frames of one text message (UTF-8 bytes), as many as the fragment size makes.
sub frames ($self, $bytes) {
    my $size = $self->{fragment}->();
    return build_frame(0, 1, 0, 0, 0, WS_TEXT, $bytes) if !$size || length $bytes <= $size;
    my ($out, $op, $at, $length) = ('', WS_TEXT, 0, length $bytes);
    while ($at < $length) {
        my $last = $at + $size >= $length ? 1 : 0;
        $out .= build_frame(0, $last, 0, 0, 0, $op, substr $bytes, $at, $size);
        $op = WS_CONTINUATION;
        $at += $size;
    }
    return $out;
}

sub send_text ($self, $bytes) { return $self->_frames($self->frames($bytes)) }

sub send_raw ($self, $bytes) { return $self->_frames($bytes) }

1;
