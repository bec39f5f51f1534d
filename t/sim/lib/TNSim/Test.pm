# SPDX-License-Identifier: Apache-2.0
# For tests: starts tnsim, talks to it by hand, reads its counters, and ends it.
package TNSim::Test;
use v5.36;
use Cpanel::JSON::XS;
use File::Basename qw(dirname);
use IO::Select;
use IO::Socket::IP;
use IO::Socket::SSL;
use Mojo::WebSocket qw(build_frame parse_frame);
use POSIX           ();
use Time::HiRes     qw(clock_gettime CLOCK_MONOTONIC);

my $json = Cpanel::JSON::XS->new->canonical->utf8->allow_nonref;
my %running;
$SIG{PIPE} = 'IGNORE';    # a connection that tnsim cut is a test's subject, not its end

sub true ()  { return Cpanel::JSON::XS::true }
sub false () { return Cpanel::JSON::XS::false }
sub now ()   { return clock_gettime(CLOCK_MONOTONIC) }

# A value's one spelling, for comparing.
sub text ($value) { return $json->encode($value) }

# release, and options of the command: plain => 1, quirk => {name => 0|1}, state => DIR, ...
sub start ($class, $release, %opt) {
    my @argv = ('--release', $release, '--parent-pid', $$);
    push @argv, '--no-iscsi' if !delete $opt{iscsi};
    my $quirk = delete $opt{quirk} // {};
    push @argv, map { ('--quirk', "$_=$quirk->{$_}") } sort keys %$quirk;
    for my $name (sort keys %opt) {
        next if !defined $opt{$name};
        my $flag = '--' . $name =~ tr/_/-/r;
        push @argv,
            $name =~ /\A(?:plain|check_replies)\z/ ? $flag            : map { ($flag, $_) }
            ref $opt{$name}                        ? @{ $opt{$name} } : $opt{$name};
    }
    my $program = dirname(__FILE__) . '/../../tnsim';
    my $pid  = open(my $out, '-|', $^X, $program, @argv) // die "cannot start tnsim: $!\n";
    my $line = readline $out;
    die "tnsim did not start\n" if !defined $line;
    $running{$pid} = $$;
    my $self = bless { %{ $json->decode($line) }, pid => $pid, out => $out }, $class;
    return $self;
}

sub stop ($self) {
    my $pid = delete $self->{pid} // return $self->{status};
    kill TERM => $pid;
    waitpid $pid, 0;
    delete $running{$pid};
    return $self->{status} = $?;
}

