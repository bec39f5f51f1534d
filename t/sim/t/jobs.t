#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Jobs and core.bulk as API.md 3 describes them.
use v5.36;
use Test::More;
use FindBin ();
use lib "$FindBin::Bin/../lib";
use TNSim::Test;

my ($true, $false) = (TNSim::Test::true, TNSim::Test::false);

my %FIELDS = (
    '22.12' => [
        qw(abortable arguments description error exc_info exception id logs_excerpt logs_path
            method progress
            result state time_finished time_started transient)
    ],
);
$FIELDS{'24.04'} = [sort @{ $FIELDS{'22.12'} }, 'credentials'];
$FIELDS{'25.04'} = [sort @{ $FIELDS{'24.04'} }, 'result_encoding_error'];
$FIELDS{'25.10'} = $FIELDS{'26'} = [sort @{ $FIELDS{'25.04'} }, 'message_ids'];

for my $release (qw(22.12 24.04 25.04 25.10 26)) {
    my $nas = TNSim::Test->start($release, check_replies => 1);
    my $ws  = $release =~ /\A2[2-4]/ ? $nas->ddp : $nas->rpc;
    my $row = $ws->job('core.bulk', 'pool.dataset.get_instance', [['tank'], ['none'], []]);
    is $row->{state}, 'SUCCESS', "$release: core.bulk succeeds whatever its items do";
    is_deeply [sort keys %$row], $FIELDS{$release}, "$release: the fields of a job";
    is $row->{progress}{percent}, 100, "$release: at 100 percent";
    my @items = @{ $row->{result} };
    is $items[0]{result}{id}, 'tank', "$release: an item's result";
    is $items[0]{error},      undef,  "$release: without an error";
    like $items[1]{error}, qr/does not exist/, "$release: another item's error";
    is $items[1]{result}, undef, "$release: without a result";
    is exists $items[0]{job_id} ? 1 : 0, $release =~ /25\.10|26/ ? 1 : 0,
        "$release: job_id or not";
    my $bad = $ws->job('core.bulk', 7, [[]]);
    is $bad->{state}, 'FAILED', "$release: bad arguments of a job are a failed job";
    is $bad->{exc_info}{type}, 'VALIDATION', "$release: of type VALIDATION";
    my $wait = $ws->job('core.job_wait', $row->{id});
    is_deeply $wait->{result}, $row->{result},
        "$release: core.job_wait is a job with the other's result";
    my $failed = $ws->job('core.job_wait', $bad->{id});
    is $failed->{state}, 'FAILED', "$release: and fails as the other did";
    is $nas->stats->{reply_violations}, 0, "$release: as the schema says"
        or diag TNSim::Test::text($nas->stats->{violations});
}

my $nas = TNSim::Test->start('25.10');
my $ws  = $nas->rpc;
ok $ws->result('core.set_options', { legacy_jobs => $false }), 'legacy_jobs off';
my $direct = $ws->result('core.bulk', 'core.ping', [[], []]);
is_deeply [map { $_->{result} } @$direct], ['pong', 'pong'],
    'the job answers with its result';
is $ws->call('core.bulk', 7, [])->{error}{code}, -32_602, 'or with its error';
$ws->call('core.set_options', { legacy_jobs => $true });

# A job that takes its time.
my $events       = $nas->rpc;
my $subscription = $events->result('core.subscribe', 'core.get_jobs');
like $subscription, qr/\A[0-9a-f-]{36}\z/, 'core.subscribe answers a uuid';
$nas->world(job_delay => 2);
my $id  = $ws->result('core.bulk', 'core.ping', [[]]);
my $get = sub { $ws->result('core.get_jobs', [['id', '=', $id]], { get => $true }) };
is $get->()->{state}, 'WAITING', 'a job waits';
my ($seen, $until) = (undef, TNSim::Test::now() + 5);

while (TNSim::Test::now() < $until) {
    my $event = $events->receive;
    last if $event->{silent} || $event->{ended};
    $seen = $event->{params}
        if $event->{method} eq 'collection_update' && $event->{params}{id} == $id;
    last if $seen && $seen->{fields}{state} eq 'SUCCESS';
}
is $seen->{msg},           'changed', 'events tell of it';
is $seen->{fields}{state}, 'SUCCESS', 'until it is done';
ok !exists $events->call('core.unsubscribe', $subscription)->{error}, 'core.unsubscribe';
my $doomed = $ws->result('core.bulk', 'core.ping', [[]]);
is $ws->result('core.job_abort', $doomed), undef, 'core.job_abort';
$id = $doomed;
is $get->()->{state}, 'ABORTED', 'ends it';
$nas->world(job_delay => 0);

# Who sees what.
my ($svc) =
    @{ $nas->world(keys => [{ name => 'svc', user => 'svc', roles => ['DATASET_READ'] }])
        ->{keys} };
my $limited = $nas->rpc($svc);
is_deeply $limited->result('core.get_jobs'), [],
    'a limited user does not see the jobs of others';
my $own = $limited->job(
    'core.bulk', 'pool.dataset.create',
    [[{ name => 'tank/x', type => 'FILESYSTEM' }]]);
is $own->{result}[0]{error}, '[EPERM] Not authorized',
    'but its own, where core.bulk asked for rights';
is $own->{credentials}{data}{username}, 'svc', 'with its credentials';

done_testing;
