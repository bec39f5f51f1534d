# SPDX-License-Identifier: Apache-2.0
# JSON-RPC 2.0 over WebSocket, as /api/current speaks it from 25.04 on.
package TNSim::Dialect::JsonRpc;
use v5.36;
use parent 'TNSim::Dialect::Socket';
use TNSim::Error;
use TNSim::Json qw(encode);

my %MESSAGE = (
    -32_601 => 'Method does not exist', -32_602 => 'Invalid params',
    -32_001 => 'Method call error',
);

sub jsonrpc ($self) { return 1 }

sub _protocol_error ($self, $code, $text) {
    return $self->send(
        { jsonrpc => '2.0', error => { code => $code, message => $text }, id => undef });
}

sub bad_json ($self) {
    return $self->_protocol_error(-32_700, 'Expecting value: line 1 column 1 (char 0)');
}

# What is wrong with the envelope, or undef.
sub _complaint ($message) {
    my %known = map { $_ => 1 } qw(jsonrpc method params id);
    for my $name (sort keys %$message) {
        return "Additional properties are not allowed ('$name' was unexpected)"
            if !$known{$name};
    }
    for my $name (qw(jsonrpc method)) {
        return "'$name' is a required property" if !exists $message->{$name};
    }
    return "'2.0' was expected"
        if ref $message->{jsonrpc} || ($message->{jsonrpc} // '') ne '2.0';
    return 'method is not a string'
        if ref $message->{method} || !defined $message->{method};
    return 'params is not of type \'array\''
        if exists $message->{params} && ref $message->{params} ne 'ARRAY';
    return 'id is not valid' if ref $message->{id};
    return undef;
}

sub receive ($self, $message) {
    if (ref $message ne 'HASH') {
        my $text =
            ref $message eq 'ARRAY'
            ? 'Batch messages are not supported at this time'
            : 'Invalid Message Format';
        return $self->_protocol_error(-32_700, $text);
    }
    if (defined(my $complaint = _complaint($message))) {
        return $self->_protocol_error(-32_600, $complaint);
    }
    return $self->server->submit(
        $self,
        {
            id     => $message->{id}, method => $message->{method},
            params => $message->{params} // [],
            silent => !exists $message->{id},
        });
}

# error->{data} as the middleware builds it.
sub _data ($self, $error) {
    my $validation = $error->kind eq 'validation' || $error->kind eq 'not_found';
    my %trace      = (
        class => $error->class, formatted => 'Traceback (most recent call last): ...',
        repr  => $error->repr,
    );
    $trace{frames} = [] if $self->server->quirk('trace_frames');
    return {
        error   => $validation ? 22       : $error->errno,
        errname => $validation ? 'EINVAL' : $error->errname,
        reason  => $error->reason, trace => \%trace,
        extra   => $validation ? $error->items : $error->extra,
    };
}

sub _error ($self, $error) {
    if (ref $error eq 'HASH') {
        my $text =
            $error->{too_many}
            ? "Maximum number of concurrent calls ($error->{too_many}) has exceeded"
            : $error->{message} // $MESSAGE{ $error->{code} };
        return { code => $error->{code}, message => $text };
    }
    my $code =
        $error->kind eq 'validation' || $error->kind eq 'not_found' ? -32_602 : -32_001;
    return { code => $code, message => $MESSAGE{$code}, data => $self->_data($error) };
}

sub render ($self, $request, $outcome) {
    my %reply = (jsonrpc => '2.0', id => $request->{id});
    if   ($outcome->{error}) { $reply{error}  = $self->_error($outcome->{error}) }
    else                     { $reply{result} = $outcome->{result} }
    return encode(\%reply);
}

# A reply to a request that nobody made.
sub stray ($self) { return encode({ jsonrpc => '2.0', id => 'nobody', result => undef }) }

sub event ($self, $kind, $collection, $id, $fields) {
    return $self->send({
        jsonrpc => '2.0', method => 'collection_update',
        params => { msg => $kind, collection => $collection, id => $id, fields => $fields },
    });
}

1;
