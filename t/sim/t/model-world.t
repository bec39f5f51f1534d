#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# POST /world: every command does what WORLD.md says, and WORLD.md says every command.
use v5.36;
use FindBin;
BEGIN { require "$FindBin::Bin/model-lib.pl"; ModelLib->import }
use Test::More;
use TNSim::Model::Commands;

# The page and the code name the same things.
my $page = do {
    open my $fh, '<', "$FindBin::Bin/../WORLD.md" or die "WORLD.md: $!\n";
    local $/;
    <$fh>;
};
my ($tables, $knobs) = split /^## Switches/m, $page;
my %told = map { $_ => 1 }
    map { /`(\w+)`/g } map { (split /\|/)[1] // '' } $tables =~ /^(\|.*)$/mg;
$told{$1} = 1 if $page =~ /^## Switches: `(\w+)`/m;
is(join(' ', sort keys %told), join(' ', TNSim::Model::Commands::names()),
    'WORLD.md names every command');
my %knob = map { $_ => 1 } $knobs =~ /^\| `(\w+)`/mg;
my %used;
for my $file (map { glob "$FindBin::Bin/../lib/TNSim/$_" } qw(M*/*.pm M*/*/*.pm)) {
    open my $fh, '<', $file or die "$file: $!\n";
    $used{$_} = 1 for do { local $/; <$fh> }
        =~ /knob\('(\w+)'\)/g;
}
is(join(' ', sort keys %knob), join(' ', sort keys %used), 'and every knob');

my $world = world_of('25.10');
ok(!eval { $world->apply({ nonsense => 1 }); 1 }, 'an unknown command dies');
like($@, qr/has no command 'nonsense'/, '... and is named');
ok(!eval { $world->apply({ snapshot => 'tank/none@s' }); 1 }, 'an impossible one dies');
like($@, qr/\/world snapshot: cannot open 'tank\/none': dataset does not exist/,
    '... with the reason of ZFS');

sub row ($id) { return (try_call($world, 'pool.dataset.get_instance', $id))[0] }

# Objects.
$world->apply(
    {
        pool    => { name => 'ssd', create => 10 << 30 },
        dataset => [
            { name => 'ssd/vm',   create => {} },
            { name => 'ssd/vm/a', create => { volsize => 1 << 30 } }
        ],
        snapshot => { name => 'ssd/vm/a@s', user => { 'a:b' => 'c' } },
        clone => { snapshot => 'ssd/vm/a@s', name => 'ssd/vm/c', user => { 'a:b' => 'd' } },
    }
);
is(call_ok($world, 'pool.query', [['name', '=', 'ssd']], { get => \1 })->{size}, 10 << 30,
    'a pool is made');
is(row('ssd/vm/a')->{refreservation}{parsed},        undef, 'a volume, sparse unless told');
is(row('ssd/vm/c')->{user_properties}{'a:b'}{value}, 'd',   'a clone with its own tags');
my $seen = $world->apply({ snapshot => ['ssd/vm/a@t', 'ssd/vm/a@u'] });
cmp_ok($seen->{snapshot}[0]{createtxg}, '<', $seen->{snapshot}[1]{createtxg},
    'a list of commands tells a list');

# A received copy looks like its source and is another object.
$world->apply(
    { dataset => { name => 'ssd/vm/a', user => { 'org.tnstor:self' => 'ssd/vm/a' } } });
$world->apply({ replicate => { from => 'ssd/vm', to => 'tank/copy' } });
my ($source, $copy) = map {
    my $name = $_;
    grep { $_->{name} eq $name } @{ $world->dump->{dataset} }
} qw(ssd/vm/a tank/copy/a);
is($copy->{user}{'org.tnstor:self'}, 'ssd/vm/a', 'the copy carries the tags of its source');
isnt($copy->{guid}, $source->{guid}, 'and has a guid of its own');
is(scalar(grep { $_->{dataset} eq 'tank/copy/a' } @{ $world->dump->{snapshot} }), 3,
    'with its snapshots');

# Changes behind the client's back.
my ($extent, $mapping) = publish($world, 'ssd/vm/a');
$world->apply({ rename => { from => 'ssd/vm/a', to => 'ssd/vm/moved' } });
is(call_ok($world, 'iscsi.extent.get_instance', $extent->{id})->{disk}, 'zvol/ssd/vm/a',
    'a rename leaves the extent as it was');
$world->apply({ reload => 1 });
is_deeply($world->dump->{exported}, [], '... and the next reload takes the LUN away');
$world->apply({ extent => { name => 'a', set => { disk => 'zvol/ssd/vm/moved' } } });
is($world->dump->{exported}[0]{naa}, $extent->{naa},
    'an edited extent shows the disk again, under its identity');
$world->apply({ extent => { id => $extent->{id}, set => { enabled => 0 } } });
is_deeply($world->dump->{exported}, [], 'a disabled one does not');
$world->apply({ remove => { table => 'mapping', id => $mapping->{id} } });
is_deeply($world->dump->{mapping}, [], 'a mapping is removed by another admin');

# Sessions.
$world->apply(
    {
        session => [
            { target => 'pve' },
            { target => 'iqn.x:foreign', initiator => 'iqn.y:z', addr => '192.0.2.9' }
        ]
    }
);
is(call_ok($world, 'iscsi.global.client_count'), 2, 'two clients');
is((sort map { $_->{target} } @{ call_ok($world, 'iscsi.global.sessions') })[1],
    'iqn.x:foreign', 'one of them on a foreign target');
$world->apply({ session => undef });
is_deeply(call_ok($world, 'iscsi.global.sessions'), [], 'null ends all');

# Holds, destroy, rollback, promote.
$world->apply({ hold => { snapshot => 'ssd/vm/moved@u', tag => 'other' } });
is_deeply((grep { $_->{name} eq 'ssd/vm/moved@u' } @{ $world->dump->{snapshot} })[0]{holds}
    ? 1
    : 0, 1, 'a foreign hold');
$world->apply({ release  => { snapshot => 'ssd/vm/moved@u', tag => 'other' } });
$world->apply({ rollback => 'ssd/vm/moved@t' });
ok(!$world->zfs->find_snapshot('ssd/vm/moved@u'),
    'a rollback takes newer snapshots with it');
$world->apply({ promote => 'ssd/vm/c' });
is(row('ssd/vm/moved')->{origin}{rawvalue}, 'ssd/vm/c@s', 'a promotion');
$world->apply({ destroy => 'ssd/vm' });
ok(!row('ssd/vm/c') && !row('ssd/vm/moved'), 'destroy takes all');

# Bulk.
my $told = $world->apply(
    {
        bulk => {
            dataset     => 'tank/bulk', count     => 3, first => 7, name => 'vm-%d-disk-1',
            target      => 'pve',       snapshots => 2,
            volsize     => 2 << 30,
            user        => { 'org.tnstor:self' => '{name}', 'org.tnstor:vmid' => '%d' },
            extent_name => '{leaf}-x',
        }
    }
)->{bulk};
is($told->{count}, 3, 'bulk tells how many');
my $one = row('tank/bulk/vm-8-disk-1');
is(
    "$one->{user_properties}{'org.tnstor:self'}{value} $one->{user_properties}{'org.tnstor:vmid'}{value}",
    'tank/bulk/vm-8-disk-1 8',
    'texts are filled in'
);
my @mappings =
    @{ call_ok($world, 'iscsi.targetextent.query', [['target', '=', $told->{target}]], {})
    };
is(join(' ', sort map { $_->{lunid} } @mappings), '0 1 2', 'each has a LUN');
is(
    scalar @{
        call_ok(
            $world, 'pool.snapshot.query', [['dataset', '=', 'tank/bulk/vm-7-disk-1']], {}
        )
    },
    2,
    'and snapshots'
);
is(scalar @{ $world->dump->{exported} }, 3, 'and all are shown');

# Secrets stay inside.
call_ok(
    $world,
    'iscsi.auth.create',
    {
        tag        => 1, user => 'u', secret => 'canarycanary1', peeruser => 'p',
        peersecret => 'canarycanary2'
    }
);
unlike(json($world->dump), qr/canary/, 'the dump has no secret in it');

done_testing;
