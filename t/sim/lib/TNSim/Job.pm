# SPDX-License-Identifier: Apache-2.0
# The job table: everything that a method does after it has answered with a number.
package TNSim::Job;
use v5.36;
use Scalar::Util ();
use Time::HiRes  qw(time);
use TNSim::Json  qw(date false);

use constant KEEP => 1000;

package TNSim::Job::Table {
    # on_event: told of every change
    sub new ($class, %field) { return bless { jobs => {}, next_id => 1, %field }, $class }

    sub create ($self, %field) {
        my $job = bless {
            id    => $self->{next_id}++, state => 'WAITING', progress => [undef, ''],
            table => $self, waiters => [], started => undef, finished => undef, %field,
            },
            'TNSim::Job';
        Scalar::Util::weaken($job->{table});
        $self->{jobs}{ $job->{id} } = $job;
        my @old = sort { $a <=> $b } keys %{ $self->{jobs} };
        delete $self->{jobs}{$_}
            for @old > TNSim::Job::KEEP ? @old[0 .. $#old - TNSim::Job::KEEP] : ();
        $self->{on_event}->('added', $job);
        return $job;
    }

    sub get ($self, $id) { return $self->{jobs}{$id} }

    sub all ($self) {
        return map { $self->{jobs}{$_} } sort { $a <=> $b } keys %{ $self->{jobs} };
    }
}

sub id     ($self) { return $self->{id} }
sub state  ($self) { return $self->{state} }
sub result ($self) { return $self->{result} }
sub error  ($self) { return $self->{error} }

sub finished ($self) { return $self->{state} =~ /\A(?:SUCCESS|FAILED|ABORTED)\z/ }

sub _tell ($self) { $self->{table}{on_event}->('changed', $self) if $self->{table}; return }

sub progress ($self, $percent, $text) {
    $self->{progress} = [$percent, $text];
    $self->_tell;
    return;
}

sub begin ($self) {
    return if $self->finished;
    @$self{qw(state started)} = ('RUNNING', time);
    $self->_tell;
    return;
}

sub end ($self, $state, $result, $error = undef) {
    return if $self->finished;
    @$self{qw(state result error finished)} = ($state, $result, $error, time);
    $self->{progress}[0] = 100 if $state eq 'SUCCESS';
    $self->_tell;
    $_->($self) for splice @{ $self->{waiters} };
    return;
}

# then->($job) when it is over, at once if it is.
sub wait ($self, $then) {
    return $then->($self) if $self->finished;
    push @{ $self->{waiters} }, $then;
    return;
}

# The row of core.get_jobs; what a release does not know is left out.
sub row ($self, $release) {
    my $error = $self->{error};
    my $validation =
        $error && ($error->kind eq 'validation' || $error->kind eq 'not_found');
    my %row = (
        id => $self->{id},  method      => $self->{method}, arguments => $self->{arguments},
        transient => false, description => $self->{description}, abortable => false,
        logs_path => undef, logs_excerpt => undef,
        progress  => {
            percent => $self->{progress}[0], description => $self->{progress}[1],
            extra   => undef
        },
        result    => $self->{result}, error => $error ? $error->reason : undef,
        exception => $error ? $error->repr : undef,
        exc_info  => $error
        ? {
            repr  => $error->repr,
            type  => $validation ? 'VALIDATION'  : $error->class,
            extra => $validation ? $error->items : undef,
            $release->at_least('24.10')
            ? (errno => $validation ? undef : $error->errno)
            : (),
            }
        : undef,
        state => $self->{state}, time_started => date($self->{started}),
        time_finished => date($self->{finished}),
    );
    $row{credentials}           = $self->{credentials}       if $release->at_least('23.10');
    $row{result_encoding_error} = undef                      if $release->at_least('24.10');
    $row{message_ids}           = $self->{message_ids} // [] if $release->at_least('25.10');
    return \%row;
}

1;
