# SPDX-License-Identifier: Apache-2.0
# auth.*: every way to log in, and who one is then.
package TNSim::Core::Auth;
use v5.36;
use Mojo::IOLoop;
use Mojo::Promise;
use TNSim::Error;
use TNSim::Json qw(bool date false true);
use TNSim::Scram;

sub methods () {
    return {
        'auth.login_with_api_key' => { code => \&_login_with_api_key },
        'auth.login'              => { code => \&_login },
        'auth.login_ex'           => { code => \&_login_ex },
        'auth.login_with_token'   => { code => sub ($call) { _late($call, false) } },
        'auth.logout'             => { code => \&_logout },
        'auth.me'                 => { code => \&_me },
        'auth.mechanism_choices'  => { code => \&_mechanisms },
        'auth.sessions'           => { code => \&_sessions },
    };
}

# A refusal comes late, so that guessing is slow.
sub _late ($call, $answer) {
    $call->server->journal->count('logins_failed');
    return _after($call->server->{wrong_key_delay}, $answer);
}

sub _after ($seconds, $answer) {
    return $answer if !$seconds;
    my $promise = Mojo::Promise->new;
    Mojo::IOLoop->timer($seconds => sub ($) { $promise->resolve($answer) });
    return $promise;
}

# Hashing a key takes the NAS its time (a knob, in seconds).
sub _paid ($call, $answer) { return _after($call->server->{login_cost}, $answer) }

sub _count ($call) { $call->server->journal->count('logins'); return }

# Whatever the key says, spent on a plain line it is lost for good.
sub _revoked_by_transport ($call, $key) {
    my $server = $call->server;
    return 0 if !$server->quirk('revoke_on_insecure') || $server->trusts($call->conn);
    $server->keys->revoke($key, 'Attempt to use over an insecure transport');
    return 1;
}

sub _enter ($call, $key) {
    my $user = $call->server->keys->user($key);
    $call->conn->login($user);
    return $user;
}

sub _login_with_api_key ($call) {
    _count($call);
    my $server = $call->server;
    my $key    = $server->keys->match($call->arg(0));
    return _late($call, false) if !$server->keys->usable($key) || $server->standby;
    return _late($call, false) if _revoked_by_transport($call, $key);
    _enter($call, $key);
    return _paid($call, true);
}

sub _login ($call) {
    _count($call);
    my $user = $call->server->password_user(@{ $call->args }[0, 1]);
    return _late($call, false) if !$user || $call->server->standby;
    $call->conn->login($user);
    return true;
}

