#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Arguments are held to the schema of the release, and refused in the words of its engine.
use v5.36;
use Test::More;
use FindBin ();
use lib "$FindBin::Bin/../lib";
use TNSim::Data;
use TNSim::Releases;
use TNSim::Schema;
use TNSim::Test;

my %schema;

sub schema ($name) {
    return $schema{$name} //= do {
        my $release = TNSim::Releases->new($name);
        TNSim::Schema->new(
            data       => TNSim::Data->new($release), release => $release,
            type_error => sub { $release->at_least('25.04') });
    };
}

# [code class, [attribute, text], ...] of a refusal; the arguments otherwise.
sub refused ($release, $method, @params) {
    my $args = eval { schema($release)->check($method, \@params) };
    return defined $args ? { accepted => $args } : $@;
}

sub complaint ($release, $method, @params) {
    my $error = refused($release, $method, @params);
    return 'accepted' if ref $error eq 'HASH';
    my $items = $error->items;
    return @$items
        ? join('; ', map {"$_->[0]: $_->[1]"} @$items)
        : $error->kind . ' ' . $error->reason;
}

my $true = TNSim::Test::true;
my %old  = (volume => { name => 'tank/x', type => 'VOLUME', volsize => 1 << 30 });

# The older engine.
for my $r (qw(22.12 23.10 24.04 24.10)) {
    is complaint($r, 'pool.dataset.create', { type => 'VOLUME' }),
        'pool_dataset_create.name: attribute required', "$r: missing";
    is complaint($r, 'pool.dataset.create', { %{ $old{volume} }, odd => 1 }),
        'pool_dataset_create.odd: Field was not expected', "$r: odd field";
    is complaint($r, 'pool.dataset.create', { %{ $old{volume} }, name => 7 }),
        'pool_dataset_create.name: Not a string', "$r: a number for a string";
    is complaint($r, 'pool.dataset.create', { %{ $old{volume} }, volsize => '1G' }),
        'pool_dataset_create.volsize: Not an integer', "$r: a string for a number";
    is complaint($r, 'pool.dataset.create', { %{ $old{volume} }, name => undef }),
        'pool_dataset_create.name: null not allowed', "$r: null";
    like complaint($r, 'pool.dataset.create', { %{ $old{volume} }, type => 'DISK' }),
        qr/\Apool_dataset_create\.type: Invalid choice/, "$r: choice";
    like complaint($r, 'core.ping', 1),
        qr/\Acall .*Too many arguments \(expected 0, found 1\)/, "$r: too many";
}

# pydantic.
for my $r (qw(25.04 25.10 26)) {
    my $extent = { name => 'x', disk => 'zvol/tank/x' };
    is complaint($r, 'iscsi.extent.create', { disk => 'zvol/tank/x' }),
        'iscsi_extent_create.name: Field required', "$r: missing";
    is complaint($r, 'iscsi.extent.create', { %$extent, odd => 1 }),
        'iscsi_extent_create.odd: Extra inputs are not permitted', "$r: odd field";
    is complaint($r, 'iscsi.extent.create', { %$extent, name => 7 }),
        'iscsi_extent_create.name: Input should be a valid string',
        "$r: a number for a string";
    is complaint($r, 'iscsi.extent.create', { %$extent, blocksize => '512' }),
        'iscsi_extent_create.blocksize: Input should be a valid integer',
        "$r: a string for a number";
    is complaint($r, 'iscsi.extent.create', { %$extent, type => 'TAPE' }),
        "iscsi_extent_create.type: Input should be 'DISK' or 'FILE'", "$r: choice";
    is complaint($r, 'iscsi.extent.create', { %$extent, name => 'x' x 65 }),
        'iscsi_extent_create.name: String should have at most 64 characters',
        "$r: 65 characters";
    is complaint($r, 'iscsi.extent.create', { %$extent, comment => 'x' x 1025 }),
        'iscsi_extent_create.comment: String should have at most 1024 characters',
        "$r: 1025 characters";
    is complaint($r, 'core.ping', 1), ': Too many arguments (expected 0, found 1)',
        "$r: too many";
    like complaint($r, 'iscsi.extent.update', 1),
        qr/\Abare do_update\(\) missing 1 required positional argument/,
        "$r: too few of an item method";
    like complaint($r, 'iscsi.extent.create'), qr/: Field required\z/,
        "$r: too few of another";
}
is complaint('25.04', 'pool.dataset.create', { type => 'VOLUME', volsize => 1 }),
    'pool_dataset_create.name: attribute required',
    '25.04 still has the older engine for datasets';
