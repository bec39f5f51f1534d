#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Logging in, in every release's way: API.md 1.4 and 2.
use v5.36;
use Digest::SHA  qw(hmac_sha512 sha512);
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use FindBin ();
use lib "$FindBin::Bin/../lib";
use TNSim::Test;

my ($true, $false) = (TNSim::Test::true, TNSim::Test::false);
my $nas   = TNSim::Test->start('25.10');
my $wrong = '1-' . 'x' x 64;

sub plain ($key, $user = 'root', @options) {
    return (
        'auth.login_ex',
        { mechanism => 'API_KEY_PLAIN', username => $user, api_key => $key, @options });
}

my $ws    = $nas->rpc(undef);
my $early = $ws->call('pool.dataset.query', [], {});
is_deeply [@{ $early->{error} }{qw(code message)}], [-32_001, 'Method call error'],
    'a call before login';
is_deeply [@{ $early->{error}{data} }{qw(error errname reason extra)}],
    [207, 'ENOTAUTHENTICATED', '[ENOTAUTHENTICATED] Not authenticated', undef],
    'is ENOTAUTHENTICATED';
is $ws->result('core.ping'), 'pong', 'core.ping needs no login on 25.10';
is_deeply $ws->result(plain($wrong)), { response_type => 'AUTH_ERR' },
    'a wrong key is a result, not an error';
is_deeply $ws->result(plain($nas->{api_key}, 'nobody')), { response_type => 'AUTH_ERR' },
    'the key of another user';
my $in =
    $ws->result(plain($nas->{api_key}, 'root', login_options => { user_info => $false }));
is_deeply $in,
    { response_type => 'SUCCESS', user_info => undef, authenticator => 'LEVEL_1' },
    'a login without user_info';
is $ws->result(plain($nas->{api_key}))->{user_info}{pw_name}, 'root', 'a login with it';
is $ws->result('auth.me')->{pw_name},                         'root', 'auth.me';
is $ws->result('auth.login_with_api_key', $wrong), $false,
    'login_with_api_key answers false';
ok $ws->result('auth.logout'), 'logout';
is $ws->call('auth.me')->{error}{data}{error}, 207, 'ends the session';
like $nas->rpc(undef)->call('auth.mechanism_choices')->{error}{data}{reason},
    qr/has no attribute/,
    '25.10: mechanism_choices fails before login';
ok !(grep { TNSim::Test::text($_) =~ /\Q$nas->{api_key}\E/ } $nas->log),
    'the log has no key in it';
ok + (grep { $_->{auth} } $nas->log), 'and marks the requests that carry one';

# Keys that no longer count.
my ($gone, $late) = @{
    $nas->world(
        keys => [
            { name => 'gone', revoked => 1 }, { name => 'late', expires => 1 },
        ]
    )->{keys} };
$nas->world(keys => [{ name => 'gone', revoked => 1 }]);
is_deeply $nas->rpc(undef)->result(plain($late)), { response_type => 'EXPIRED' },
    'an expired key';
is_deeply $nas->rpc(undef)->result(plain($gone)), { response_type => 'AUTH_ERR' },
    'a revoked key';
is $nas->rpc(undef)->result('auth.login_with_api_key', $_), $false,
    'neither logs in the old way' for $gone, $late;