sub _success ($call, $user, $options) {
    return {
        response_type => 'SUCCESS',
        user_info     => ($options->{user_info} // 1) ? _user_info($call, $user) : undef,
        authenticator => 'LEVEL_1',
        $call->release->at_least('26') ? (reconnect_token => undef) : (),
    };
}

sub _login_ex ($call) {
    my $request = $call->arg(0);
    my $server  = $call->server;
    my $how     = $request->{mechanism};
    if ($how eq 'SCRAM') { return _scram($call, $request) }
    _count($call);
    if ($server->standby) {
        return {
            response_type => 'REDIRECT',
            urls          => $server->{standby_urls} // ['https://192.0.2.1'] };
    }
    if ($how eq 'API_KEY_PLAIN')  { return _key_plain($call, $request) }
    if ($how eq 'PASSWORD_PLAIN') { return _password_plain($call, $request) }
    return _late($call, { response_type => 'AUTH_ERR' });
}

sub _key_plain ($call, $request) {
    my $keys = $call->server->keys;
    my $key  = $keys->match($request->{api_key});
    $key = undef if $key && $key->{user} ne $request->{username};
    return _late($call, { response_type => 'AUTH_ERR' }) if !$key || $key->{revoked};
    return _late($call, { response_type => 'EXPIRED' })  if $keys->expired($key);
    return _late($call, { response_type => 'EXPIRED' })
        if _revoked_by_transport($call, $key);
    return _paid($call, _success($call, _enter($call, $key), $request->{login_options}));
}

sub _password_plain ($call, $request) {
    my $server = $call->server;
    my $name   = $request->{username};
    my $user   = $server->password_user($name, $request->{password});
    return _late($call, { response_type => 'AUTH_ERR' }) if !$user;
    if ($user->{otp}) { return { response_type => 'OTP_REQUIRED', username => $name } }
    $call->conn->login($user);
    return _success($call, $user, $request->{login_options});
}

# The two messages of RFC 5802; a login is counted once, with the first.
sub _scram ($call, $request) {
    my ($conn, $keys) = ($call->conn, $call->server->keys);
    my $refuse = sub { _late($call, { response_type => 'AUTH_ERR' }) };
    if ($request->{scram_type} eq 'CLIENT_FIRST_MESSAGE') {
        _count($call);
        if ($call->server->standby) {
            return {
                response_type => 'REDIRECT',
                urls          => $call->server->{standby_urls} // ['https://192.0.2.1'] };
        }
        my $exchange = TNSim::Scram->begin($keys, $request->{rfc_str})
            // return $refuse->();
        $conn->{scram} = $exchange;
        return _scram_reply('SERVER_FIRST_RESPONSE', $exchange->server_first, undef);
    }
    my $exchange = delete $conn->{scram}
        // die TNSim::Error->call('EFAULT', 'SCRAM authentication is not in progress');
    my $final = $exchange->finish($request->{rfc_str}, $call->conn->endpoint)
        // return $refuse->();
    my $user = _enter($call, $exchange->key);
    return _scram_reply('SERVER_FINAL_RESPONSE', $final, _user_info($call, $user));
}

sub _scram_reply ($type, $text, $user_info) {
    return {
        response_type => 'SCRAM_RESPONSE', scram_type => $type, rfc_str => $text,
        user_info     => $user_info
    };
}

sub _logout ($call) {
    $call->conn->logout;
    return true;
}

sub _user_info ($call, $user) {
    my $uid = $user->{name} eq 'root' ? 0 : 3001;
    return {
        pw_name           => $user->{name}, pw_gecos => $user->{name},
        pw_dir            => $uid ? '/var/empty'        : '/root',
        pw_shell          => $uid ? '/usr/sbin/nologin' : '/usr/bin/zsh',
        pw_uid            => $uid, pw_gid => $uid, grouplist => [$uid], sid => undef,
        source            => 'LOCAL',
        local             => true, attributes => {},
        two_factor_config => {
            provisioning_uri => undef, secret_configured => false, interval => 30,
            otp_digits       => 6,
        },
        privilege          => _privilege($user),
        account_attributes =>
            ['LOCAL', defined $user->{key} ? 'API_KEY' : (), $uid ? () : 'SYS_ADMIN'],
    };
}

sub _privilege ($user) {
    my @roles = sort @{ $user->{role_names} };
    my @allow = $user->{full} ? ({ method => '*', resource => '*' }) : ();
    return {
        allowlist => \@allow,             roles        => { '$set' => \@roles },
        web_shell => bool($user->{full}), webui_access => bool($user->{full}),
    };
}

sub _me ($call) {
    my ($release, $user) = ($call->release, $call->user);
    my $info = _user_info($call, $user);
    return $info if $release->at_least('25.04');
    delete @$info{qw(account_attributes privilege)};
    delete $info->{two_factor_config} if $release->before('24.04');
    delete $info->{attributes}        if $release->before('23.10');
    return $info                      if $release->at_least('24.10');
    delete @$info{qw(sid source local)};
    $info->{sid_info} = {};
    return $info;
}

sub _mechanisms ($call) {
    if (!$call->user && $call->quirk('mechanism_choices_broken')) {
        die TNSim::Error->bare(
            'AttributeError',
            "'NoneType' object has no attribute 'is_user_session'"
        );
    }
    return [
        'API_KEY_PLAIN', 'TOKEN_PLAIN', 'PASSWORD_PLAIN',
        $call->quirk('scram') ? 'SCRAM' : ()];
}

sub _session_row ($call, $conn) {
    my ($release, $user) = ($call->release, $conn->user);
    my %row = (
        id => $conn->session, current => bool($conn == $call->conn), internal => false,
        origin      => $conn->origin,
        credentials => defined $user->{key} ? 'API_KEY' : 'LOGIN_PASSWORD',
        created_at  => date($conn->{login_at}),
    );
    return \%row if $release->before('24.04');
    $row{credentials_data} = {
        username => $user->{name}, login_at => date($conn->{login_at}),
        $release->at_least('25.10') ? (login_id => $conn->session) : (),
        defined $user->{key}
        ? (api_key => { id => $user->{key}, name => $user->{key_name} })
        : (),
    };
    $row{secure_transport} = bool($call->server->trusts($conn))
        if $release->at_least('25.04');
    return \%row;
}

sub _sessions ($call) {
    my @conns = grep { $_->user } sort { $a->id <=> $b->id } $call->server->conns;
    return $call->rows_query([map { _session_row($call, $_) } @conns]);
}

1;
