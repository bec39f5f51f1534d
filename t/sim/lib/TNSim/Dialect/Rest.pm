# SPDX-License-Identifier: Apache-2.0
# REST v2.0, up to 25.10: paths to methods, bodies to arguments, outcomes to statuses.
package TNSim::Dialect::Rest;
use v5.36;
use parent 'TNSim::Conn';
use MIME::Base64 qw(decode_base64);
use Mojo::Util   qw(url_unescape);
use TNSim::Error;
use TNSim::Json qw(encode false true);

my %OP =
    (eq => '=', neq => '!=', gt => '>', lt => '<', gte => '>=', lte => '<=', regex => '~');
my @JSON = ('Content-Type' => 'application/json; charset=utf-8');
my %SCOPE;    # by address: requests of one client are outstanding together

sub new ($class, %field) {
    my $self = $class->SUPER::new(%field, id => $field{peer}->id);
    $self->server->attach($self);
    return $self;
}

sub trip_scope ($self) { return $SCOPE{ $self->address } //= { outstanding => 0 } }

sub event ($self, @) {return}

sub cut ($self, $fault) {
    $fault->{reset} ? $self->{peer}->abort : $self->{peer}->close;
    return;
}

sub close_frame ($self, $fault) { return $self->cut($fault) }

sub silence ($self, $deaf) { return $self->{peer}->silence($deaf) }

sub _table ($server) {
    return $server->{rest_table} //= do {
        my %table;
        for my $name ($server->registry->names) {
            my $method = $server->registry->method($name);
            my $rest   = $method->{rest} // next;
            $table{"$rest->{verb} $rest->{path}"} = $method;
        }
        \%table;
    };
}

# The method and the id in the path; the id keeps its slashes only in encoded form.
sub _find ($self, $verb, $path) {
    my $table = _table($self->server);
    my $plain = $path =~ s{/\z}{}r;
    return ($table->{"$verb $plain"}) if $table->{"$verb $plain"};
    my ($base, $id, $tail) = $plain =~ m{\A(.*/id)/([^/]+)((?:/[a-z_]+)?)\z} or return;
    my $method = $table->{"$verb $base/{id}$tail"} // return;
    $id = url_unescape($id);
    return ($method, $id =~ /\A[0-9]+\z/ ? $id + 0 : $id);
}

