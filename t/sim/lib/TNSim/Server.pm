# SPDX-License-Identifier: Apache-2.0
# The fake NAS: from a request of any dialect to its outcome.
package TNSim::Server;
use v5.36;
use Mojo::IOLoop;
use Mojo::Promise;
use Scalar::Util qw(blessed weaken);
use Time::HiRes  ();
use TNSim::Call;
use TNSim::Data;
use TNSim::Error;
use TNSim::Faults;
use TNSim::Job;
use TNSim::Journal;
use TNSim::Json qw(bool encode);
use TNSim::Keys;
use TNSim::Limiter;
use TNSim::Quirks;
use TNSim::Registry;
use TNSim::Releases;
use TNSim::Roles;
use TNSim::Schema;

use constant { RUN_AT_ONCE => 10, OUTSTANDING => 20 };

# release (a name), dir, check_replies, quirks: {name => 0|1}, rtt, fragment, idle
sub new ($class, %field) {
    my $release = TNSim::Releases->new($field{release});
    my $self    = bless {
        check_replies   => 0, conns => {}, rtt => 0, fragment => 16_384,
        wrong_key_delay => 0.05,
        job_delay       => 0, standby => 0, %field, release => $release,
    }, $class;
    weaken(my $weak = $self);
    $self->{quirks} = { %{ TNSim::Quirks->defaults($release) } };
    $self->set_quirk($_, $field{quirks}{$_}) for keys %{ $field{quirks} // {} };
    $self->{data}     = TNSim::Data->new($release);
    $self->{registry} = TNSim::Registry->new(release => $release, data => $self->{data});
    $self->{schema}   = TNSim::Schema->new(
        data       => $self->{data}, release => $release,
        type_error => sub { $weak->quirk('missing_args_type_error') });
    $self->{keys} =
        TNSim::Keys->new(file => $self->{dir} ? "$self->{dir}/keys.json" : undef);
    $self->{limiter} = TNSim::Limiter->new;
    $self->{journal} = TNSim::Journal->new;
    $self->{faults}  = TNSim::Faults->new;
    $self->{jobs}    = TNSim::Job::Table->new(
        on_event => sub ($kind, $job) { $weak->_job_event($kind, $job) });
    $self->{idle} //= $release->at_least('26') ? 3600 : 60;
    return $self;
}

sub release  ($self) { return $self->{release} }
sub world    ($self) { return $self->{world} }
sub keys     ($self) { return $self->{keys} }
sub journal  ($self) { return $self->{journal} }
sub limiter  ($self) { return $self->{limiter} }
sub faults   ($self) { return $self->{faults} }
sub jobs     ($self) { return $self->{jobs} }
sub registry ($self) { return $self->{registry} }
sub standby  ($self) { return $self->{standby} }
sub conns    ($self) { return values %{ $self->{conns} } }

sub quirk ($self, $name) { return $self->{quirks}{$name} }

sub set_quirk ($self, $name, $on) {
    die "there is no quirk '$name'\n" if !exists $self->{quirks}{$name};
    $self->{quirks}{$name} = $on ? 1 : 0;
    return;
}

sub attach ($self, $conn) { $self->{conns}{ $conn->id } = $conn; return }

sub forget ($self, $conn) { delete $self->{conns}{ $conn->id }; return }

# Whether the NAS takes the way to it for a safe one.
sub trusts ($self, $conn) {
    return 1 if $conn->secure;
    return 0 if $self->quirk('loopback_insecure');
    return $conn->address =~ /\A(?:127\.|::1\z|::ffff:127\.)/ ? 1 : 0;
}

# A request {id, method, params} of a connection; its outcome goes to $conn->answer.
sub submit ($self, $conn, $request) {
    my ($method, $journal) = ($request->{method}, $self->{journal});
    $journal->called($method);
    my $scope = $conn->trip_scope;
    my $trip  = $scope->{outstanding}++ ? undef : $journal->trip;
    $conn->{unanswered}++;
    my $entry = $request->{entry} = $journal->entry(
        conn   => $conn->id,          transport => $conn->transport, method => $method,
        params => $request->{params}, id        => $request->{id},
        defined $trip ? (trip => $trip) : (),
    );
    $request->{began} = Time::HiRes::time;
    my $faults = $self->{faults};
    my $fault =
          $faults->any
        ? $faults->hit($method, $faults->wants_params ? encode($request->{params}) : undef)
        : undef;
    if ($fault) {
        $entry->{fault}   = $fault->{do};
        $request->{fault} = $fault;
        return if !$self->_before($conn, $request, $fault);
    }
    return $self->_enter($conn, $request);
}

# Faults that strike before anything is done; false when the request ends here.
sub _before ($self, $conn, $request, $fault) {
    my $kind = $fault->{do};
    if ($kind eq 'drop') { $request->{entry}{outcome} = 'dropped'; return 0 }
    if ($kind eq 'hang') {
        $request->{entry}{outcome} = 'hung';
        $conn->silence(1);
        return 0;
    }
    if ($kind eq 'cut-before') {
        $request->{entry}{outcome} = 'cut';
        $conn->cut($fault);
        return 0;
    }
    if ($kind eq 'restart' && !$fault->{execute}) {
        $request->{entry}{outcome} = 'restarted';
        $self->restart($fault->{ms} // 500);
        return 0;
    }
    if ($kind eq 'close') {
        $request->{entry}{outcome} = 'closed';
        $conn->close_frame($fault);
        return 0;
    }
    if ($kind eq 'expire') { $conn->expire }
    if ($kind eq 'answer' && !$fault->{execute}) {
        $self->_finish($conn, $request, {}, 1);
        return 0;
    }
    if ($kind eq 'fail' && !$fault->{after}) {
        $self->_finish($conn, $request, { error => _fault_error($fault) }, 1);
        return 0;
    }
    return 1;
}

sub _fault_error ($fault) {
    return { code => $fault->{code}, message => $fault->{reason} // 'Fault' }
        if $fault->{code};
    my $items = $fault->{items};
    return TNSim::Error->validation(@$items) if $items;
    return TNSim::Error->call(
        $fault->{errno}  // 'EFAULT',
        $fault->{reason} // 'Injected fault'
    );
}

# Ten run, ten wait, the next is refused.
sub _enter ($self, $conn, $request) {
    if ($self->quirk('concurrency_limit') && $conn->{running} >= RUN_AT_ONCE) {
        if ($conn->{running} + @{ $conn->{waiting} } >= OUTSTANDING) {
            return $self->_finish(
                $conn,                                                    $request,
                { error => { code => -32000, too_many => OUTSTANDING } }, 1
            );
        }
        push @{ $conn->{waiting} }, $request;
        return;
    }
    $conn->{running}++;
    return $self->_work($conn, $request);
}

# A call that has its slot; with "delay" it takes its time before or after it is done.
sub _work ($self, $conn, $request) {
    my $fault = $request->{fault} // {};
    my $late  = ($fault->{do} // '') eq 'delay' ? ($fault->{ms} // 1000) / 1000 : 0;
    my $done  = sub ($outcome) { $self->_finish($conn, $request, $outcome) };
    if (!$late) { return $self->_perform($conn, $request, $done) }
    if ($fault->{before}) {
        Mojo::IOLoop->timer(
            $late => sub ($) {
                return if $conn->closed && $self->quirk('cancel_on_close');
                $self->_perform($conn, $request, $done);
            });
        return;
    }
    return $self->_perform(
        $conn, $request,
        sub ($outcome) {
            Mojo::IOLoop->timer($late => sub ($) { $done->($outcome) });
        });
}

# Runs the call; done->({result => ..} or {error => ..}), perhaps later.
sub _perform ($self, $conn, $request, $done) {
    my $method = $self->{registry}->method($request->{method});
    return $done->({ error => { code => -32601 } }) if !$method;
    if (my $error = $self->_lost_in_version($conn, $method)) {
        return $done->({ error => $error });
    }
    my $wait = $self->_limited($conn, $method);
    if (defined $wait) {
        my $error = TNSim::Error->call('EBUSY', 'Rate Limit Exceeded');
        Mojo::IOLoop->timer($wait => sub ($) { $done->({ error => $error }) });
        return;
    }
    my $ok = eval {
        $self->_authorize($conn, $method);
        $method->{job}
            ? $self->_start_job($conn, $method, $request, $done)
            : $self->_settle($self->_run($conn, $method, $request->{params}), $done);
        1;
    };
    return $done->({ error => TNSim::Error->from($@) }) if !$ok;
    return;
}

# The older addresses of 25.10 lack methods that its own has.
my $LOST =
    qr/\A(?:pool\.dataset\.create|system\.info|service\.start|auth\.login_with_api_key)\z/;

sub _lost_in_version ($self, $conn, $method) {
    my $version = $conn->{version} // 'current';
    return undef
        if $version !~ /\Av25\.04/
        || $method->{name} !~ $LOST
        || !$self->quirk('old_versions_broken');
    return TNSim::Error->call('ENOMETHOD', "Method '$method->{name}' not found");
}

sub _settle ($self, $result, $done) {
    return $done->({ result => $result })
        if !(blessed $result && $result->isa('Mojo::Promise'));
    $result->then(
        sub ($value) { $done->({ result => $value }) },
        sub ($error) { $done->({ error  => TNSim::Error->from($error) }) },
    );
    return;
}

# The seconds that a caller over the login limit is made to wait, else undef.
sub _limited ($self, $conn, $method) {
    return undef if !$method->{nologin} || $method->{name} eq 'core.set_options';
    return undef if !$self->quirk('login_limiter');
    return undef if $conn->user && !$self->quirk('limiter_counts_logged_in');
    my $limiter = $self->{limiter};
    return undef
        if $limiter->allow(
        $method->{name}, $conn->address,
        $self->quirk('limiter_table_full'));
    $self->{journal}->count('limited');
    return $limiter->delay;
}

sub _needs_login ($self, $method) {
    return $self->quirk('ping_needs_login') if $method->{name} eq 'core.ping';
    return !$method->{nologin};
}

sub _authorize ($self, $conn, $method) {
    my $user = $conn->user;
    if (!$user) {
        return if !$self->_needs_login($method);
        die TNSim::Error->call('ENOTAUTHENTICATED', 'Not authenticated');
    }
    die TNSim::Error->call('EACCES', 'Session is expired')
        if $conn->{expired} && $self->_needs_login($method);
    return if !$self->_needs_login($method);
    my $ok =
          $method->{private}
        ? $user->{full}
        : TNSim::Roles::may($user, $method->{name}, $method->{roles});
    die TNSim::Error->call('EACCES', 'Not authorized') if !$ok;
    return;
}

sub _run ($self, $conn, $method, $params, $job = undef) {
    my $args =
        $method->{schema} ? $self->{schema}->check($method->{name}, $params) : $params;
    my $call = TNSim::Call->new(
        method => $method->{name}, args => $args, release => $self->{release},
        world  => $self->{world},  user => $conn->user, server => $self, conn => $conn,
        job    => $job,
    );
    return $method->{code}->($call);
}

# Another method on behalf of the same caller: TNSim::Call->call.
sub call_inside ($self, $call, $name, $params) {
    my $method = $self->{registry}->method($name)
        // die TNSim::Error->call('ENOMETHOD', "Method '$name' not found");
    return $self->_run($call->conn, $method, $params);
}

# As call_inside, for core.bulk: with the caller's roles.
sub call_checked ($self, $call, $name, $params) {
    my $method = $self->{registry}->method($name)
        // die TNSim::Error->call('ENOMETHOD', "Method '$name' not found");
    eval { $self->_authorize($call->conn, $method); 1 }
        or die TNSim::Error->call('EPERM', 'Not authorized');
    return $self->_run($call->conn, $method, $params) if !$method->{job};
    return $self->_new_job($call->conn, $method, $params);
}

sub credentials ($self, $user) {
    return undef if !$user;
    return {
        type => 'API_KEY',
        data => {
            username => $user->{name},
            api_key  => { id => $user->{key}, name => $user->{key_name} }
        },
    };
}

sub _new_job ($self, $conn, $method, $params) {
    my $job = $self->{jobs}->create(
        method      => $method->{name}, arguments => TNSim::Journal::mask($params),
        credentials => $self->credentials($conn->user),
        owner       => $conn->user ? $conn->user->{name} : undef,
    );
    my $go = sub ($) {
        return if $job->finished;
        $job->begin;
        my $end = sub ($outcome) {
            return $job->end('FAILED', undef, $outcome->{error}) if $outcome->{error};
            return $job->end('SUCCESS', $outcome->{result});
        };
        eval { $self->_settle($self->_run($conn, $method, $params, $job), $end); 1 }
            or $end->({ error => TNSim::Error->from($@) });
    };
    $self->{job_delay}
        ? Mojo::IOLoop->timer($self->{job_delay} => $go)
        : Mojo::IOLoop->next_tick($go);
    return $job;
}

# A job answers with its number; with legacy_jobs off, JSON-RPC answers when it ends.
sub _start_job ($self, $conn, $method, $request, $done) {
    my $job    = $self->_new_job($conn, $method, $request->{params});
    my $legacy = $conn->option('legacy_jobs') // 1;
    return $done->({ result => $job->id }) if $legacy || !$conn->jsonrpc;
    $job->wait(sub ($job) {
        $done->(
            $job->state eq 'SUCCESS'
            ? { result => $job->result }
            : { error  => $job->error });
    });
    return;
}

sub _job_event ($self, $kind, $job) {
    for my $conn ($self->conns) {
        next if !$conn->user || !%{ $conn->{subscriptions} };
        next
            if !grep { $_ eq 'core.get_jobs' || $_ eq '*' }
            values %{ $conn->{subscriptions} };
        next if !$conn->user->{full} && ($job->{owner} // '') ne $conn->user->{name};
        $conn->event($kind, 'core.get_jobs', $job->id, $job->row($self->{release}));
    }
    return;
}

# The call is over: the answer leaves, and a waiting call may run.
sub _finish ($self, $conn, $request, $outcome, $never_ran = 0) {
    my $fault = $request->{fault} // { do => '' };
    if ($fault->{do} eq 'fail' && $fault->{after}) {
        $outcome = { error => _fault_error($fault) };
    }
    if ($fault->{do} eq 'answer') { $outcome = { result => $fault->{result} } }
    if (!$outcome->{error} && $self->quirk('reply_extra_fields')) {
        _add_fields($outcome->{result});
    }
    my $entry = $request->{entry};
    $entry->{outcome} = _outcome_text($outcome);
    $entry->{ms}      = int(1000 * (Time::HiRes::time() - $request->{began}) + 0.5);
    $self->_check_reply($request, $outcome);
    if (!$never_ran && $conn->{running}) {
        $conn->{running}--;
        if (my $next = shift @{ $conn->{waiting} }) {
            $conn->{running}++;
            Mojo::IOLoop->next_tick(sub ($) {
                return if $conn->closed && $self->quirk('cancel_on_close');
                $self->_work($conn, $next);
            });
        }
    }
    return $self->_leave($conn, $request, $outcome) if !$self->{rtt};
    Mojo::IOLoop->timer(
        $self->{rtt} / 1000 => sub ($) { $self->_leave($conn, $request, $outcome) });
    return;
}

# Fields that no release has (so far).
sub _add_fields ($result) {
    if    (ref $result eq 'HASH')  { $result->{x_tnsim} = { more => [1, undef, 'text'] } }
    elsif (ref $result eq 'ARRAY') { _add_fields($_) for @$result }
    return;
}

# What no handler meant to die of is tnsim's own fault, and must not stay unseen.
sub _own_fault ($self, $method, $error) {
    return if !$error || ref $error eq 'HASH' || $error->class ne 'Exception';
    $self->{journal}->count('internal');
    print STDERR "tnsim: $method: ", $error->text, "\n";
    return;
}

sub _outcome_text ($outcome) {
    my $error = $outcome->{error} // return 'ok';
    return "code $error->{code}" if ref $error eq 'HASH';
    return 'error '
        . (    $error->kind eq 'validation'
            || $error->kind eq 'not_found' ? "$error->{kind}: " : '')
        . ($error->reason =~ s/\s+\z//r);
}

sub _check_reply ($self, $request, $outcome) {
    if (my $error = $outcome->{error}) {
        $self->{journal}->count('errors');
        return $self->_own_fault($request->{method}, $error);
    }
    return if !$self->{check_replies};
    my $method = $self->{registry}->method($request->{method}) // return;
    return if $method->{job};
    # As the client gets it: blessed booleans, numbers and strings after encoding.
    my $seen = TNSim::Json::decode(encode($outcome->{result}));
    my @bad  = $self->{schema}->check_result($request->{method}, $seen);
    $self->{journal}->violation($request->{method}, @bad) if @bad;
    return;
}

sub _leave ($self, $conn, $request, $outcome) {
    return if $conn->closed;
    my $fault = $request->{fault};
    my $kind  = $fault ? $fault->{do} : '';
    if ($kind eq 'lose') { $request->{entry}{outcome} .= ', reply lost'; return }
    $conn->{unanswered}--;
    $conn->trip_scope->{outstanding}--;
    return if $request->{silent};
    if ($kind eq 'cut')     { return $conn->cut($fault) }
    if ($kind eq 'restart') { return $self->restart($fault->{ms} // 500) }
    my $bytes = $conn->render($request, $outcome);
    return $conn->deliver($bytes, $fault, $request);
}

# The user of a password (POST /world {"users": [{"name", "password", "otp"}]}); there is
# none by itself.
sub password_user ($self, $name, $password) {
    my $user = $self->{users}{ $name // '' } // return undef;
    return undef if ($user->{password} // '') ne ($password // '');
    my @roles = @{ $user->{roles} // [] };
    return {
        name       => $name, full => @roles ? 0 : 1,
        role_names => @roles ? \@roles : ['FULL_ADMIN'],
        roles      => TNSim::Roles::expand(@roles), otp => $user->{otp},
    };
}

# The standby node of a pair keeps nobody's session.
sub set_standby ($self, $value) {
    $self->{standby}      = $value               ? 1              : 0;
    $self->{standby_urls} = ref $value eq 'HASH' ? $value->{urls} : undef;
    if ($value) { $_->{peer}->close for $self->conns }
    return;
}

sub ready ($self) { return $self->{ready} // 1 }

# MASTER, BACKUP, ... of an HA pair, SINGLE otherwise.
sub failover_status ($self) {
    return $self->{failover} if defined $self->{failover};
    return $self->{standby} ? 'BACKUP' : $self->{licensed} ? 'MASTER' : 'SINGLE';
}

# The management service goes away and comes back: sessions and jobs are forgotten.
sub restart ($self, $ms) {
    $_->restart($ms) for @{ $self->{listeners} // [] };
    $self->{jobs}{jobs}    = {};
    $self->{jobs}{next_id} = 1;
    return;
}

1;