# Revocation over a plain line; loopback is exempt unless told otherwise.
for my $release (qw(24.10 25.04 25.10 26)) {
    my $open = TNSim::Test->start($release, plain => 1);
    my $connect =
        $release eq '24.10' ? sub { $open->ddp(undef) } : sub { $open->rpc(undef) };
    ok $connect->()->result('auth.login_with_api_key', $open->{api_key}),
        "$release: plain over loopback is let in";
    $open->world(quirk => { loopback_insecure => 1 });
    my $first = $connect->()->result('auth.login_with_api_key', $open->{api_key});
    if ($release eq '24.10') { is $first, $true, "$release revokes nothing"; next }
    is $first, $false, "$release: over plain http the key is refused";
    $open->world(quirk => { loopback_insecure => 0 });
    is $connect->()->result('auth.login_with_api_key', $open->{api_key}), $false,
        "$release: and revoked for good";
    my ($key) = @{ $open->dump->{keys} };
    ok $key->{revoked}, "$release: as the control address shows";
    my ($new) =
        @{ $open->world(quirk => { loopback_insecure => 1 }, keys => [{ name => 'second' }])
            ->{keys} };
    is_deeply $connect->()->result(plain($new)), { response_type => 'EXPIRED' },
        "$release: login_ex says EXPIRED";
    my $bad = $connect->()->result(plain($wrong));
    is_deeply $bad, { response_type => 'AUTH_ERR' }, "$release: a wrong key says AUTH_ERR";
}

# Twenty a minute.
for my $release (qw(24.04 24.10 25.04 25.10 26)) {
    my $one = TNSim::Test->start($release);
    $one->world(limiter => { sleep => [0.05, 0.05] }, wrong_key_delay => 0);
    my $connect = $release =~ /\A24/ ? sub { $one->ddp(undef) } : sub { $one->rpc(undef) };
    my $c       = $connect->();
    my @good    = map { $c->call('auth.login_with_api_key', $wrong) } 1 .. 20;
    is scalar(grep { exists $_->{result} } @good), 20,
        "$release: twenty attempts are answered";
    my $began = TNSim::Test::now();
    my $next  = $connect->()->call('auth.login_with_api_key', $one->{api_key});
    if ($release eq '24.04') { is $next->{result}, $true, "$release has no limit"; next }
    my $error = $next->{error}{data} // $next->{error};
    is_deeply [@$error{qw(error errname reason)}],
        [16, 'EBUSY', '[EBUSY] Rate Limit Exceeded'],
        "$release: the twenty-first is refused, also on another connection";
    cmp_ok TNSim::Test::now() - $began, '>=', 0.05, "$release: after a sleep";
    is $one->stats->{limited}, 1, "$release: and counted";
    is_deeply $connect->()->call('core.ping')->{error}{data}{errname} // 'none', 'none',
        "$release: another method has its own count" if $release =~ /25\.10|26/;
    $one->world(limiter => { age => 30 });
    my $still = $connect->()->call('auth.login_with_api_key', $one->{api_key});
    ok $still->{error}, "$release: half a minute later it is the same";
    $one->world(limiter => { age => 31 });
    my $again = $connect->()->call('auth.login_with_api_key', $one->{api_key});
    is $again->{result}, $true, "$release: the window ends";
}
my $full = TNSim::Test->start('25.10');
$full->world(limiter => { sleep => 0, table_max => 1 });
$full->rpc(undef)->call('auth.mechanism_choices');
is $full->rpc(undef)->call('core.ping')->{error}{data}{errname}, 'EBUSY',
    'a full table refuses everybody';
my $counted = TNSim::Test->start('24.10');
$counted->world(limiter => { sleep => 0 });
my $inside = $counted->ddp;
$inside->call('auth.login_with_api_key', $counted->{api_key}) for 1 .. 19;
is $inside->call('auth.login_with_api_key', $counted->{api_key})->{error}{error}, 16,
    '24.10 counts logged-in callers too';

# SCRAM-SHA-512 on 26, by RFC 5802.
my $new = TNSim::Test->start('26');

sub scram_keys ($secret, $salt, $count) {
    my $block = hmac_sha512($salt . pack('N', 1), $secret);
    my $sum   = $block;
    for (2 .. $count) { $block = hmac_sha512($block, $secret); $sum ^.= $block }
    return (hmac_sha512('Client Key', $sum), hmac_sha512('Server Key', $sum));
}
sub b64 ($bytes) { return encode_base64($bytes, '') }

