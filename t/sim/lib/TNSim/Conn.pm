# SPDX-License-Identifier: Apache-2.0
# One client of the API: who it is, what it has outstanding, and how it is answered.
package TNSim::Conn;
use v5.36;
use TNSim::Uuid;

# server, transport, id, address, origin, secure
sub new ($class, %field) {
    return bless {
        session => TNSim::Uuid::random(), outstanding => 0, unanswered => 0, running => 0,
        waiting => [],
        options => {}, subscriptions => {}, %field,
    }, $class;
}

sub id        ($self)        { return $self->{id} }
sub server    ($self)        { return $self->{server} }
sub transport ($self)        { return $self->{transport} }
sub address   ($self)        { return $self->{address} }
sub origin    ($self)        { return $self->{origin} }
sub secure    ($self)        { return $self->{secure} }
sub session   ($self)        { return $self->{session} }
sub user      ($self)        { return $self->{user} }
sub option    ($self, $name) { return $self->{options}{$name} }
sub closed    ($self)        { return $self->{closed} }
sub jsonrpc   ($self)        { return 0 }

# Who is outstanding together: the connection; for REST the client's address.
sub trip_scope ($self) { return $self }

# What tls-server-end-point names (RFC 5929): the hash of the certificate that was shown.
sub endpoint ($self) { return $self->{endpoint} }

sub login ($self, $user) {
    $self->{user}     = $user;
    $self->{login_at} = time;
    delete $self->{expired};
    return;
}

sub logout ($self) { delete $self->{user}; return }

sub expire ($self) { $self->{expired} = 1 if $self->{user}; return }

sub gone ($self) {
    $self->{closed}  = 1;
    $self->{waiting} = [];
    $self->trip_scope->{outstanding} -= $self->{unanswered};
    $self->{server}->forget($self);
    return;
}

1;
