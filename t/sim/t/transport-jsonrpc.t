#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# JSON-RPC as API.md 1.1 describes it.
use v5.36;
use Test::More;
use FindBin ();
use lib "$FindBin::Bin/../lib";
use TNSim::Test;

for my $release (qw(22.12 23.10 24.04 24.10)) {
    my $nas = TNSim::Test->start($release);
    is $nas->http(GET => '/api/versions')->{status}, 404, "$release has no /api/versions";
    like $nas->websocket->{head}, qr/\AHTTP\/1\.1 404/, "$release has no /api/current";
}

my %HAS = ('25.04' => 'v25.04.2', '25.10' => 'v25.10.5', '26' => 'v26.0.0');
for my $release (sort keys %HAS) {
    my $nas  = TNSim::Test->start($release);
    my $list = $nas->http(GET => '/api/versions')->{json};
    is $list->[-1], $HAS{$release}, "$release lists $HAS{$release} as its newest version";
    is $list->[0],  'v24.10',       "$release still lists v24.10";
    my $ws = $nas->rpc;
    is_deeply $ws->call('core.ping'), { jsonrpc => '2.0', id => 2, result => 'pong' },
        "$release: an envelope";
    my $old = $nas->websocket("/api/$HAS{$release}");
    ok $old->result('auth.login_with_api_key', $nas->{api_key}),
        "$release: the newest version's address";
    like $nas->websocket('/api/v99.1.0')->{head}, qr/\AHTTP\/1\.1 404/,
        "$release: an unknown version";
}

my $nas = TNSim::Test->start('25.10');
my $ws  = $nas->rpc;

sub refused ($sent, $code, $what) {
    $ws->send($sent);
    my $reply = $ws->receive;
    is $reply->{error}{code}, $code, "$what gets $code";
    ok !exists $reply->{error}{data}, "$what gets no data";
    return $reply;
}

my $batch = refused(
    '[{"jsonrpc":"2.0","id":1,"method":"core.ping","params":[]}]', -32_700,
    'a batch'
);
is $batch->{error}{message}, 'Batch messages are not supported at this time',
    'the words about a batch';
is $batch->{id}, undef, 'a batch is refused without an id';
refused('{"jsonrpc"',                                    -32_700, 'bad JSON');
refused('{"jsonrpc":"1.0","id":1,"method":"core.ping"}', -32_600, 'another version');
refused(
    '{"jsonrpc":"2.0","id":1,"method":"core.ping","params":{}}', -32_600,
    'params that are no array'
);
refused(
    '{"jsonrpc":"2.0","id":1,"method":"core.ping","extra":1}', -32_600,
    'a field that is not known'
);
my $unknown = refused(
    { jsonrpc => '2.0', id => 2, method => 'no.such', params => [] }, -32_601,
    'an unknown method'
);
is $unknown->{error}{message}, 'Method does not exist', 'the words about an unknown method';
is $ws->result('core.ping'),   'pong',                  'the connection survived all that';

$ws->send({ jsonrpc => '2.0', method => 'core.ping', params => [] });
is $ws->call('core.ping')->{id}, $ws->{id}, 'a request without an id is not answered';
my $log = (grep { $_->{method} eq 'core.ping' } $nas->log)[-2];
is $log->{outcome}, 'ok', 'and was executed all the same';

$ws->frame(9, 'are you there');
$ws->call('core.ping');
is_deeply $ws->{control}, [[10, 'are you there']],
    'a ping frame is answered with its payload';
is $nas->stats->{pings}, 1, 'and counted';

my $halves = $nas->rpc;
$halves->frame(1, '{"jsonrpc":"2.0","id":9,', 0);
$halves->frame(9, 'between');
$halves->frame(0, '"method":"core.ping","params":[]}');
is $halves->receive->{id}, 9, 'a request in two fragments with a ping between them';

my $binary = $nas->rpc;
$binary->frame(2, 'x');
is $binary->receive->{close}, 1003, 'a binary frame closes with 1003';

# Limits on the message, in characters.
for my $release (qw(24.10 25.10)) {
    my $one     = TNSim::Test->start($release);
    my $connect = $release eq '24.10' ? sub { $one->ddp(@_) } : sub { $one->rpc(@_) };
    my $before  = $connect->(undef);
    my $padding = sub ($length) {
        my $text =
            $release eq '24.10'
            ? '{"msg":"none","pad":""}'
            : '{"jsonrpc":"2.0","id":1,"method":"x","pad":""}';
        return $text =~ s/""/'"' . 'x' x ($length - length $text) . '"'/er;
    };
    $before->send($padding->(8192));
    is $before->call('auth.login_with_api_key', 'no-such')->{close}, undef,
        "$release: 8192 characters before login";
    $before->send($padding->(8193));
    my $closed = $before->receive;
    $closed = $before->receive
        while !$closed->{close} && !$closed->{ended} && !$closed->{silent};
    is_deeply $closed,
        { close => 1007, reason => 'Anonymous connection max message length is 8 kB' },
        "$release: 8193 characters before login close with 1007";
    my $after = $connect->($one->{api_key});
    $after->send($padding->(65_536));
    $after->send($padding->(65_537));
    $closed = $after->receive;
    $closed = $after->receive
        while !$closed->{close} && !$closed->{ended} && !$closed->{silent};
    is_deeply $closed, { close => 1009, reason => 'Max message length is 64 kB' },
        "$release: 65537 characters after login close with 1009";
}
my $wide = $nas->rpc(undef);
my $euro = '{"jsonrpc":"2.0","id":1,"method":"x","pad":"' . "\xe2\x82\xac" x 8000 . '"}';
$wide->send($euro);
is $wide->receive->{error}{code}, -32_600, 'the limit counts characters, not bytes';

# Ten run, ten wait, the next is refused; replies come in the order of completion.
my $crowd = $nas->rpc;
$nas->fault(match => 'core.ping', count => 0, do => 'delay', ms => 1000);
$crowd->request('core.ping') for 1 .. 21;
my $last  = $crowd->{id};
my $reply = $crowd->receive;
is $reply->{id}, $last, 'the twenty-first call is answered first';
is_deeply $reply->{error},
    { code => -32_000, message => 'Maximum number of concurrent calls (20) has exceeded' },
    'with -32000 and no data';
is scalar(grep { ($_->{result} // '') eq 'pong' } map { $crowd->receive } 1 .. 20), 20,
    'the other twenty are executed';
$nas->reset;
$nas->fault(match => 'core.ping', do => 'delay', ms => 500);
$crowd->request('core.ping');
$crowd->request('system.ready');
is $crowd->receive->{id}, $crowd->{id}, 'a quick call overtakes a slow one';
$crowd->receive;

# Replies of any size come in fragments.
$nas->world(fragment => 16_384);
$nas->fault(match => 'system.ready', do => 'answer', result => [('x' x 1000) x 100]);
my $big = $crowd->result('system.ready');
is scalar @$big, 100, 'a reply of 100 kB arrives whole';
is_deeply [@{ $crowd->{frames} }[0, 1]], [16_384, 16_384], 'in frames of the wanted size';
$nas->world(fragment => 0);
$nas->fault(match => 'system.ready', do => 'answer', result => 'y' x 70_000);
$crowd->call('system.ready');
is scalar @{ $crowd->{frames} }, 1, 'or in one frame';

# An idle connection is cut.
my $idle  = TNSim::Test->start('25.10', idle => 2);
my $quiet = $idle->rpc;
is_deeply $quiet->receive(20), { ended => 1 }, 'an idle connection is cut';

done_testing;
