#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Every fault that the control address offers, as a client meets it; and the counters.
use v5.36;
use Test::More;
use FindBin ();
use lib "$FindBin::Bin/../lib";
use TNSim::Test;

my $nas = TNSim::Test->start('25.10');
$nas->world(limiter => { calls => 10_000 });

sub create ($name) {
    return ('pool.dataset.create', { name => "tank/$name", type => 'FILESYSTEM' });
}

sub exists_there ($name) {
    return scalar grep { $_->{name} eq "tank/$name" } @{ $nas->dump->{dataset} };
}

# Which request is hit.
my $ws = $nas->rpc;
$nas->fault(
    match  => 'system.*', nth => 2, count => 2, do => 'fail', errno => 'EBUSY',
    reason => 'not now'
);
my @met = map { $ws->call('system.ready')->{error} ? 'fails' : 'works' } 1 .. 5;
is_deeply \@met, [qw(works fails fails works works)],
    'the second and third of the matching calls are hit';
$nas->fault(match => 'system.ready', count => 0, do => 'fail');
is scalar(grep { $ws->call('system.ready')->{error} } 1 .. 5), 5, 'count 0 is for ever';
ok exists $ws->call('system.version')->{result}, 'another method is not hit';
$nas->fault(clear => 1);
ok exists $ws->call('system.ready')->{result}, 'until the faults are cleared';
$nas->fault(match => 'pool.dataset.get_instance', params => 'tank', do => 'fail');
ok exists $ws->call('pool.dataset.get_instance', 'flash')->{result},
    'a fault may look at the parameters';
ok $ws->call('pool.dataset.get_instance', 'tank')->{error},  'and hit only those it names';
ok !eval { $nas->fault(match => '*', do => 'nonsense'); 1 }, 'an unknown fault is refused';

# fail
$nas->fault(
    match  => 'pool.dataset.create', do => 'fail', errno => 'ENOSPC',
    reason => 'out of space'
);
my $error = $ws->call(create('fail'))->{error};
is_deeply [$error->{code}, @{ $error->{data} }{qw(error errname reason)}],
    [-32_001, 28, 'ENOSPC', '[ENOSPC] out of space'], 'fail: the ordered error';
ok !exists_there('fail'), 'fail: nothing was done';
$nas->fault(match => 'pool.dataset.create', do => 'fail', after => 1);
ok $ws->call(create('after'))->{error}, 'fail after: an error';
ok exists_there('after'),               'fail after: and it was done';
$nas->fault(match => 'core.ping', do => 'fail', code => -32_000, reason => 'too many');
is_deeply $ws->call('core.ping')->{error}, { code => -32_000, message => 'too many' },
    'fail: a protocol error';
$nas->fault(
    match => 'core.ping', do => 'fail',
    items => [['data.x', 'Field required', 'EINVAL']]);
is $ws->call('core.ping')->{error}{code}, -32_602, 'fail: a validation error';

# answer
$nas->fault(match => 'core.ping', do => 'answer', result => { odd => [1] });
is_deeply $ws->result('core.ping'), { odd => [1] }, 'answer: any result';

# delay
my $began = TNSim::Test::now();
$nas->fault(match => 'core.ping', do => 'delay', ms => 120);
$ws->call('core.ping');
cmp_ok TNSim::Test::now() - $began, '>=', 0.12, 'delay: the reply is late';

# lose, drop
for my $kind (qw(lose drop)) {
    my $c = $nas->rpc;
    $nas->fault(match => 'pool.dataset.create', do => $kind);
    $c->request(create($kind));
    is_deeply $c->receive(0.2), { silent => 1 }, "$kind: no reply";
    is $c->result('core.ping'), 'pong', "$kind: the connection lives";
    is exists_there($kind) ? 1 : 0, $kind eq 'lose' ? 1 : 0,
        $kind eq 'lose' ? 'lose: but it was done' : 'drop: and it was not done';
}

