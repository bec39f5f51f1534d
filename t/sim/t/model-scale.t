#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Ten thousand volumes: made in seconds, listed in about one, and found one by one at once.
use v5.36;
use FindBin;
BEGIN { require "$FindBin::Bin/model-lib.pl"; ModelLib->import }
use Test::More;
use File::Temp  qw(tempdir);
use Time::HiRes qw(time);

# Bounds are several times what a small machine takes, since others run beside.
my $COUNT = 10_000;
my $dir   = tempdir(CLEANUP => 1);
my $world = world_of('25.10', state_dir => $dir);

sub within ($seconds, $name, $code) {
    my $start  = time;
    my $result = $code->();
    my $took   = time - $start;
    cmp_ok($took, '<', $seconds, sprintf '%s: %.3f s', $name, $took);
    return $result;
}

# Straight to the handler: what the schemas' check costs is not the model's.
sub raw ($method, @args) {
    my $code = ModelLib::_tools('25.10')->{registry}->method($method)->{code};
    return $code->(
        ModelLib::Call->new(
            method => $method, args => \@args, world => $world, release => $world->release
        )
    );
}

within(
    15,
    "$COUNT volumes with tags, extents and mappings",
    sub {
        $world->apply(
            {
                bulk => {
                    dataset => 'tank/vm', count => $COUNT, target => 'pve',
                    volsize => 1 << 30,
                    user    => {
                        map { ("org.tnstor:$_" => '{name}') }
                            qw(owner storeid volname state self schema)
                    },
                },
                service => { name => 'iscsitarget', running => 1 }
            }
        );
    }
);
my %extra =
    (retrieve_children => \0, properties => [qw(volsize used origin refreservation)]);
my $list = within(
    8,
    'the list with some properties',
    sub {
        raw('pool.dataset.query', [['id', '^', 'tank/vm/']],
            { extra => { %extra, retrieve_children => 0 } });
    }
);
is(scalar @$list,                                         $COUNT,         'it is complete');
is($list->[7]{user_properties}{'org.tnstor:self'}{value}, $list->[7]{id}, 'and tagged');
is(scalar @{ within(5, 'all extents', sub { raw('iscsi.extent.query', [], {}) }) }, $COUNT,
    'all of them');
is(scalar @{ within(5, 'all mappings', sub { raw('iscsi.targetextent.query', [], {}) }) },
    $COUNT, 'all of them');
undef $list;

my $name = 'tank/vm/vm-5000-disk-0';
within(
    0.2,
    'one by id',
    sub {
        raw('pool.dataset.query', [['id', '=', $name]],
            { extra => { retrieve_children => 0 } });
    }
);
within(0.2, 'one extent by its disk',
    sub { raw('iscsi.extent.query', [['disk', '=', "zvol/$name"]], {}) });
my ($extent) = @{ raw('iscsi.extent.query', [['disk', '=', "zvol/$name"]], {}) };
within(0.2, 'one mapping by its extent',
    sub { raw('iscsi.targetextent.query', [['extent', '=', $extent->{id}]], {}) });
my $new = within(
    1,
    'one more, published',
    sub {
        call_ok($world, 'pool.dataset.create',
            { name => 'tank/vm/new', type => 'VOLUME', volsize => 1 << 30, sparse => \1 });
        my $row = call_ok($world, 'iscsi.extent.create',
            { name => 'new', type => 'DISK', disk => 'zvol/tank/vm/new' });
        call_ok($world, 'iscsi.targetextent.create', { target => 1, extent => $row->{id} });
    }
);
is($new->{lunid}, $COUNT, 'at the next LUN');
within(1, 'and gone again',
    sub { call_ok($world, 'pool.dataset.delete', 'tank/vm/new', {}) });
is(scalar $world->iscsi->rows('mapping'), $COUNT, 'with its mapping');
my ($journal) = glob "$dir/journal.*";
my $size = -s $journal;
raw('pool.dataset.update', $name,
    { user_properties_update => [{ key => 'a:b', value => 'c' }] });
cmp_ok((-s $journal) - $size, '<', 4096, 'a change writes only what changed');
within(10, 'a restart', sub { world_of('25.10', state_dir => $dir) });

done_testing;
