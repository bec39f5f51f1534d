#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Filters and options as API.md 4.1 describes them.
use v5.36;
use Test::More;
use FindBin ();
use lib "$FindBin::Bin/../lib";
use TNSim::Error;
use TNSim::Json qw(decode);
use TNSim::Query;
use TNSim::Test;

my $rows = decode(
    '[
    {"id": 1, "name": "tank/a",  "size": 10, "on": true,  "tags": ["x", "y"], "p": {"v": {"raw": "1"}}, "a.b": 5},
    {"id": 2, "name": "Tank/B",  "size": null, "on": false, "tags": [],       "p": {"v": {"raw": "2"}}},
    {"id": 3, "name": "flash/c", "size": 7,  "on": true,  "tags": ["y"],      "list": [{"k": 1}, {"k": 2}]},
    {"id": 4, "name": "flash/d", "size": 7,  "on": false, "tags": ["z"],      "list": [{"k": 3}]}
]'
);

sub ids ($filters, $options = {}) {
    my $found = TNSim::Query::run($rows, decode($filters), $options);
    return join ' ', map { $_->{id} } @$found;
}

sub refusal ($filters, $options = {}) {
    return eval { TNSim::Query::run($rows, decode($filters), $options); 1 }
        ? ''
        : TNSim::Error->from($@)->reason;
}

my @table = (
    ['[["id","=",2]]',                 '2'],     ['[["id","!=",2]]',              '1 3 4'],
    ['[["id","=","2"]]',               ''],      ['[["id",">",2]]',               '3 4'],
    ['[["id",">=",2]]',                '2 3 4'], ['[["id","<",2]]',               '1'],
    ['[["id","<=",2]]',                '1 2'],   ['[["name","~","tank"]]',        '1'],
    ['[["name","~","ank"]]',           ''],      ['[["name","~",".*/[ab]"]]',     '1'],
    ['[["id","in",[1,4]]]',            '1 4'],   ['[["id","nin",[1,4]]]',         '2 3'],
    ['[["tags","rin","y"]]',           '1 3'],   ['[["tags","rnin","y"]]',        '2 4'],
    ['[["name","^","tank"]]',          '1'],     ['[["name","!^","tank"]]',       '2 3 4'],
    ['[["name","$","c"]]',             '3'],     ['[["name","!$","c"]]',          '1 2 4'],
    ['[["name","C=","tank/b"]]',       '2'],     ['[["name","C!=","TANK/B"]]',    '1 3 4'],
    ['[["name","C^","TANK"]]',         '1 2'],   ['[["name","C!^","TANK"]]',      '3 4'],
    ['[["name","C$","B"]]',            '2'],     ['[["name","C~","TANK"]]',       '1 2'],
    ['[["name","Cin",["TANK/A"]]]',    '1'],     ['[["name","Cnin",["TANK/A"]]]', '2 3 4'],
    ['[["on","=",true]]',              '1 3'],   ['[["size","=",null]]',          '2'],
    ['[["size","!=",null]]',           '1 3 4'], ['[["p.v.raw","=","2"]]',        '2'],
    ['[["a\\\\.b","=",5]]',            '1'],     ['[["none","=",null]]',          ''],
    ['[["list.*.k","=",2]]',           '3'],     ['[["list.0.k","=",3]]',         '4'],
    ['[["id",">",1],["on","=",true]]', '3'],     ['[]', '1 2 3 4'],
    ['[["OR",[["id","=",1],["id","=",4]]]]',                                       '1 4'],
    ['[["OR",[[["size","=",7],["on","=",true]],["id","=",2]]]]',                   '2 3'],
    ['[["OR",[["id","=",1],["OR",[["id","=",2],["id","=",3]]]]],["on","=",true]]', '1 3'],
);
is ids($_->[0]), $_->[1], $_->[0] for @table;

is ids('[]', { order_by => ['-id'] }), '4 3 2 1', 'order_by, downwards';
is ids('[["size","!=",null]]', { order_by => ['size', '-id'] }) =~ s/.*(\d)\z/$1/r, '1',
    'order_by, twice';
is ids('[]', { order_by => ['nulls_first:-size'] }), '2 1 3 4', 'nulls_first';
is ids('[]', { order_by => ['nulls_last:size'] }),   '3 4 1 2', 'nulls_last';
like refusal('[]', { order_by => ['size'] }), qr/null values/, 'nulls have to be placed';
is ids('[]', { limit => 2 }),              '1 2', 'limit';
is ids('[]', { offset => 1, limit => 2 }), '2 3', 'offset';
is ids('[]', { offset => 9 }),             '',    'offset past the end';
is TNSim::Query::run($rows, decode('[["on","=",true]]'), { count => 1 }), 2, 'count';
is TNSim::Query::run($rows, [], { get => 1 })->{id},                      1, 'get';
is refusal('[["id","=",9]]', { get => 1 }), 'MatchNotFound()', 'get without a match';
like refusal('[]', { get => 1, limit  => 2 }), qr/single result/, 'get with a limit over 1';
like refusal('[]', { get => 1, offset => 1 }), qr/single result/, 'get with an offset';
isnt refusal('[]', { limit => 10_001 }), '', 'a limit over 10000';
isnt refusal('[["id","is",1]]'),         '', 'an unknown operator';
isnt refusal('[["id","="]]'),            '', 'a filter of two that is no OR';
isnt refusal('[["OR",[["OR",[["OR",[["OR",[["id","=",1]]]]]]]]]]'), '',
    'OR within OR within OR within OR';
is_deeply TNSim::Query::run(
    $rows, [['id', '=', 1]],
    { select => ['name', 'p.v.raw', ['size', 'bytes']] }
    ),
    [{ name => 'tank/a', p => { v => { raw => '1' } }, bytes => 10 }],
    'select, deep and renamed';
is_deeply TNSim::Query::run($rows, [['id', '=', 1]], { select => ['none'] }), [{}],
    'select of what is not there';

# On the wire, by release.
my $new = TNSim::Test->start('25.10');
my $ws  = $new->rpc;
is $ws->call('pool.query', [['name', '=', 'none']], { get => TNSim::Test::true })
    ->{error}{data}{reason},
    'MatchNotFound()', '25.10: no match';
is $ws->call('pool.query', [], { odd => 1 })->{error}{code}, -32_602,
    '25.10: an unknown option';
is $ws->call('pool.query', [], { limit => '3' })->{error}{code}, -32_602,
    '25.10: a number as text is no number';

done_testing;