# cut, cut-before
for my $kind (qw(cut cut-before)) {
    my $c = $nas->rpc;
    $nas->fault(match => 'pool.dataset.create', do => $kind);
    is_deeply $c->call(create($kind)), { ended => 1 }, "$kind: the connection ends";
    is exists_there($kind) ? 1 : 0, $kind eq 'cut' ? 1 : 0,
        "$kind: before or after the work";
}

# close
for my $match ('core.ping', 'http:handshake') {
    $nas->fault(
        match  => $match, do => 'close', code => 1008,
        reason => 'You are not allowed to access this resource'
    );
    my $c = $match eq 'core.ping' ? $nas->rpc : $nas->websocket;
    $c->request('core.ping') if $match eq 'core.ping';
    is_deeply $c->receive,
        { close => 1008, reason => 'You are not allowed to access this resource' },
        "close: a close frame, $match";
}

# hang
my $hung = $nas->rpc;
$nas->fault(match => 'core.ping', do => 'hang');
$hung->request('core.ping');
is_deeply $hung->receive(0.2), { silent => 1 }, 'hang: no reply';
$hung->request('system.ready');
is_deeply $hung->receive(0.2), { silent => 1 }, 'hang: nor to anything after it';
is $nas->rpc->result('core.ping'), 'pong', 'hang: another connection is served';

# half, at every kind of place
for my $bytes (0, 1, 2, 5, 20) {
    my $c = $nas->rpc;
    $nas->fault(match => 'core.ping', do => 'half', bytes => $bytes);
    $c->request('core.ping');
    my $until = TNSim::Test::now() + 20;
    1 while $c->receive(0.05)->{silent}
        && length $c->{buffer} < $bytes
        && TNSim::Test::now() < $until;
    is_deeply $c->receive(0.1), { silent => 1 }, "half: $bytes bytes and then nothing";
    is length $c->{buffer}, $bytes, "half: exactly $bytes bytes";
}
my $cut = $nas->rpc;
$nas->fault(match => 'core.ping', do => 'half', bytes => 3, cut => 1);
is_deeply $cut->call('core.ping'), { ended => 1 },
    'half with cut: the connection ends in the middle';

