#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# REST v2.0 as API.md 1.3 describes it.
use v5.36;
use Test::More;
use FindBin ();
use lib "$FindBin::Bin/../lib";
use TNSim::Test;

my $zvol = {
    name   => 'tank/vm 1', type => 'VOLUME', volsize => 1 << 30,
    sparse => TNSim::Test::true
};

for my $release (qw(22.12 23.10 24.04 24.10 25.04 25.10)) {
    my $nas = TNSim::Test->start($release);
    is $nas->rest(GET => 'core/ping')->{json}, 'pong',
        "$release: a method without arguments is a GET";
    is $nas->rest(GET => 'core/ping', undef, undef)->{status}, 401, "$release: no key";
    my $wrong = $nas->rest(GET => 'core/ping', undef, '1-' . 'x' x 64);
    is $wrong->{status}, 401, "$release: a wrong key";
    unlike $wrong->{body}, qr/\A\{/, "$release: 401 is plain text";
    is $nas->rest(GET => 'no/such')->{status}, 404, "$release: an unknown path";
    my $made = $nas->rest(POST => 'pool/dataset', \$zvol);
    is $made->{status},   200, "$release: create is 200, not 201" or diag $made->{body};
    is $made->{json}{id}, 'tank/vm 1', "$release: and answers the object";
    my $one = $nas->rest(GET => 'pool/dataset/id/tank%2Fvm%201');
    is $one->{json}{id}, 'tank/vm 1', "$release: an id is URL-encoded, slashes included";
    is $nas->rest(GET => 'pool/dataset/id/tank/none')->{status}, 404,
        "$release: slashes of an id not encoded";
    my $none = $nas->rest(GET => 'pool/dataset/id/tank%2Fnone');
    is_deeply [$none->{status}, $none->{json}], [404, { message => '' }],
        "$release: GET of a missing item";
    my $gone = $nas->rest(DELETE => 'pool/dataset/id/tank%2Fnone');
    is $gone->{status}, 422, "$release: DELETE of a missing item is 422";
    is_deeply [keys %{ $gone->{json} }], ['null'], "$release: under the key null";
    is $gone->{json}{null}[0]{errno}, 2, "$release: with errno 2";
    my $rows = $nas->rest(GET => 'pool/dataset?id=tank%2Fvm%201&limit=1')->{json};
    is_deeply [map { $_->{id} } @$rows], ['tank/vm 1'],
        "$release: a filter in the query string";
    $rows = $nas->rest(GET => 'pool/dataset?type__eq=VOLUME&sort=-id')->{json};
    is_deeply [map { $_->{id} } @$rows], ['tank/vm 1'],
        "$release: an operator in the query string";
    is $nas->rest(GET => 'pool/dataset?extra.retrieve_children=nonsense')->{status}, 500,
        "$release: a value of extra that is no JSON fails in the server";
    is $nas->rest(POST => 'pool/dataset/recommended_zvol_blocksize', \'tank')->{json},
        '16K',
        "$release: one argument is the body itself";
    my $bad = $nas->rest(
        POST => 'pool/dataset',
        \{ name => 'tank/no/x', type => 'VOLUME', volsize => 1 << 30 });
    is $bad->{status}, 422, "$release: a refused argument";
    is_deeply $bad->{json},
        { 'pool_dataset_create.name' =>
            [{ message => 'Parent dataset (tank/no) does not exist.', errno => 22 }] },
        "$release: by attribute";
    my $snapshot = $release eq '25.10' ? 'pool/snapshot' : 'zfs/snapshot';
    my $snap     = $nas->rest(POST => $snapshot, \{ dataset => 'tank/vm 1', name => 's1' });
    is $snap->{json}{id}, 'tank/vm 1@s1', "$release: a snapshot";
    my $back =
        $nas->rest(POST => "$snapshot/rollback", \{ id => 'tank/vm 1@s1', options => {} });
    is $back->{status}, 200, "$release: several arguments are an object of names"
        or diag $back->{body};
    is $nas->rest(POST => "$snapshot/rollback", \{ id => 'tank/vm 1@s1', odd => 1 })
        ->{status}, 400,
        "$release: an unexpected key";
    is $nas->rest(POST => "$snapshot/rollback", \{ options => {} })->{status}, 400,
        "$release: a missing key";
    is $nas->rest(
        DELETE => "$snapshot/id/tank%2Fvm%201%40s1",
        \{ defer => TNSim::Test::false }
        )->{json},
        TNSim::Test::true, "$release: DELETE with a body";
    my $no_json = $nas->http(
        POST    => '/api/v2.0/pool/dataset', body => '{"name"',
        headers => ["Authorization: Bearer $nas->{api_key}"]);
    is $no_json->{status}, 400, "$release: a body that is no JSON";
    $nas->fault(
        match  => 'pool.dataset.delete', do => 'fail', errno => 'EBUSY',
        reason => 'dataset is busy'
    );
    my $busy = $nas->rest(DELETE => 'pool/dataset/id/tank%2Fvm%201');
    is_deeply [$busy->{status}, $busy->{json}],
        [422, { message => 'dataset is busy', errno => 16 }],
        "$release: a call error is 422 with message and errno";
    my $bulk = $nas->rest(POST => 'core/bulk', \{ method => 'core.ping', params => [[]] });
    if ($release =~ /\A2[23]/) {
        like $bulk->{body}, qr/\A\d+\z/, "$release: a job is its bare number";
    } else {
        is $bulk->{status}, 404, "$release: core.bulk cannot be had over REST";
    }
    my $limited =
        $nas->world(keys => [{ name => 'ro', user => 'svc', read_only => 1 }])->{keys}[0];
    my $reading = $nas->rest(GET => 'pool/dataset', undef, $limited);
    if ($release =~ /\A2[23]/) {
        is $reading->{status}, 200, "$release: a limited key may read";
    } else {
        is_deeply [@$reading{qw(status body)}], [403, ''],
            "$release: only full administrators may use REST";
    }
    is $nas->stats->{logins}, 0, "$release: REST is not counted as a login";
}

my $new = TNSim::Test->start('26');
is $new->rest(GET => 'core/ping')->{status}, 404, '26 has no REST';

my $plain = TNSim::Test->start('25.10', plain => 1, quirk => { loopback_insecure => 1 });
is $plain->rest(GET => 'core/ping')->{status}, 200, 'a key over plain http';
is $plain->rest(GET => 'core/ping')->{status}, 200, 'is not revoked by REST';

done_testing;
