#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Every published example of a method that the model plays gets an answer of the same shape, or
# the same error, in every release that the example is for.
use v5.36;
use FindBin;
require "$FindBin::Bin/model-lib.pl";
BEGIN { require "$FindBin::Bin/model-lib.pl"; ModelLib->import }
use Test::More;
use Cpanel::JSON::XS qw(decode_json);
use TNSim::Data;

# What must be there before the example's call, by the example's number in the file.
my $ZVOL   = 'tank/vm/vm-101-disk-0';
my %BEFORE = (
    empty => [qw(40 41 42 43)],
    bare  => [qw(44 46 47 50 51 52 60 67 80 82 101 102 54)],
    snap  => [qw(53 55 57 61 63 64 66 68 70 71 73 74 75 77 78 79 81 83 84 62 69 85)],
    held  => [qw(65 72)],
    newer => [qw(76)],
    clone => [qw(56 77)],
    busy  => [qw(53)],
    iscsi =>
        [qw(91 94 96 98 99 100 103 104 105 106 107 108 109 110 111 112 113 114 90 89 97)],
);
my %before;
for my $state (keys %BEFORE) { push @{ $before{$_} }, $state for @{ $BEFORE{$state} } }

sub rows ($world, $mapped) {
    my @insert = (
        {
            table => 'portal',
            row   => { id => 1, comment => 'san', listen => ['192.0.2.20'], tag => 1 }
        },
        {
            table => 'initiator',
            row   => { comment => 'pve1', initiators => ['iqn.1993-08.org.debian:01:abc'] }
        },
        {
            table => 'auth',
            row   => {
                tag => 1, user => 'chapuser', secret => 'secretsecret1', peeruser => '',
                peersecret => '', discovery_auth => 'NONE'
            }
        },
    );
    $world->store->put('sequence', 'target',  4);
    $world->store->put('sequence', 'extent',  30);
    $world->store->put('sequence', 'mapping', 11);
    push @insert, {
        table => 'target',
        row   => {
            name          => 'pve', alias            => undef, mode       => 'ISCSI',
            auth_networks => [],    iscsi_parameters => undef, rel_tgt_id => 1,
            groups => [{ portal => 1, initiator => 1, authmethod => 'NONE', auth => undef }]
        }
    };
    push @insert,
        { table => 'extent', row => { name => 'vm-101-disk-0', disk => "zvol/$ZVOL" } };
    push @insert, { table => 'mapping', row => { target => 5, extent => 31, lunid => 0 } }
        if $mapped;
    $world->apply({ insert => \@insert });
    return;
}

sub prepare ($world, $id) {
    my %is = map { $_ => 1 } @{ $before{$id} // [] };
    volume($world, $ZVOL, volsize => 10737418240) if %is && !$is{empty};
    $world->apply({ dataset => { name => 'tank/vm', create => {} } }) if $is{empty};
    $world->apply({ snapshot => "$ZVOL\@snap1" })
        if $is{snap} || $is{held} || $is{newer} || $is{clone};
    $world->apply({ snapshot => "$ZVOL\@snap2" }) if $is{newer};
    $world->apply({ hold     => { snapshot => "$ZVOL\@snap1" } }) if $is{held};
    $world->apply({ clone => { snapshot => "$ZVOL\@snap1", name => 'tank/vm/clone-102' } })
        if $is{clone};
    if ($is{busy}) {
        $world->apply({ destroy => $ZVOL });
        volume($world, $ZVOL);
        $world->apply({ dataset => { name => $ZVOL, busy => 1 } });
    }
    if ($is{iscsi}) {
        rows($world, $id != 105);
        $world->apply({ remove => { table => 'target', id => 5 } }) if $id == 97;
    }
    $world->apply(
        { session => { target => 'pve', initiator => 'iqn.1993-08.org.debian:01:abc' } })
        if grep { $id == $_ } 90, 89, 109, 110, 114, 111, 108;
    $world->store->put('sequence', 'portal', 0);
    return;
}

# Keys and types, without the values; an empty hash or null in the example allows anything.
sub shape ($value, $path, $out) {
    if (ref $value eq 'HASH') {
        $out->{$path} = 'object';
        shape($value->{$_}, "$path.$_", $out) for keys %$value;
    }
    elsif (ref $value eq 'ARRAY') {
        $out->{$path} = 'list';
        shape($value->[0], "$path\[]", $out) if @$value;
    }
    elsif (JSON::PP::is_bool($value)) { $out->{$path} = 'boolean' }
    elsif (!defined $value)           { $out->{$path} = 'null' }
    else { $out->{$path} = json($value) =~ /\A"/ ? 'string' : 'number' }
    return $out;
}

# Differences that are a matter of state or of the example's own making, not of shape.
# Fields that the schemas of 26 require and the examples of 25.10+ do not show.
# max_xmit: the result that releases up to 24.10 declare has no such field.
my $STATE =
    qr{max_xmit|\A(?:\[\])?\.dataset\z|relative_path|direct_config|\.mode\z|all_sed
    |listen\[\]\.ip|properties\.|autotrim|topology|scan|holds|children}x;

sub differences ($want, $got) {
    my ($w, $g) = (shape($want, '', {}), shape($got, '', {}));
    my @bad = map { "lacks $_" } grep { !exists $g->{$_} && !/$STATE/ } sort keys %$w;
    push @bad, map { "has $_" } grep { !exists $w->{$_} && !/$STATE/ } sort keys %$g;
    push @bad, map { "$_ is $g->{$_}, not $w->{$_}" }
        grep { exists $g->{$_} && $g->{$_} ne $w->{$_} && !/$STATE/ } sort keys %$w;
    return @bad;
}

my %skip = map { $_ => 1 } (
    14, 15,    # login and roles are the server's
    45,        # the schema's
    130,       # a job: its number is the server's
);
my @examples =
    grep { $_->{kind} eq 'calls' && $_->{request} && !$skip{ $_->{request}{id} } }
    map { decode_json($_) } TNSim::Data::lines('examples.jsonl');

# The tree of 25.10 leaves these out when a list of properties names none of encryption's own.
my $CRYPTO = qr{\A\[\]\.(?:encrypted|encryption_root|key_loaded|locked)\z};
my $tested = 0;
for my $release (releases()) {
    my $is = TNSim::Releases->new($release);
    for my $example (@examples) {
        my $method = $example->{method};
        next
            unless $method =~ /\A(?:pool|zfs|iscsi|service)\./
            && $is->in($example->{versions});
        next if $method =~ /quota/;
        my $id    = $example->{request}{id};
        my $world = world_of($release, listen => '192.0.2.20');
        prepare($world, $id);
        my ($result, $error) = try_call($world, $method, @{ $example->{request}{params} });
        my $name = "$release $method as in example $id";
        $tested++;

        if (my $want = $example->{response}{error}) {
            my $reason = $error ? $error->reason : 'no error: ' . json($result);
            is($reason, $want->{data}{reason}, "$name fails alike");
            next;
        }
        if ($error) { fail("$name: " . $error->reason); next }
        my @bad = differences($example->{response}{result}, $result);
        @bad = grep { !(s{\Alacks }{}r =~ $CRYPTO) } @bad
            if $id == 46 && $is->at_least('25.10');
        is(join('; ', @bad), '', "$name answers alike");
    }
}
cmp_ok($tested, '>', 250, "$tested examples were played");
done_testing;