sub DESTROY ($self) {
    local ($?, $@, $!);
    $self->stop if $self->{pid} && ($running{ $self->{pid} } // 0) == $$;
    return;
}

END {
    local $?;
    for my $pid (grep { $running{$_} == $$ } keys %running) {
        kill TERM => $pid;
        waitpid $pid, 0;
    }
}

# A connected socket: TLS unless the fake NAS is plain (or asked to be taken as such).
sub socket ($self, %opt) {
    my @where = (PeerHost => $self->{host}, PeerPort => $self->{port});
    my $plain = $opt{plain} // $self->{url} !~ /\Ahttps/;
    return IO::Socket::IP->new(@where) if $plain;
    return IO::Socket::SSL->new(@where, SSL_verify_mode => SSL_VERIFY_NONE);
}

sub websocket ($self, $path = '/api/current') {
    return TNSim::Test::Socket->new($self->socket // die("cannot connect: $!\n"), $path);
}

# A JSON-RPC connection, logged in.
sub rpc ($self, $key = $self->{api_key}) {
    my $ws = $self->websocket;
    $ws->call('auth.login_with_api_key', $key) if defined $key;
    return $ws;
}

# A legacy connection, logged in.
sub ddp ($self, $key = $self->{api_key}) {
    my $ws = $self->websocket('/websocket');
    $ws->{ddp} = 1;
    $ws->send({ msg => 'connect', version => '1', support => ['1'] });
    $ws->receive;
    $ws->call('auth.login_with_api_key', $key) if defined $key;
    return $ws;
}

# One HTTP exchange: {status, headers, body, json}. body: bytes, or a reference to encode.
sub http ($self, $method, $path, %opt) {
    my $body = $opt{body};
    $body = $json->encode($$body) if ref $body;
    my @head = (
        "$method $path HTTP/1.1", 'Host: nas', 'Connection: close',
        @{ $opt{headers} // [] });
    push @head, 'Content-Length: ' . length $body if defined $body;
    my $socket = $opt{socket} // $self->socket // return { status => 0 };
    print $socket join("\r\n", @head, '', $body // '');
    my $reply = '';
    my $until = now() + ($opt{timeout} // 60);

    while (now() < $until) {
        next
            if !(ref $socket eq 'IO::Socket::SSL' && $socket->pending)
            && !IO::Select->new($socket)->can_read(0.1);
        sysread($socket, $reply, 65_536, length $reply) or last;
    }
    my ($top, $text) = split /\r\n\r\n/, $reply, 2;
    my ($status, @lines) = split /\r\n/, $top // '';
    my %headers = map { /\A([^:]+):\s*(.*)\z/ ? (lc $1 => $2) : () } @lines;
    return {
        status  => ($status // '') =~ m{\AHTTP/1\.1 (\d+)} ? $1 + 0 : 0,
        headers => \%headers,
        body    => $text, raw => $reply, json => scalar eval { $json->decode($text) },
    };
}

# REST with the key; arguments as a reference to the body's value.
sub rest ($self, $method, $path, $body = undef, $key = $self->{api_key}) {
    return $self->http(
        $method, "/api/v2.0/$path", body => $body,
        headers => defined $key ? ["Authorization: Bearer $key"] : []);
}

sub _control ($self, $method, $path, $value = undef) {
    my ($host, $port) = $self->{control} =~ m{\Ahttp://(.+):(\d+)\z};
    my $socket = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port)
        // die "control address: $!\n";
    my $reply = $self->http(
        $method, $path, socket => $socket,
        defined $value ? (body => \$value) : ());
    die "control: $reply->{body}\n" if $reply->{status} != 200;
    return $reply;
}

sub stats ($self)        { return $self->_control(GET  => '/stats')->{json} }
sub dump  ($self)        { return $self->_control(GET  => '/world')->{json} }
sub reset ($self)        { return $self->_control(POST => '/reset', {})->{json} }
sub fault ($self, %spec) { return $self->_control(POST => '/fault', \%spec)->{json} }
sub world ($self, %spec) { return $self->_control(POST => '/world', \%spec)->{json} }

sub log ($self) {
    return map { $json->decode($_) } split /\n/, $self->_control(GET => '/log')->{body};
}

package TNSim::Test::Socket {
    use Time::HiRes ();

    sub new ($class, $socket, $path) {
        my $key = 'dGhlIHNhbXBsZSBub25jZQ==';
        print $socket join(
            "\r\n",                "GET $path HTTP/1.1", 'Host: nas', 'Upgrade: websocket',
            'Connection: Upgrade', "Sec-WebSocket-Key: $key", 'Sec-WebSocket-Version: 13',
            '',                    ''
        );
        my $self = bless { socket => $socket, buffer => '', id => 0, frames => [] }, $class;
        while ($self->{buffer} !~ /\r\n\r\n/) { last if !$self->_more(30) }
        ($self->{head}, $self->{buffer}) = split /\r\n\r\n/, $self->{buffer}, 2;
        return $self;
    }

    sub _more ($self, $seconds) {
        my $socket = $self->{socket};
        my $ready  = ref $socket eq 'IO::Socket::SSL' && $socket->pending
            || IO::Select->new($socket)->can_read($seconds);
        return 0 if !$ready;
        return sysread($socket, $self->{buffer}, 262_144, length $self->{buffer}) ? 1 : 0;
    }

    # Bytes on the wire as they are.
    sub raw ($self, $bytes) {
        while (length $bytes) {
            my $done = syswrite $self->{socket}, $bytes or return 0;
            substr $bytes, 0, $done, '';
        }
        return 1;
    }

    sub frame ($self, $op, $payload, $fin = 1) {
        return $self->raw(Mojo::WebSocket::build_frame(1, $fin, 0, 0, 0, $op, $payload));
    }

    sub send ($self, $value) {
        return $self->frame(1, ref $value ? $json->encode($value) : $value);
    }

    # The next message; {close => code, reason}, {ended => 1} or {silent => 1} when there is
    # none.
    sub receive ($self, $seconds = 30) {
        my ($message, $until) = ('', TNSim::Test::now() + $seconds);
        $self->{frames} = [];
        while (1) {
            my $frame = Mojo::WebSocket::parse_frame(\$self->{buffer}, 1 << 30);
            if (ref $frame) {
                my ($fin, $op, $payload) = @$frame[0, 4, 5];
                if ($op == 8) {
                    my ($code, $reason) = unpack 'n a*', $payload;
                    return { close => $code // 1005, reason => $reason // '' };
                }
                if ($op == 9 || $op == 10) {
                    push @{ $self->{control} }, [$op, $payload];
                    next;
                }
                push @{ $self->{frames} }, length $payload;
                $message .= $payload;
                next if !$fin;
                return eval { $json->decode($message) } // { garbage => $message };
            }
            my $left = $until - TNSim::Test::now();
            return { silent => 1 } if $left <= 0;
            next                   if $self->_more($left);
            return TNSim::Test::now() >= $until ? { silent => 1 } : { ended => 1 };
        }
    }

    sub request ($self, $method, @params) {
        my $id = ++$self->{id};
        $self->send(
            $self->{ddp}
            ? { msg => 'method', id => "$id", method => $method, params => \@params }
            : { jsonrpc => '2.0', id => $id, method => $method, params => \@params });
        return $id;
    }

    # The whole reply of a call; events that come before it are kept in {events}.
    sub call ($self, $method, @params) {
        $self->request($method, @params);
        while (1) {
            my $reply = $self->receive;
            return $reply
                if ref $reply ne 'HASH'
                || !exists $reply->{collection} && !exists $reply->{params};
            push @{ $self->{events} }, $reply;
        }
    }

    # The result alone; dies with the error's text.
    sub result ($self, $method, @params) {
        my $reply = $self->call($method, @params);
        return $reply->{result} if exists $reply->{result};
        die "$method: " . $json->encode($reply) . "\n";
    }

    # The job's row once it is over.
    sub job ($self, $method, @params) {
        my $id    = $self->result($method, @params);
        my $until = TNSim::Test::now() + 60;
        while (TNSim::Test::now() < $until) {
            my $row = $self->result(
                'core.get_jobs', [['id', '=', $id]],
                { get => Cpanel::JSON::XS::true });
            return $row if $row->{state} =~ /SUCCESS|FAILED|ABORTED/;
            Time::HiRes::sleep(0.005);
        }
        die "$method: job $id does not end\n";
    }

    sub close ($self) { close $self->{socket}; return }
}

1;
