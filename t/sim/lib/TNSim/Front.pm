# SPDX-License-Identifier: Apache-2.0
# The web server of the NAS: which address leads to which dialect on which release.
package TNSim::Front;
use v5.36;
use Mojo::IOLoop;
use Scalar::Util qw(weaken);
use TNSim::Dialect::Ddp;
use TNSim::Dialect::JsonRpc;
use TNSim::Dialect::Rest;
use TNSim::Json qw(encode);
use TNSim::Wire::Http;
use TNSim::Wire::Listener;
use TNSim::Wire::Tls;
use TNSim::Wire::WebSocket;

# The versioned addresses that each release serves (main.py of its tree).
my %VERSIONS = (
    '25.04' => [qw(v24.10 v25.04.0 v25.04.1 v25.04.2)],
    '25.10' => [qw(v24.10 v25.04.0 v25.04.1 v25.04.2), map {"v25.10.$_"} 0 .. 5],
    '26' => [qw(v24.10 v25.04.0 v25.04.1 v25.04.2), (map {"v25.10.$_"} 0 .. 4), 'v26.0.0'],
);

sub new ($class, %field) {    # server, host, port, tls (or none)
    my $self = bless {%field}, $class;
    weaken(my $weak = $self);
    $self->{listener} = TNSim::Wire::Listener->new(
        host   => $self->{host},           port    => $self->{port}, tls => $self->{tls},
        faults => $self->{server}->faults, on_peer => sub ($peer) { $weak->_peer($peer) },
    );
    push @{ $self->{server}{listeners} }, $self->{listener};
    return $self;
}

sub port ($self) { return $self->{listener}->port }

sub stop ($self) { return $self->{listener}->stop }

# Another certificate for the connections to come, of other names or days if it is told
# them;
# answers the fingerprint.
sub new_certificate ($self, $spec) {
    my $tls = $self->{tls} // die "there is no TLS here\n";
    my %of  = (names => $tls->{names}, days => $tls->{days}, %$spec);
    $self->{tls} = $self->{listener}{tls} = TNSim::Wire::Tls->new(%of);
    return $self->{tls}->fingerprint;
}

sub _peer ($self, $peer) {
    my $server = $self->{server};
    $server->journal->count('connections');
    $peer->idle($server->{idle});
    my $conn;
    TNSim::Wire::Http->new(
        peer       => $peer,
        on_request => sub ($http, $request) { $self->_request($http, $request, \$conn) },
        on_close   => sub {
            $self->{listener}->forget($peer);
            $conn->gone if $conn;
            undef $conn;
        },
    );
    return;
}

