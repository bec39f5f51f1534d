# SPDX-License-Identifier: Apache-2.0
# core.*: ping, jobs, bulk, options and subscriptions.
package TNSim::Core::Core;
use v5.36;
use Mojo::Promise;
use TNSim::Error;
use TNSim::Json qw(false true);
use TNSim::Query;
use TNSim::Uuid;

sub methods () {
    return {
        'core.ping'        => { code => sub ($call) {'pong'} },
        'core.get_jobs'    => { code => \&_get_jobs },
        'core.job_wait'    => { code => \&_job_wait },
        'core.job_abort'   => { code => \&_job_abort },
        'core.bulk'        => { code => \&_bulk },
        'core.set_options' => { code => \&_set_options },
        'core.subscribe'   => { code => \&_subscribe },
        'core.unsubscribe' => { code => \&_unsubscribe },
        'core.get_methods' => { code => \&_get_methods, schema => 0 },
    };
}

sub _visible ($call, $job) {
    return $call->user->{full} || ($job->{owner} // '') eq $call->user->{name};
}

sub _get_jobs ($call) {
    my @rows = map { $_->row($call->release) }
        grep { _visible($call, $_) } $call->server->jobs->all;
    return $call->rows_query(\@rows);
}

sub _job ($call) {
    my $id  = $call->arg(0);
    my $job = $call->server->jobs->get($id);
    return $job if $job && _visible($call, $job);
    die TNSim::Error->call('ENOENT', "Job with id $id does not exist")
        if $call->method eq 'core.job_abort';
    die TNSim::Error->not_found("Job $id does not exist");
}

# Is a job itself, that ends as the other one does.
sub _job_wait ($call) {
    my $promise = Mojo::Promise->new;
    _job($call)->wait(sub ($job) {
        $job->state eq 'SUCCESS'
            ? $promise->resolve($job->result)
            : $promise->reject($job->error
                // TNSim::Error->call('EFAULT', 'Job was aborted'));
    });
    return $promise;
}

sub _job_abort ($call) {
    my $job = _job($call);
    die TNSim::Error->call('EINVAL', 'Job is not abortable') if $job->finished;
    $job->end('ABORTED', undef);
    return undef;
}

# One item of core.bulk: {job_id, result, error}.
sub _bulk_item ($call, $method, $params) {
    my %layout  = $call->quirk('core_bulk_job_id') ? (job_id => undef) : ();
    my $promise = Mojo::Promise->new;
    my $fail    = sub ($error) {
        $error = TNSim::Error->from($error);
        my $text = $error->reason =~ s/\n\z//r;
        $promise->resolve({ %layout, result => undef, error => $text });
    };
    my $got;
    if (!eval { $got = $call->server->call_checked($call, $method, $params); 1 }) {
        $fail->($@);
    } elsif (ref $got && eval { $got->isa('TNSim::Job') }) {
        $got->wait(sub ($job) {
            return $fail->($job->error) if $job->state ne 'SUCCESS';
            $promise->resolve(
                { job_id => $job->id, result => $job->result, error => undef });
        });
    } else {
        Mojo::Promise->resolve($got)->then(
            sub ($value) {
                $promise->resolve({ %layout, result => $value, error => undef });
            },
            $fail
        );
    }
    return $promise;
}

sub _bulk ($call) {
    my ($method, $list, $description) = @{ $call->args };
    die TNSim::Error->call('ENOMETHOD', "Method '$method' not found")
        if !$call->server->registry->method($method);
    $call->job->{description} = $description;
    my ($done, @results) = (0);
    my $chain = Mojo::Promise->resolve;
    for my $params (@{ $list // [] }) {
        $chain =
            $chain->then(sub { _bulk_item($call, $method, $params) })->then(sub ($item) {
            push @results, $item;
            $call->progress(int(100 * ++$done / @$list), '');
            });
    }
    return $chain->then(sub { \@results });
}

sub _set_options ($call) {
    my $options = $call->arg(0);
    $call->conn->{options}{$_} = $options->{$_} for keys %$options;
    return undef if $call->release->before('25.10');
    return {
        legacy_jobs => true, private_methods => false, py_exceptions => false,
        %{ $call->conn->{options} },
    };
}

sub _subscribe ($call) {
    my $ident = TNSim::Uuid::random();
    $call->conn->{subscriptions}{$ident} = $call->arg(0);
    return $ident;
}

sub _unsubscribe ($call) {
    delete $call->conn->{subscriptions}{ $call->arg(0) };
    return undef;
}

sub _get_methods ($call) {
    my %out;
    for my $name ($call->server->registry->names) {
        my $method = $call->server->registry->method($name);
        next if $method->{private};
        $out{$name} = {
            filterable => TNSim::Json::bool($method->{filterable}),
            job        => TNSim::Json::bool($method->{job}), roles => $method->{roles},
        };
    }
    return \%out;
}

1;
