#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The legacy protocol as API.md 1.2 describes it, on every release.
use v5.36;
use Test::More;
use FindBin ();
use lib "$FindBin::Bin/../lib";
use TNSim::Releases;
use TNSim::Test;

for my $release (TNSim::Releases->names) {
    my $nas = TNSim::Test->start($release, check_replies => 1);
    my $r   = TNSim::Releases->new($release);
    my $ws  = $nas->websocket('/websocket');
    like $ws->{head}, qr/\AHTTP\/1\.1 101/, "$release has /websocket";
    $ws->{ddp} = 1;
    $ws->send({ id => 'x', msg => 'method', method => 'core.ping', params => [] });
    is_deeply $ws->receive, { msg => 'failed', version => '1' },
        "$release: nothing before the connect message";
    $ws->send({ msg => 'connect', version => '2', support => ['2'] });
    is_deeply $ws->receive, { msg => 'failed', version => '1' },
        "$release: another version is refused";
    $ws->send({ msg => 'connect', version => '1', support => ['1'] });
    my $hello = $ws->receive;
    is $hello->{msg}, 'connected', "$release: connected";
    like $hello->{session}, qr/\A[0-9a-f-]{36}\z/, "$release: with a session";
    is $ws->result('auth.login_with_api_key', '1-' . 'x' x 64), TNSim::Test::false,
        "$release: a wrong key";
    my $early = $ws->call('system.info');
    is $early->{error}{error},   207, "$release: a call before login is ENOTAUTHENTICATED";
    is $early->{error}{errname}, 'ENOTAUTHENTICATED', "$release: by name";
    is $ws->result('auth.login_with_api_key', $nas->{api_key}), TNSim::Test::true,
        "$release: the right key";
    my $pong = $ws->call('core.ping');
    is_deeply $pong, { id => $ws->{id}, msg => 'result', result => 'pong' },
        "$release: a result";
    my $none = $ws->call('no.such');
    is $none->{error}{error}, 201, "$release: an unknown method is ENOMETHOD";
    my $job = $ws->result('core.bulk', 'core.ping', [[]]);
    like $job, qr/\A\d+\z/, "$release: a job method answers its number";
    $ws->send({ msg => 'ping', id => 'p1' });

    if ($r->before('25.04')) {
        is_deeply $ws->receive, { msg => 'pong', id => 'p1' }, "$release: pong";
    } else {
        is_deeply $ws->receive(0.2), { silent => 1 },
            "$release: a ping is ignored in silence";
    }
    $ws->send({ msg => 'sub', id => 's1', name => 'core.get_jobs' });
    is_deeply $ws->receive, { msg => 'ready', subs => ['s1'] }, "$release: a subscription";
    $ws->request('core.bulk', 'core.ping', [[]]);
    my (%seen, $reply);
    while (!$reply || ($seen{changed}{fields}{state} // '') ne 'SUCCESS') {
        my $message = $ws->receive;
        last if $message->{silent} || $message->{ended};
        if   ($message->{msg} eq 'result') { $reply                   = $message }
        else                               { $seen{ $message->{msg} } = $message }
    }
    is $seen{added}{collection}, 'core.get_jobs',  "$release: an event for a new job";
    is $seen{changed}{id},       $reply->{result}, "$release: events name the job";
    my $own = $nas->ddp;
    $own->result($_)
        for
        qw(system.info auth.me auth.sessions api_key.query core.get_jobs failover.status);
    is TNSim::Test::text($nas->stats->{violations}), '[]',
        "$release: replies are as published";
    $ws->send('{"msg"');
    is $ws->receive->{close}, 1007, "$release: bad JSON closes with 1007";
}

my $old  = TNSim::Test->start('24.10');
my $ws   = $old->ddp;
my $many = $ws->call('pool.dataset.query', 'text', 7);
is $many->{error}{error},             11,           'refused arguments are EAGAIN';
is $many->{error}{type},              'VALIDATION', 'of type VALIDATION';
is scalar @{ $many->{error}{extra} }, 2,            'with every complaint in extra';
$old->fault(
    match  => 'core.ping', do => 'fail', errno => 'EFAULT',
    reason => 'Target pve is in use.'
);
is_deeply $ws->call('core.ping'), {
    id    => $ws->{id},
    msg   => 'result',
    error => {
        error  => 14, errname => 'EFAULT', extra => undef, type => undef,
        reason => '[EFAULT] Target pve is in use.',
        trace  => {
            class => 'CallError', formatted => '...', frames => [],
            repr  => "CallError('Target pve is in use.')"
        },
    },
    },
    'a call error as the example shows it';
$old->fault(match => 'core.ping', count => 0, do => 'delay', ms => 1000);
$ws->request('core.ping') for 1 .. 21;
my $refused = $ws->receive;
is $refused->{error}{error}, 109, 'the twenty-first call gets errno 109';
is $refused->{error}{reason}, 'Maximum number of concurrent calls (20) has exceeded.',
    'and words with a dot';

done_testing;
