# SPDX-License-Identifier: Apache-2.0
# iscsi.auth.*: CHAP credentials, grouped by tag.
package TNSim::Methods::ISCSI::Auth;
use v5.36;
use TNSim::Error;
use TNSim::Model::Crud    qw(readers found);
use TNSim::Model::Handler qw(methods_of);

my $CLASS = 'iSCSITargetAuthCredential';

sub methods {
    my %all = (
        readers('auth', $CLASS, \&_row),
        create => { code => \&create }, update => { code => \&update },
        delete => { code => \&delete },
    );
    return methods_of(map { ("iscsi.auth.$_" => $all{$_}) } keys %all);
}

sub _row ($call, $row) {
    my %shown = (
        id         => $row->{id} + 0, tag      => $row->{tag} + 0, user => $row->{user},
        secret     => $row->{secret}, peeruser => $row->{peeruser},
        peersecret => $row->{peersecret},
    );
    $shown{discovery_auth} = $row->{discovery_auth} // 'NONE'
        if $call->world->is_at_least('25.04');
    return \%shown;
}

sub _check ($call, $schema, $row) {
    my @bad;
    my $complain = sub ($field, $text) { push @bad, ["iscsi_auth_$schema.$field", $text] };
    for my $field (qw(secret peersecret)) {
        my $secret = $row->{$field} // '';
        next if $field eq 'peersecret' && $secret eq '';
        $complain->($field, 'Secret must be between 12 and 16 characters.')
            if length $secret < 12 || length $secret > 16;
        $complain->($field, 'Secret contains leading or trailing space.')
            if $secret =~ /\A\s|\s\z/ && $call->world->is_at_least('23.10');
    }
    my ($peer, $secret) = @$row{qw(peeruser peersecret)};
    $complain->('peersecret', 'The peer user is required if you set a peer secret.')
        if $secret ne '' && $peer eq '';
    $complain->('peersecret', 'The peer secret is required if you set a peer user.')
        if $peer ne '' && $secret eq '';
    $complain->('peersecret', 'The peer secret cannot be the same as user secret.')
        if $secret ne '' && $secret eq $row->{secret};
    if (($row->{discovery_auth} // 'NONE') eq 'CHAP_MUTUAL') {
        my @others = grep {
            ($_->{discovery_auth} // '') eq 'CHAP_MUTUAL'
                && $_->{id} != ($row->{id} // 0)
        } $call->world->iscsi->rows('auth');
        $complain->(
            'discovery_auth',
            'Cannot specify CHAP_MUTUAL as only one such entry is permitted.'
        ) if @others;
        $complain->(
            'discovery_auth',
            'Cannot specify CHAP_MUTUAL if peer_user has not been defined.'
        ) if $peer eq '';
    }
    die TNSim::Error->validation(@bad) if @bad;
    return;
}

my @FIELD = qw(tag user secret peeruser peersecret discovery_auth);

sub create ($call) {
    my $data = $call->args->[0];
    my %row  = (
        peeruser => '', peersecret => '', discovery_auth => 'NONE',
        map { $_ => $data->{$_} } grep { defined $data->{$_} } @FIELD
    );
    _check($call, 'create', \%row);
    my $row = $call->world->iscsi->insert('auth', \%row);
    $call->world->iscsi->reload;
    return _row($call, $row);
}

sub update ($call) {
    my ($id, $data) = @{ $call->args };
    my $row    = found($call, 'auth', $CLASS, $id);
    my %change = map { $_ => $data->{$_} } grep { defined $data->{$_} } @FIELD;
    _check($call, 'update', { %$row, %change });
    $call->world->iscsi->update('auth', $id, \%change);
    $call->world->iscsi->reload;
    return _row($call, $row);
}

# The last credential of a tag that a target refers to must stay.
sub delete ($call) {
    my $id    = $call->args->[0];
    my $iscsi = $call->world->iscsi;
    my $row   = found($call, 'auth', $CLASS, $id);
    my $alone = 1 == grep { $_->{tag} == $row->{tag} } $iscsi->rows('auth');
    my @users = grep {
        grep { defined $_->{auth} && $_->{auth} == $row->{tag} }
            @{ $_->{groups} }
    } $iscsi->rows('target');
    die TNSim::Error->call('EFAULT',
              "Authorized access of $row->{tag} is being used by the "
            . 'following target(s): '
            . join(', ', map { $_->{name} } @users))
        if $alone && @users;
    $iscsi->remove('auth', $id);
    $iscsi->reload;
    return JSON::PP::true();
}

1;
