# SPDX-License-Identifier: Apache-2.0
# What both WebSocket dialects share: the limits on messages, and replies under faults.
package TNSim::Dialect::Socket;
use v5.36;
use parent 'TNSim::Conn';
use Encode       ();
use Scalar::Util qw(weaken);
use TNSim::Json  qw(encode);
use TNSim::Wire::WebSocket;

# peer, server, transport, address, origin, secure
sub new ($class, %field) {
    my $self = $class->SUPER::new(%field, id => $field{peer}->id);
    weaken(my $weak = $self);
    $self->{ws} = TNSim::Wire::WebSocket->new(
        peer      => $field{peer}, fragment => sub { $weak->server->{fragment} },
        on_text   => sub ($text) { $weak->_message($text) },
        on_binary => sub { $weak->binary },
        on_ping   => sub { $weak->server->journal->count('pings') },
    );
    $self->server->attach($self);
    return $self;
}

sub feed ($self, $bytes) { return $self->{ws}->feed($bytes) }

sub binary ($self) { return $self->{ws}->close(1003, 'Invalid websocket message type') }

sub _message ($self, $text) {
    if ($self->server->quirk('message_limits')) {
        my $length = length $text;
        return $self->{ws}->close(1007, 'Anonymous connection max message length is 8 kB')
            if !$self->user && $length > 8192;
        return $self->{ws}->close(1009, 'Max message length is 64 kB') if $length > 65_536;
    }
    my $message;
    return $self->bad_json if !eval { $message = TNSim::Json::decode_text($text); 1 };
    return $self->receive($message);
}

sub send ($self, $value) {
    return if $self->closed;
    return $self->{ws}->send_text(encode($value));
}

sub cut ($self, $fault) {
    $fault->{reset} ? $self->{peer}->abort : $self->{peer}->close;
    return;
}

sub close_frame ($self, $fault) {
    return $self->{ws}->close($fault->{code} // 1001, $fault->{reason} // '');
}

sub silence ($self, $deaf) { return $self->{peer}->silence($deaf) }

# A broken reply can still carry the right id: %ID% stands for it.
sub _fill_id ($text, $request) {
    my $id = encode($request->{id});
    return Encode::encode('UTF-8', $text) =~ s/%ID%/$id/gr;
}

# The reply's bytes, or what the fault makes of them.
sub deliver ($self, $bytes, $fault, $request) {
    my $ws = $self->{ws};
    return $ws->send_text($bytes) if !$fault;
    my $kind = $fault->{do};
    if ($kind eq 'half') {
        $ws->send_raw(substr $ws->frames($bytes), 0, $fault->{bytes} // length($bytes) / 2);
        return $self->{peer}->silence(1) if !$fault->{cut};
        return $self->{peer}->finish;
    }
    if ($kind eq 'raw') { return $ws->send_raw(pack 'H*', $fault->{hex} // '') }
    if ($kind eq 'garbage') {
        return $ws->send_text(_fill_id($fault->{bytes} // '{"jsonrpc"', $request));
    }
    if ($kind eq 'slow')      { $self->{peer}->slow($fault->{ms} // 1000) }
    if ($kind eq 'duplicate') { $ws->send_text($bytes) for 1 .. $fault->{times} // 1 }
    if ($kind eq 'unknown-id') {
        $ws->send_text($self->stray) for 1 .. $fault->{times} // 1;
    }
    if ($kind eq 'event-storm') {
        $self->event('changed', 'core.get_jobs', $_, { id => $_ })
            for 1 .. $fault->{times} // 1000;
    }
    return $ws->send_text($bytes);
}

1;
