# SPDX-License-Identifier: Apache-2.0
# The legacy protocol of /websocket, in the manner of Meteor's DDP.
package TNSim::Dialect::Ddp;
use v5.36;
use parent 'TNSim::Dialect::Socket';
use TNSim::Error;
use TNSim::Json qw(encode);

sub bad_json ($self) {
    return $self->{ws}->close(1007, 'Expecting value: line 1 column 1 (char 0)');
}

sub receive ($self, $message) {
    return $self->{ws}->close(1007, 'Invalid Message Format') if ref $message ne 'HASH';
    my $msg = $message->{msg} // '';
    if ($msg eq 'connect') {
        return $self->send({ msg => 'failed', version => '1' })
            if ($message->{version} // '') ne '1';
        $self->{connected} = 1;
        return $self->send({ msg => 'connected', session => $self->session });
    }
    return $self->send({ msg => 'failed', version => '1' }) if !$self->{connected};
    return $self->_method($message)                         if $msg eq 'method';
    if ($msg eq 'ping' && $self->server->quirk('legacy_pong')) {
        return $self->send(
            { msg => 'pong', exists $message->{id} ? (id => $message->{id}) : () });
    }
    if ($msg eq 'sub')   { return $self->_sub($message) }
    if ($msg eq 'unsub') { delete $self->{subscriptions}{ $message->{id} // '' } }
    return;
}

sub _sub ($self, $message) {
    if (!$self->user) {
        return $self->send({
            msg   => 'result', id => $message->{id},
            error => $self->_dict(13, 'Not authorized') });
    }
    $self->{subscriptions}{ $message->{id} } = $message->{name};
    return $self->send({ msg => 'ready', subs => [$message->{id}] });
}

sub _method ($self, $message) {
    my $bad =
         !defined $message->{method} ? "Message is malformed: 'method' is absent."
        : ref($message->{params} // []) ne 'ARRAY' ? '`params` must be a list.'
        :                                            undef;
    if (defined $bad) {
        return $self->send(
            { msg => 'result', id => $message->{id}, error => $self->_dict(22, $bad) });
    }
    return $self->server->submit(
        $self,
        {
            id     => $message->{id}, method => $message->{method},
            params => $message->{params} // [],
        });
}

sub _dict ($self, $errno, $reason, %more) {
    return {
        error  => $errno,  errname => TNSim::Error::name_of($errno), type => undef,
        reason => $reason, trace   => undef, extra => undef, %more,
    };
}

sub _error ($self, $error, $method) {
    if (ref $error eq 'HASH') {
        return $self->_dict(
            109,
            "Maximum number of concurrent calls ($error->{too_many}) has exceeded."
        ) if $error->{too_many};
        return $self->_dict($error->{code}, $error->{message}) if $error->{code} != -32_601;
        my ($service, $name) = $method =~ /\A(.*)\.([^.]*)\z/ ? ($1, $2) : ('', $method);
        return $self->_dict(201, "[ENOMETHOD] Method '$name' not found in '$service'");
    }
    my %trace =
        (class => $error->class, formatted => '...', repr => $error->repr, frames => []);
    my $items = $error->items;
    if ($error->kind eq 'not_found') {
        return $self->_dict(
            2, $error->reason, type => 'VALIDATION', trace => \%trace,
            extra => $items
        );
    }
    if ($error->kind eq 'validation') {
        return $self->_dict(
            11, $error->reason, type => 'VALIDATION', trace => \%trace,
            extra => $items
        );
    }
    return $self->_dict(
        $error->errno, $error->reason, trace => \%trace,
        extra => $error->extra
    );
}

sub render ($self, $request, $outcome) {
    my %reply = (msg => 'result', id => $request->{id});
    if ($outcome->{error}) {
        $reply{error} = $self->_error($outcome->{error}, $request->{method});
    } else {
        $reply{result} = $outcome->{result};
    }
    return encode(\%reply);
}

sub stray ($self) { return encode({ msg => 'result', id => 'nobody', result => undef }) }

sub event ($self, $kind, $collection, $id, $fields) {
    return $self->send(
        { msg => $kind, collection => $collection, id => $id, fields => $fields });
}

1;
