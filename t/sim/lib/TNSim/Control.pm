# SPDX-License-Identifier: Apache-2.0
# The control address: what tests read of the fake NAS, and what they do to it.
package TNSim::Control;
use v5.36;
use Scalar::Util qw(weaken);
use TNSim::Json  qw(decode encode);
use TNSim::Wire::Http;
use TNSim::Wire::Listener;

sub new ($class, %field) {    # server, front
    my $self = bless {%field}, $class;
    weaken(my $weak = $self);
    $self->{listener} = TNSim::Wire::Listener->new(
        host => '127.0.0.1', port => 0, on_peer => sub ($peer) { $weak->_peer($peer) },
    );
    return $self;
}

sub url ($self) { return 'http://127.0.0.1:' . $self->{listener}->port }

sub stop ($self) { return $self->{listener}->stop }

sub _peer ($self, $peer) {
    TNSim::Wire::Http->new(
        peer       => $peer,
        on_request => sub ($http, $request) { $self->_request($http, $request) },
        on_close   => sub { $self->{listener}->forget($peer) },
    );
    return;
}

my %ROUTE = (
    'GET /stats'  => sub ($self, $) { $self->{server}->journal->stats },
    'GET /world'  => \&_dump,
    'GET /fault'  => sub ($self, $) { $self->{server}->faults->dump },
    'POST /reset' => \&_reset,
    'POST /fault' => \&_fault,
    'POST /world' => \&_world,
);

sub _request ($self, $http, $request) {
    my $name = $request->method . ' ' . $request->url->path->to_string;
    if ($name eq 'GET /log') {
        return $http->reply(
            200, { 'Content-Type' => 'application/x-ndjson' },
            $self->{server}->journal->log_lines
        );
    }
    my $code = $ROUTE{$name} // return $http->reply(404, {}, '');
    my $answer =
        eval { $code->($self, length $request->body ? decode($request->body) : {}) };
    if (my $error = $@) {
        my $text = ref $error && eval { $error->can('reason') } ? $error->reason : "$error";
        chomp $text;
        return $http->reply(
            400, { 'Content-Type' => 'application/json' },
            encode({ error => $text }));
    }
    return $http->reply(200, { 'Content-Type' => 'application/json' }, encode($answer));
}

# Counters, log and faults; {"keep": ["log"]} spares what is named.
sub _reset ($self, $spec) {
    my %keep    = map { $_ => 1 } @{ $spec->{keep} // [] };
    my $journal = $self->{server}->journal;
    my $log     = $journal->{log};
    $journal->reset;
    $journal->{log} = $log         if $keep{log};
    $self->{server}->faults->clear if !$keep{faults};
    return { ok => TNSim::Json::true };
}

# One fault, or a list of them; {"clear": true} takes all back.
sub _fault ($self, $spec) {
    my $faults = $self->{server}->faults;
    if (ref $spec eq 'HASH' && $spec->{clear}) { $faults->clear; return { ids => [] } }
    my @specs = ref $spec eq 'ARRAY' ? @$spec : ($spec);
    my @ids   = map { $faults->add($_) } @specs;
    return { ids => \@ids };
}

my %MINE = (
    quirk => sub ($self, $value) {
        $self->{server}->set_quirk($_, $value->{$_}) for sort keys %$value;
        return undef;
    },
    keys => sub ($self, $value) {
        return [map { $self->{server}->keys->apply($_) }
                ref $value eq 'ARRAY' ? @$value : ($value)];
    },
    users => sub ($self, $value) {
        $self->{server}{users}{ $_->{name} } = $_
            for ref $value eq 'ARRAY' ? @$value : ($value);
        return undef;
    },
    limiter => sub ($self, $value) { $self->{server}->limiter->set($value); return undef },
    rtt       => sub ($self, $value) { $self->{server}{rtt}       = $value; return undef },
    fragment  => sub ($self, $value) { $self->{server}{fragment}  = $value; return undef },
    idle      => sub ($self, $value) { $self->{server}{idle}      = $value; return undef },
    job_delay => sub ($self, $value) { $self->{server}{job_delay} = $value; return undef },
    wrong_key_delay =>
        sub ($self, $value) { $self->{server}{wrong_key_delay} = $value; return undef },
    login_cost =>
        sub ($self, $value) { $self->{server}{login_cost} = $value; return undef },
    scram_iterations => sub ($self, $value) {
        my $keys = $self->{server}->keys;
        $keys->{iterations} = $value;
        delete $_->{scram} for $keys->all;
        return undef;
    },
    standby  => sub ($self, $value) { $self->{server}->set_standby($value); return undef },
    licensed =>
        sub ($self, $value) { $self->{server}{licensed} = $value ? 1 : 0; return undef },
    failover => sub ($self, $value) { $self->{server}{failover} = $value; return undef },
    ready => sub ($self, $value) { $self->{server}{ready} = $value ? 1 : 0; return undef },
    clock_offset =>
        sub ($self, $value) { $self->{server}{clock_offset} = $value; return undef },
    check_replies => sub ($self, $value) {
        $self->{server}{check_replies} = $value ? 1 : 0;
        return undef;
    },
    expire_sessions =>
        sub ($self, $) { $_->expire for $self->{server}->conns; return undef },
    close_sessions =>
        sub ($self, $) { $_->{peer}->close for $self->{server}->conns; return undef },
    certificate => sub ($self, $value) { $self->{front}->new_certificate($value) },
    restart     => sub ($self, $value) {
        $self->{server}->restart(ref $value ? $value->{ms} // 500 : $value);
        return undef;
    },
);

# What is not tnsim's own goes to the model.
sub _world ($self, $spec) {
    my (%answer, %rest);
    for my $name (sort keys %$spec) {
        if (my $code = $MINE{$name}) { $answer{$name} = $code->($self, $spec->{$name}) }
        else                         { $rest{$name} = $spec->{$name} }
    }
    if (%rest) {
        my $told = $self->{server}->world->apply(\%rest);
        %answer = (%answer, %$told) if ref $told eq 'HASH';
    }
    return \%answer;
}

sub _dump ($self, $) {
    my $server = $self->{server};
    my $world  = $server->world->dump;
    return {
        %$world, release => $server->release->name, quirks => { %{ $server->{quirks} } },
        keys => [
            map { my %key = %$_; delete @key{qw(secret scram salt)}; \%key }
                $server->keys->all
        ],
        api_sessions => [
            map {
                +{
                    id   => $_->id, transport => $_->transport, origin => $_->origin,
                    user => $_->user ? $_->user->{name} : undef,
                }
            } sort { $a->id <=> $b->id } $server->conns
        ],
        limiter => $server->limiter->dump,
    };
}

1;