sub binding ($c) { return pack 'H*', $c->{socket}->get_fingerprint('sha256') =~ s/.*\$//r }

sub scram ($c, $key, %change) {
    my ($id, $secret) = split /-/, $key, 2;
    my $gs2   = exists $change{data} ? 'p=tls-server-end-point,,' : 'n,,';
    my $nonce = join '', map { chr int rand 256 } 1 .. 32;
    my $bare  = 'n=' . ($change{user} // 'root') . ":$id,r=" . b64($nonce);
    my $first = $c->result(
        'auth.login_ex',
        {
            mechanism => 'SCRAM', scram_type => 'CLIENT_FIRST_MESSAGE',
            rfc_str   => "$gs2$bare"
        });
    return $first if $first->{response_type} ne 'SCRAM_RESPONSE';
    my ($joined, $salt, $count) = $first->{rfc_str} =~ /\Ar=([^,]+),s=([^,]+),i=(\d+)\z/;
    is substr(decode_base64($joined), 0, 32), $nonce,
        'the joined nonce begins with ours, as bytes';
    my ($client, $server) =
        scram_keys($change{secret} // $secret, decode_base64($salt), $count);
    my $without = 'c=' . b64($gs2 . ($change{data} // '')) . ",r=$joined";
    my $message = "$bare,$first->{rfc_str},$without";
    my $proof   = b64($client ^. hmac_sha512($message, sha512($client)));
    my $last    = $c->result(
        'auth.login_ex',
        {
            mechanism => 'SCRAM', scram_type => 'CLIENT_FINAL_MESSAGE',
            rfc_str   => "$without,p=$proof"
        });
    return { %$last, expected => 'v=' . b64(hmac_sha512($message, $server)) };
}
ok + (grep { $_ eq 'SCRAM' } @{ $new->rpc->result('auth.mechanism_choices') }),
    '26 offers SCRAM';
my $c    = $new->rpc(undef);
my $done = scram($c, $new->{api_key});
is $done->{scram_type}, 'SERVER_FINAL_RESPONSE', 'SCRAM succeeds';
is $done->{rfc_str}, $done->{expected}, 'with the signature of a server that knows the key';
is $c->result('auth.me')->{pw_name}, 'root', 'and logs in';
$c = $new->rpc(undef);
is scram($c, $new->{api_key}, data => binding($c))->{response_type}, 'SCRAM_RESPONSE',
    'a client may bind itself to the certificate';
is scram($new->rpc(undef), $new->{api_key}, data => 'x' x 32)->{response_type}, 'AUTH_ERR',
    'and is refused when it saw another one';
is scram($new->rpc(undef), $new->{api_key}, secret => 'y' x 64)->{response_type},
    'AUTH_ERR', 'a wrong proof';
is scram($new->rpc(undef), $new->{api_key}, user => 'nobody')->{response_type}, 'AUTH_ERR',
    'a wrong user';
my $half = $new->rpc(undef)->call(
    'auth.login_ex',
    {
        mechanism => 'SCRAM', scram_type => 'CLIENT_FINAL_MESSAGE',
        rfc_str   => 'c=biws,r=AA==,p=AA=='
    });
like $half->{error}{data}{reason}, qr/not in progress/, 'a final message without a first';
is $nas->rpc(undef)->call(
    'auth.login_ex',
    {
        mechanism => 'SCRAM', scram_type => 'CLIENT_FIRST_MESSAGE',
        rfc_str   => 'n,,n=root:1,r=AA=='
    })->{error}{code}, -32_602, '25.10 does not know SCRAM';
my $plain26 = $new->rpc(undef)->result(plain($new->{api_key}));
ok exists $plain26->{reconnect_token}, '26 answers with a reconnect_token field';

# Roles.
my ($reader, $writer) = @{
    $nas->world(
        keys => [
            { name => 'reader', user => 'svc', roles => ['DATASET_READ'] },
            {
                name  => 'writer', user => 'svc',
                roles => [qw(DATASET_WRITE SHARING_ISCSI_WRITE)]
            },
        ]
    )->{keys} };
my $r = $nas->rpc($reader);
is ref $r->result('pool.dataset.query'), 'ARRAY', 'DATASET_READ may query';
my $denied =
    $r->call('pool.dataset.create', { name => 'tank/x', type => 'FILESYSTEM' })->{error};
is_deeply [@{ $denied->{data} }{qw(error errname reason)}],
    [13, 'EACCES', '[EACCES] Not authorized'], 'and not create';
is $r->call('system.info')->{error}{data}{errname}, 'EACCES',
    'nor ask for what needs READONLY_ADMIN';
my $w = $nas->rpc($writer);
ok $w->result('pool.dataset.create', { name => 'tank/x', type => 'FILESYSTEM' }),
    'DATASET_WRITE may create';
ok $w->result('pool.dataset.query'), 'and query';
is $w->call('pool.dataset.delete', 'tank/x')->{error}{data}{errname}, 'EACCES',
    'DATASET_WRITE does not imply DATASET_DELETE';
ok $w->result('iscsi.extent.query'), 'SHARING_ISCSI_WRITE contains its parts';
is_deeply $w->result('auth.me')->{privilege}{roles},
    { '$set' => [qw(DATASET_WRITE SHARING_ISCSI_WRITE)] }, 'auth.me tells the roles';
my ($ro) = @{ $nas->world(keys => [{ name => 'ro', read_only => 1 }])->{keys} };
my $only = $nas->rpc($ro);
ok $only->result($_), "a read-only key may call $_"
    for qw(pool.query pool.dataset.query system.info iscsi.extent.query);
is $only->call('pool.snapshot.create', { dataset => 'tank', name => 'x' })
    ->{error}{data}{errname}, 'EACCES', 'and change nothing';
my $old = TNSim::Test->start('23.10');
my ($old_ro) = @{ $old->world(keys => [{ name => 'ro', read_only => 1 }])->{keys} };
is $old->ddp($old_ro)
    ->call('pool.dataset.create', { name => 'tank/x', type => 'FILESYSTEM' })
    ->{error}{error}, 13,
    'a read-only key is held to that before roles existed, too';

# Sessions end.
my $s = $nas->rpc;
$nas->world(expire_sessions => 1);
is $s->call('pool.query')->{error}{data}{reason}, '[EACCES] Session is expired',
    'an expired session';
is $s->result('core.ping'), 'pong', 'is not noticed by core.ping';
ok $s->result('auth.login_with_api_key', $nas->{api_key}),
    'a new login on the same connection';
ok $s->result('pool.query'), 'is enough';

# The standby of a pair.
$nas->world(standby => { urls => ['https://192.0.2.1'] });
is $nas->rpc(undef)->result('auth.login_with_api_key', $nas->{api_key}), $false,
    'a standby answers false';
is_deeply $nas->rpc(undef)->result(plain($nas->{api_key})),
    { response_type => 'REDIRECT', urls => ['https://192.0.2.1'] }, 'or REDIRECT';
$nas->world(standby => 0);
ok $nas->rpc(undef)->result('auth.login_with_api_key', $nas->{api_key}),
    'until it is master again';

# A password, where a test wants one.
$nas->world(
    users => [
        { name => 'otpuser', password => 'pw', otp => 1 },
        { name => 'admin',   password => 'pw' }]);
is_deeply $nas->rpc(undef)->result(
    'auth.login_ex',
    { mechanism => 'PASSWORD_PLAIN', username => 'otpuser', password => 'pw' }
    ),
    { response_type => 'OTP_REQUIRED', username => 'otpuser' },
    'a user with a second factor';
is $nas->rpc(undef)->result('auth.login', 'admin', 'pw', undef), $true, 'auth.login';

done_testing;
