# SPDX-License-Identifier: Apache-2.0
# A listening socket of the NAS that can be shut and opened again on the same port.
package TNSim::Wire::Listener;
use v5.36;
use IO::Socket::IP;
use Mojo::IOLoop;
use Scalar::Util qw(weaken);
use TNSim::Wire::Peer;

my $next_id = 1;

sub new ($class, %field) {    # host, port, tls (or none), faults (or none), on_peer
    my $self = bless { peers => {}, %field }, $class;
    $self->open;
    return $self;
}

sub port ($self) { return $self->{port} }

sub open ($self) {
    return if $self->{socket};
    my $socket = IO::Socket::IP->new(
        LocalHost => $self->{host}, LocalPort => $self->{port}, Listen => 1024,
        Proto     => 'tcp',
        ReuseAddr => 1, Blocking => 0,
    ) or die "cannot listen on $self->{host} port $self->{port}: $@\n";
    $self->{port}   = $socket->sockport;
    $self->{socket} = $socket;
    weaken(my $weak = $self);
    Mojo::IOLoop->singleton->reactor->io($socket => sub (@) { $weak->_accept if $weak })
        ->watch($socket, 1, 0);
    return;
}

sub shut ($self) {
    my $socket = delete $self->{socket} // return;
    Mojo::IOLoop->singleton->reactor->remove($socket);
    close $socket;
    return;
}

sub close_all ($self) {
    $_->close for values %{ $self->{peers} };
    return;
}

# As a restart of the service looks from outside: all connections end, none is accepted.
sub restart ($self, $ms) {
    $self->shut;
    $self->close_all;
    weaken(my $weak = $self);
    Mojo::IOLoop->timer($ms / 1000 => sub ($) { $weak->open if $weak && !$weak->{stopped} }
    );
    return;
}

sub stop ($self) {
    $self->{stopped} = 1;
    $self->shut;
    $self->close_all;
    return;
}

sub _accept ($self) {
    for (1 .. 64) {
        my $handle = $self->{socket} && $self->{socket}->accept // last;
        $handle->blocking(0);
        $self->_greet($handle);
    }
    return;
}

# Faults of the connection itself come before TLS.
sub _greet ($self, $handle) {
    my $fault = $self->{faults} ? $self->{faults}->hit('tcp:accept') : undef;
    my $kind  = $fault          ? $fault->{do}                       : '';
    if ($kind eq 'refuse' || $kind eq 'cut' || $kind eq 'fail') { close $handle; return }
    if ($kind eq 'hang') {
        push @{ $self->{held} }, $handle;
        return;
    }
    if ($kind eq 'plaintext' || $kind eq 'garbage') {
        $self->_peer(
            $handle, 0,
            sub ($peer) {
                $peer->start(sub ($) { }, sub { });
                $peer->write($fault->{bytes}
                        // "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
                $peer->finish;
            });
        return;
    }
    my $ready = sub ($peer) {
        $peer->slow($fault->{ms} // 1000) if $kind eq 'slow';
        $self->{on_peer}->($peer);
    };
    return $self->_peer($handle, 0, $ready) if !$self->{tls};
    my $begin = sub {
        $self->{tls}->accept(
            Mojo::IOLoop->singleton->reactor, $handle,
            sub ($error) { $self->_peer($handle, 1, $ready) if !defined $error });
    };
    if ($kind eq 'delay') {
        Mojo::IOLoop->timer(($fault->{ms} // 0) / 1000 => sub ($) { $begin->() });
    } else {
        $begin->();
    }
    return;
}

sub _peer ($self, $handle, $secure, $ready) {
    my $id   = $next_id++;
    my $peer = TNSim::Wire::Peer->new(
        handle  => $handle, id => $id, secure => $secure,
        address => $handle->peerhost // '', port => $handle->peerport // 0,
    );
    $self->{peers}{$id} = $peer;
    $ready->($peer);
    return;
}

sub forget ($self, $peer) { delete $self->{peers}{ $peer->id }; return }

1;