# garbage, raw, duplicate, unknown-id, event-storm, slow
my $g = $nas->rpc;
$nas->fault(
    match => 'core.ping', do => 'garbage',
    bytes => '{"jsonrpc":"2.0","id":%ID%,"result":'
);
is $g->call('core.ping')->{garbage}, qq({"jsonrpc":"2.0","id":$g->{id},"result":),
    'garbage: any text, with the id filled in';
$nas->fault(match => 'core.ping', do => 'raw', hex => '8302ffff');
is_deeply $g->call('core.ping') && $g->{frames}, [2],
    'raw: any bytes, here a frame with an unknown opcode';
$g = $nas->rpc;
$nas->fault(match => 'core.ping', do => 'duplicate', times => 2);
my $id = $g->request('core.ping');
is_deeply [map { $g->receive->{id} } 1 .. 3], [$id, $id, $id],
    'duplicate: the reply comes again and again';
$nas->fault(match => 'core.ping', do => 'unknown-id');
$g->request('core.ping');
is_deeply [map { $g->receive->{id} } 1, 2], ['nobody', $g->{id}],
    'unknown-id: a reply to nobody first';
$nas->fault(match => 'core.ping', do => 'event-storm', times => 50);
is $g->call('core.ping')->{result}, 'pong', 'event-storm: the reply comes';
is scalar @{ $g->{events} },        50,     'event-storm: after fifty events';
$nas->fault(match => 'core.ping', do => 'slow', ms => 20);
$g->request('core.ping');
my $slow_until = TNSim::Test::now() + 20;
$g->receive(0.01) until length $g->{buffer} || TNSim::Test::now() > $slow_until;
cmp_ok length $g->{buffer}, '<', 20, 'slow: a few bytes come first';
is $g->receive(10)->{result}, 'pong', 'slow: and in the end all';

# expire
my $e = $nas->rpc;
$nas->fault(match => 'pool.query', do => 'expire');
is $e->call('pool.query')->{error}{data}{errname}, 'EACCES',
    'expire: the session ends with this call';

# restart
my ($r1, $r2) = map { $nas->rpc } 1, 2;
$nas->fault(match => 'core.ping', do => 'restart', ms => 2000);
is_deeply $r1->call('core.ping'), { ended => 1 }, 'restart: the connection ends';
is_deeply $r2->receive,           { ended => 1 }, 'restart: all of them';
is $nas->socket, undef, 'restart: none is accepted';
my $until = TNSim::Test::now() + 10;
my $again;
$again = $nas->socket until $again || TNSim::Test::now() > $until;
ok $again, 'restart: until it is back';
is $nas->rpc->result('core.ping'), 'pong', 'restart: with the same key';

# The connection itself.
$nas->fault(match => 'tcp:accept', do => 'refuse');
is $nas->socket, undef, 'tcp:accept refuse: no TLS';
$nas->fault(match => 'tcp:accept', do => 'plaintext');
is $nas->socket, undef, 'tcp:accept plaintext: what comes is no TLS';
$nas->fault(match => 'tcp:accept', do => 'plaintext', bytes => "hello\r\n");
my $bare = $nas->socket(plain => 1);
is readline($bare), "hello\r\n", 'tcp:accept plaintext: but the text';
$nas->fault(match => 'tcp:accept', do => 'hang');
my $held = $nas->socket(plain => 1);
ok !IO::Select->new($held)->can_read(0.2), 'tcp:accept hang: accepted, and nothing said';

# HTTP.
for my $status (301, 403, 404, 500, 503) {
    $nas->fault(
        match   => 'http:handshake', do => 'status', status => $status,
        headers => { Location => 'https://192.0.2.1/' });
    like $nas->websocket->{head}, qr/\AHTTP\/1\.1 $status /,
        "http:handshake: answered with $status";
}
$nas->fault(
    match   => 'http:handshake', do => 'status', status => 101,
    headers => {
        Upgrade => 'websocket', Connection => 'upgrade', 'Sec-WebSocket-Accept' => 'wrong'
    });
like $nas->websocket->{head}, qr/Sec-WebSocket-Accept: wrong/,
    'http:handshake: a wrong Sec-WebSocket-Accept';
$nas->fault(match => 'http:handshake', do => 'half', bytes => 12);
my $top = $nas->socket;
print $top
    "GET /api/current HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
sysread $top, my $piece, 100;
is $piece, 'HTTP/1.1 101', 'http:handshake half: the first bytes of the answer';
$nas->fault(match => 'http:GET /api/versions', do => 'missing');
is $nas->http(GET => '/api/versions')->{status}, 404, 'http:GET /api/versions missing';
is $nas->http(GET => '/api/versions')->{status}, 200, 'once';
$nas->fault(match => 'http:*', do => 'raw', bytes => "SSH-2.0-OpenSSH\r\n", close => 1);
is $nas->http(GET => '/api/versions')->{raw}, "SSH-2.0-OpenSSH\r\n",
    'http: any bytes for an answer';
$nas->fault(match => 'http:GET /api/versions', do => 'slow', ms => 10);
$began = TNSim::Test::now();
is $nas->http(GET => '/api/versions')->{status}, 200, 'http slow: arrives in the end';
cmp_ok TNSim::Test::now() - $began, '>=', 1, 'http slow: byte by byte';

# REST.
$nas->fault(match => 'core.ping', do => 'status', status => 504);
is $nas->rest(GET => 'core/ping')->{status}, 504, 'REST: any status';
$nas->fault(match => 'core.ping', do => 'half', bytes => 30, cut => 1);
is length $nas->rest(GET => 'core/ping')->{raw}, 30, 'REST half: cut in the middle';
$nas->fault(match => 'core.ping', do => 'garbage', bytes => '{"a"');
is $nas->rest(GET => 'core/ping')->{body}, '{"a"', 'REST garbage';

# 26 cancels what a closed connection left running; the others go on.
for my $release ('25.10', '26') {
    my $one = TNSim::Test->start($release);
    my $c   = $one->rpc;
    $one->fault(match => 'pool.dataset.create', do => 'delay', before => 1, ms => 1000);
    $c->request(create('left'));
    $until = TNSim::Test::now() + 20;
    1 until $one->stats->{by_method}{'pool.dataset.create'} || TNSim::Test::now() > $until;
    $c->close;
    my $there = sub {
        grep { $_->{name} eq 'tank/left' } @{ $one->dump->{dataset} };
    };
    $until = TNSim::Test::now() + ($release eq '26' ? 2 : 20);
    1 until $there->() || TNSim::Test::now() > $until;
    is $there->() ? 1 : 0, $release eq '26' ? 0 : 1,
        "$release: a call whose connection closed "
        . ($release eq '26' ? 'is cancelled' : 'goes on');
}

# Counters.
my $c = $nas->rpc;
$nas->reset;
$c->call('core.ping') for 1 .. 3;
is $nas->stats->{trips}, 3, 'three calls one after the other are three trips';
$nas->reset;
$nas->world(rtt => 500);
$c->request('core.ping') for 1 .. 3;
$c->receive for 1 .. 3;
is_deeply [@{ $nas->stats }{qw(calls trips)}], [3, 1], 'three calls sent together are one';
my ($first, $second) = ($nas->rpc, $nas->rpc);
$nas->reset;
$_->request('core.ping') for $first, $second;
$_->receive              for $first, $second;
is $nas->stats->{trips}, 2, 'trips are counted by connection';
$began = TNSim::Test::now();
$first->call('core.ping');
cmp_ok TNSim::Test::now() - $began, '>=', 0.5,
    'the round trip takes the time that was asked for';
$nas->world(rtt => 0);
$nas->reset;
$nas->rest(GET => 'core/ping') for 1, 2;
is $nas->stats->{trips}, 2, 'REST requests one after the other are trips';
my $stats = $nas->stats;
is_deeply [@$stats{qw(calls rest connections)}, $stats->{by_method}{'core.ping'}],
    [2, 2, 2, 2], 'and counted otherwise, too';
$nas->reset;
$nas->rpc;
$stats = $nas->stats;
is_deeply [@$stats{qw(connections http logins calls)}], [1, 1, 1, 1],
    'a login: one connection, one handshake, one call';
my ($line) = $nas->log;
is $line->{method}, 'http:handshake', 'the log begins with the handshake';
my ($login) = grep { ($_->{method} // '') =~ /login/ } $nas->log;
is_deeply $login->{params}, ['***'], 'and masks the key';
is $login->{trip}, 1, 'a line has the number of its trip';

# Switches of a release.
ok !eval { $nas->world(quirk => { nonsense => 1 }); 1 }, 'an unknown quirk is refused';
$nas->world(quirk => { filter_ignored => 1 });
cmp_ok scalar @{ $c->result('pool.query', [['name', '=', 'tank']]) }, '>', 1,
    'quirk filter_ignored: everything comes back';
$nas->world(quirk => { filter_ignored => 0, reply_extra_fields => 1 });
ok $c->result('pool.query')->[0]{x_tnsim}, 'quirk reply_extra_fields: an unknown field';
$nas->world(quirk => { reply_extra_fields => 0 });
my $quirky =
    TNSim::Test->start('25.10', quirk => { legacy_pong => 1, ping_needs_login => 1 });
is $quirky->dump->{quirks}{legacy_pong},                         1,   '--quirk NAME=1';
is $quirky->rpc(undef)->call('core.ping')->{error}{data}{error}, 207, 'and it acts';
my $older = $nas->websocket('/api/v25.04.2');
is $older->call('auth.login_with_api_key', $nas->{api_key})->{error}{data}{error}, 201,
    '25.10: an old address lacks methods';

done_testing;