# Faults of HTTP itself; true when the request ends here.
sub _fault ($self, $http, $name) {
    my $fault = $self->{server}->faults->hit($name) // return 0;
    my ($kind, $peer) = ($fault->{do}, $http->peer);
    if ($kind eq 'status') {
        my %headers = (%{ $fault->{headers} // {} });
        $http->reply($fault->{status} // 503, \%headers, $fault->{body} // '');
    } elsif ($kind eq 'missing') {
        $http->reply(404, {}, '404: Not Found');
    } elsif ($kind eq 'raw' || $kind eq 'garbage') {
        $peer->write(defined $fault->{hex} ? pack('H*', $fault->{hex}) : $fault->{bytes}
                // "garbage\r\n\r\n");
        $peer->finish if $fault->{close};
    } elsif ($kind =~ /\Acut/) {
        $fault->{reset} ? $peer->abort : $peer->close;
    } elsif ($kind eq 'restart') {
        $self->{server}->restart($fault->{ms} // 500);
    } elsif ($kind eq 'slow') {
        $peer->slow($fault->{ms} // 1000);
        return 0;
    } elsif ($kind eq 'delay') {
        return $fault;
    } elsif ($kind eq 'half' || $kind eq 'close') {
        $http->{$kind} = $fault;
        return 0;
    } else {
        $peer->silence(1);
    }
    return 1;
}

sub _request ($self, $http, $request, $conn) {
    my $journal = $self->{server}->journal;
    my $path    = $request->url->path->to_string;
    my $upgrade = lc($request->headers->upgrade // '') eq 'websocket';
    my $name    = $upgrade ? 'http:handshake' : 'http:' . $request->method . " $path";
    my $rest    = $path =~ m{\A/api/v2\.0(?:/|\z)};
    if (!$rest || $upgrade) {
        $journal->count('http');
        $journal->entry(
            conn => $http->peer->id, transport => 'http', method => $name,
            path => $path
        );
    }
    my $fault = $self->_fault($http, $name);
    my $go    = sub { $self->_route($http, $request, $conn, $path, $upgrade) };
    if (ref $fault) {
        Mojo::IOLoop->timer(($fault->{ms} // 1000) / 1000 => sub ($) { $go->() });
    } elsif (!$fault) {
        $go->();
    }
    return;
}

sub _route ($self, $http, $request, $conn, $path, $upgrade) {
    my $release  = $self->{server}->release;
    my $versions = $VERSIONS{ $release->name };
    if ($upgrade) {
        return $self->_upgrade($http, $request, $conn, 'Ddp', 'ddp')
            if $path eq '/websocket';
        my ($version) = $path =~ m{\A/api/(current|v[0-9.]+)\z};
        return $http->reply(404, {}, '404: Not Found')
            if !$versions || !$version || !grep { $_ eq $version } 'current', @$versions;
        return $self->_upgrade($http, $request, $conn, 'JsonRpc', 'jsonrpc', $version);
    }
    if ($path eq '/api/versions' && $versions) {
        return $http->reply(
            200, { 'Content-Type' => 'application/json' },
            encode($versions));
    }
    if ($path =~ m{\A/api/v2\.0/} && $release->before('26')) {
        $$conn //= TNSim::Dialect::Rest->new($self->_conn_fields($http, 'rest'));
        return $$conn->request($http, $request);
    }
    if ($path eq '/websocket' || $path eq '/api/current') {
        return $http->reply(426, {}, '');
    }
    return $http->reply(404, {}, '404: Not Found');
}

sub _conn_fields ($self, $http, $transport) {
    my $peer = $http->peer;
    return (
        peer     => $peer,          server => $self->{server}, transport => $transport,
        address  => $peer->address, origin => $peer->origin,   secure    => $peer->secure,
        endpoint => $peer->secure
        ? pack('H*', $self->{tls}->fingerprint =~ tr{:}{}dr)
        : undef,
    );
}

sub _upgrade ($self, $http, $request, $conn, $dialect, $transport, $version = 'current') {
    my $key = $request->headers->header('Sec-WebSocket-Key');
    return $http->reply(400, {}, 'No Sec-WebSocket-Key') if !defined $key;
    my $class = "TNSim::Dialect::$dialect";
    $$conn = $class->new($self->_conn_fields($http, $transport));
    $$conn->{version} = $version;
    my %headers = (
        Upgrade                => 'websocket', Connection => 'upgrade',
        'Sec-WebSocket-Accept' => TNSim::Wire::WebSocket::accept_key($key),
    );
    my $bytes = $http->render(101, \%headers, '');
    if (my $half = delete $http->{half}) {
        $http->peer->write(substr $bytes, 0, $half->{bytes} // 20);
        return $http->peer->silence(1);
    }
    my $one   = $$conn;
    my $late  = $self->{server}{rtt};
    my $close = delete $http->{close};
    my $open  = sub {
        $http->upgrade($bytes, sub ($more) { $one->feed($more) if !$one->closed });
        $one->close_frame($close) if $close;
    };
    return $open->() if !$late;
    Mojo::IOLoop->timer($late / 1000 => sub ($) { $open->() });
    return;
}

1;