sub _authenticate ($self, $request) {
    my $server = $self->server;
    my $header = $request->headers->authorization // '';
    if ($header =~ /\ABearer (.+)\z/) {
        my $key = $server->keys->match($1);
        return $server->keys->user($key) if $key && $server->keys->usable($key);
    }
    if ($header =~ /\ABasic (.+)\z/) {
        my ($name, $password) = split /:/, decode_base64($1), 2;
        return $server->password_user($name, $password // '');
    }
    return undef;
}

sub request ($self, $http, $request) {
    my $server = $self->server;
    my $path   = $request->url->path->to_string =~ s{\A/api/v2\.0/}{}r;
    my ($method, @id) = $self->_find($request->method, $path);
    $server->journal->count('rest');
    @$self{qw(http verb)} = ($http, $request->method);
    my $user = $self->_authenticate($request);
    return $self->_early($path, 401, '401: Unauthorized') if !$user;
    return $self->_early($path, 404, '404: Not Found')    if !$method;
    return $self->_early($path, 403, '')
        if !$user->{full} && $server->quirk('rest_full_admin_only');
    $self->login($user);
    my $params = eval { $self->_params($method, \@id, $request) };

    if (my $error = $@) {
        my ($status, $text) = ref $error eq 'ARRAY' ? @$error : (500, "$error");
        my $body = $status == 500 ? encode({ message => $text, traceback => '' }) : $text;
        return $self->_early($path, $status, $body);
    }
    return $server->submit(
        $self,
        { id => undef, method => $method->{name}, params => $params, http => $http });
}

sub _early ($self, $path, $status, $body) {
    $self->server->journal->entry(
        conn   => $self->id,                  transport => 'rest',
        method => "http:$self->{verb} $path", outcome   => "status $status"
    );
    return $self->{http}->reply($status, {}, $body);
}

sub _query_value ($text) {
    return $text + 0 if $text =~ /\A[0-9]+\z/;
    my $lower = lc $text;
    return
          $lower eq 'true'  ? true
        : $lower eq 'false' ? false
        : $lower eq 'null'  ? undef
        :                     $text;
}

# Filters and options out of the query string.
sub _filterable ($request) {
    my (@filters, %options);
    my $pairs = $request->url->query->pairs;
    while (my ($key, $value) = splice @$pairs, 0, 2) {
        if ($key =~ /\A(?:limit|offset|count)\z/) {
            $options{$key} = _query_value($value);
            $options{$key} = $options{$key} ? true : false if $key eq 'count';
        } elsif ($key eq 'sort') {
            $options{order_by} = [split /,/, $value];
        } elsif ($key =~ /\Aextra\.(.+)\z/) {
            $options{extra}{$1} = eval { TNSim::Json::decode($value) }
                // ($value eq 'null' ? undef : die "JSONDecodeError: Expecting value\n");
        } else {
            my ($field, $op) =
                $key =~ /\A(.+?)__(.+)\z/ ? ($1, $OP{$2} // $2) : ($key, '=');
            push @filters, [$field, $op, _query_value($value)];
        }
    }
    return (\@filters, \%options);
}

# The arguments: the id, then the body by the rule of one value or an object of names.
sub _params ($self, $method, $id, $request) {
    if ($request->method eq 'GET') {
        my ($filters, $options) = _filterable($request);
        return [$filters, $options]
            if $method->{filterable} && $method->{name} !~ /\.get_instance\z/;
        return [@$id, %$options ? $options : ()] if $method->{name} =~ /\.get_instance\z/;
        return [@$id];
    }
    my $body = $request->body;
    my $value;
    return [@$id] if !length $body;
    eval { $value = TNSim::Json::decode($body); 1 }
        or die [400, '400: Bad Request (invalid JSON)'];
    my @names = @{ $method->{names} }[scalar(@$id) .. $#{ $method->{names} }];
    return [@$id, $value] if @names == 1;
    return $self->_named($method, $id, \@names, $value);
}

sub _named ($self, $method, $id, $names, $value) {
    die [400, '400: Bad Request (object expected)'] if ref $value ne 'HASH';
    my %known = map { $_ => 1 } @$names;
    my ($odd) = grep { !$known{$_} } sort CORE::keys %$value;
    die [400, "400: Unexpected key $odd"] if defined $odd;
    my @params = @$id;
    my @absent;
    for my $name (@$names) {
        if (!exists $value->{$name}) { push @absent, $name; next }
        die [400, "400: Missing key $absent[0]"] if @absent;
        push @params, $value->{$name};
    }
    return \@params;
}

# [status, body] of an outcome.
sub _answer ($self, $outcome) {
    my $error = $outcome->{error} // return (200, encode($outcome->{result}));
    if (ref $error eq 'HASH') {
        return (
            422,
            encode({ message => $error->{message} // 'Too many requests', errno => 109 }));
    }
    my $kind = $error->kind;
    if ($self->{verb} eq 'GET'
        && ($kind eq 'not_found' || $error->class eq 'MatchNotFound')) {
        return (404, encode({ message => '' }));
    }
    if ($kind eq 'validation' || $kind eq 'not_found') {
        my %body;
        push @{ $body{ $_->[0] // 'null' } }, { message => $_->[1], errno => $_->[2] }
            for @{ $error->items };
        return (422, encode(\%body));
    }
    if ($kind eq 'call') {
        return (403, '') if $error->errname eq 'EACCES';
        return (422, encode({ message => $error->text, errno => $error->errno }));
    }
    return (
        500,
        encode({
            message   => $error->reason,
            traceback => 'Traceback (most recent call last): ...'
        }));
}

sub render ($self, $request, $outcome) {
    my ($status, $body) = $self->_answer($outcome);
    return $request->{http}->render($status, { length $body ? @JSON : () }, $body);
}

sub deliver ($self, $bytes, $fault, $) {
    my ($http, $peer) = @$self{qw(http peer)};
    return $http->send($bytes) if !$fault;
    my $kind = $fault->{do};
    if ($kind eq 'half') {
        $peer->write(substr $bytes, 0, $fault->{bytes} // length($bytes) / 2);
        return $fault->{cut} ? $peer->finish : $peer->silence(1);
    }
    if ($kind eq 'raw') { return $peer->write(pack 'H*', $fault->{hex} // '') }
    if ($kind eq 'garbage') {
        return $http->reply(200, {@JSON}, $fault->{bytes} // '{"a":');
    }
    if ($kind eq 'status') {
        return $http->reply($fault->{status} // 503, {}, $fault->{body} // '');
    }
    $peer->slow($fault->{ms} // 1000) if $kind eq 'slow';
    return $http->send($bytes);
}

1;