is complaint('25.10', 'pool.dataset.create', { name => 'tank/x', type => 'VOLUME' }),
    q(data.PoolDatasetCreateFilesystem.type: Input should be 'FILESYSTEM'; data.PoolDatasetCreateVolume.volsize: Field required),
    '25.10 reports both branches of the union';
is complaint('26', 'pool.dataset.create', { name => 'tank/x', type => 'VOLUME' }),
    'data.VOLUME.volsize: Field required',
    '26 the one that the type names';

# Defaults.
is_deeply refused($_, 'iscsi.extent.delete', 3)->{accepted}[1], TNSim::Test::false,
    "$_: a default argument" for qw(22.12 25.10 26);
is refused($_, 'iscsi.extent.create', { name => 'x' })->{accepted}[0]{blocksize}, 512,
    "$_: a default field" for qw(22.12 25.10 26);
is refused('25.10', 'pool.dataset.create', $old{volume})->{accepted}[0]{compression},
    'INHERIT', 'of the branch that fits';
is refused('25.10', 'pool.dataset.query')->{accepted}[1]{limit}, 0,
    'query options are complete';
my $given = { name => 'x' };
schema('25.10')->check('iscsi.extent.create', [$given]);
is_deeply $given, { name => 'x' }, 'what the caller gave is not changed';

# Which release has what.
my %known = (
    'zfs.snapshot.create'  => [qw(22.12 23.10 24.04 24.10 25.04 25.10)],
    'pool.snapshot.create' => [qw(25.10 26)], 'zfs.resource.snapshot.create' => ['26'],
    'service.control'      => [qw(25.10 26)], 'auth.login_ex' => [qw(25.04 25.10 26)],
    'iscsi.extent.create'  => [TNSim::Releases->names],
);
for my $method (sort keys %known) {
    for my $release (TNSim::Releases->names) {
        my $want = grep { $_ eq $release } @{ $known{$method} };
        my $has  = defined schema($release)->{data}->method($method);
        is $has ? 1 : 0, $want, "$release " . ($want ? 'has' : 'has not') . " $method";
    }
}

# On the wire.
my $nas = TNSim::Test->start('25.10');
my $ws  = $nas->rpc;
my $bad = $ws->call('iscsi.extent.create', { name => 7 })->{error};
is_deeply [@$bad{qw(code message)}, @{ $bad->{data} }{qw(error errname reason extra)}],
    [
    -32_602, 'Invalid params', 22, 'EINVAL',
    "[EINVAL] iscsi_extent_create.name: Input should be a valid string\n",
    [['iscsi_extent_create.name', 'Input should be a valid string', 22]]
    ],
    'the error object';
is_deeply [sort keys %{ $bad->{data}{trace} }], [qw(class formatted frames repr)],
    'with a trace';
ok !
    exists TNSim::Test->start('26')->rpc->call('iscsi.extent.create', {})
    ->{error}{data}{trace}{frames}, '26 has no frames in it';
my ($reader) = @{ $nas->world(keys => [{ name => 'r', read_only => 1 }])->{keys} };
is $nas->rpc($reader)->call('zfs.snapshot.query')->{error}{data}{errname}, 'EACCES',
    '25.10: zfs.snapshot is private';
ok exists $ws->call('zfs.snapshot.query')->{result}, 'and there for full administrators';
is $nas->rpc($reader)->call('iscsi.extent.create', {})->{error}{data}{errname}, 'EACCES',
    'rights are asked before arguments';

done_testing;
