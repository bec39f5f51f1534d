# SPDX-License-Identifier: Apache-2.0
# HTTP/1.1 on one connection: requests out of bytes, replies into bytes.
package TNSim::Wire::Http;
use v5.36;
use Mojo::Message::Request;
use Scalar::Util qw(weaken);

my %REASON = (
    101 => 'Switching Protocols', 200 => 'OK', 301 => 'Moved Permanently', 302 => 'Found',
    307 => 'Temporary Redirect',  400 => 'Bad Request', 401 => 'Unauthorized',
    403 => 'Forbidden',
    404 => 'Not Found',        405 => 'Method Not Allowed',  422 => 'Unprocessable Entity',
    426 => 'Upgrade Required', 429 => 'Too Many Requests',   500 => 'Internal Server Error',
    502 => 'Bad Gateway',      503 => 'Service Unavailable', 504 => 'Gateway Timeout',
);

# on_request->($http, $request); on_bytes->($bytes) once upgraded; on_close->().
sub new ($class, %field) {
    my $self = bless {%field}, $class;    # peer, on_request, on_close
    my $peer = $self->{peer};
    $peer->start(sub ($bytes) { $self->_feed($bytes) }, sub { $self->_closed });
    return $self;
}

sub peer ($self) { return $self->{peer} }

sub _closed ($self) {
    my $tell = delete $self->{on_close};
    $tell->() if $tell;
    delete @$self{qw(on_request on_bytes)};
    return;
}

sub _feed ($self, $bytes) {
    return $self->{on_bytes}->($bytes) if $self->{on_bytes};
    $self->{pending} .= $bytes;
    $self->_next;
    return;
}

# One request at a time; the next is read when this one is answered.
sub _next ($self) {
    return if $self->{working} || !length($self->{pending} // '');
    my $request = $self->{request} //=
        Mojo::Message::Request->new(max_message_size => 16 << 20);
    $request->parse(delete $self->{pending});
    $self->{pending} = '';
    if (my $error = $request->error) {
        $self->reply(400, { Connection => 'close' }, '');
        return $self->{peer}->finish;
    }
    return if !$request->is_finished;
    delete $self->{request};
    $self->{pending} = $request->content->leftovers;
    $self->{working} = 1;
    $self->{keep}    = ($request->headers->connection // '') !~ /close/i;
    $self->{on_request}->($self, $request);
    return;
}

# The bytes of a reply.
sub render ($self, $status, $headers, $body) {
    my %out = ('Content-Length' => length $body, %$headers);
    delete $out{'Content-Length'} if $status == 101;
    my $text = "HTTP/1.1 $status " . ($REASON{$status} // 'Unknown') . "\r\n";
    $text .= join '', map {"$_: $out{$_}\r\n"} sort keys %out;
    return "$text\r\n$body";
}

sub send ($self, $bytes) {
    $self->{peer}->write($bytes);
    return $self->{peer}->finish if !$self->{keep};
    $self->{working} = 0;
    $self->_next;
    return;
}

sub reply ($self, $status, $headers, $body) {
    return $self->send($self->render($status, $headers, $body));
}

# From here on the connection's bytes belong to on_bytes.
sub upgrade ($self, $bytes, $on_bytes) {
    $self->{on_bytes} = $on_bytes;
    $self->{peer}->write($bytes);
    my $rest = delete $self->{pending} // '';
    $on_bytes->($rest) if length $rest;
    return;
}

1;
