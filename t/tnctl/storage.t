#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# tnctl on a storage of storage.cfg: what is there, what is left over, whose it is.

use v5.36;

use File::Path qw(make_path);
use JSON::PP qw(decode_json);
use Test::More;
use lib 't/perl/lib';
use TNSTest;

my $tnctl = build_dir() . '/bin/tnctl';
plan skip_all => 'tnctl is not built' if !-x $tnctl;

my $sim = start_sim(release => '25.10');
my $plugin = plugin();
my $cfg = new_storage($sim, tn_initiator => 'kernel');
my $scfg = $cfg->{ids}->{nas};
my $root = "$cfg->{dir}/root";

my sub spew ($path, $text) {
    make_path("$root/$path" =~ s{/[^/]+\z}{}r);
    open my $fh, '>', "$root/$path" or die "$path: $!\n";
    print $fh $text;
    close $fh or die "$path: $!\n";
    return;
}

my sub section ($type, $storeid, %option) {
    my @lines = map { "\t$_ $option{$_}\n" } sort grep { !ref $option{$_} } keys %option;
    return join '', "$type: $storeid\n", @lines, "\n";
}

spew('etc/pve/storage.cfg', join '', "# a comment\n", section('dir', 'local', path => '/var/lib/vz'),
    section('truenasplugin', 'nas', %$scfg, content => 'images'),
    section('truenasplugin', 'keyless', %$scfg, content => 'images'));
spew('etc/pve/priv/storage/nas.pw', "api_key=$sim->{api_key}\n");

# Exit code, stdout and stderr together.
my sub run_tnctl (@args) {
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die;
        exec { $tnctl } $tnctl, '--root', $root, '--run-dir', "$cfg->{dir}/run", '--no-holder', @args or die;
    }
    my $text = do { local $/; readline $out } // '';
    close $out;
    unlike($text, qr/\Q$sim->{api_key}\E/, 'the key is told nowhere');
    return ($? >> 8, $text);
}

my sub works ($name, @args) {
    my ($code, $text) = run_tnctl(@args);
    is($code, 0, "$name works") or diag($text);
    return $text;
}

my sub fails ($name, $code, $words, @args) {
    my ($exit, $text) = run_tnctl(@args);
    is($exit, $code, "$name: exit code $code");
    like($text, $words, "$name: says why");
    return;
}

is(works('list of an empty storage', 'list', 'nas'), '', 'and it is empty');

my $disk = $plugin->alloc_image('nas', $scfg, 100, 'raw', undef, 1024 * 1024);
$plugin->alloc_image('nas', $scfg, 101, 'raw', undef, 1024 * 1024);
like(works('list', 'list', 'nas'), qr/\Avm-100-disk-0 +1073741824 .*\nvm-101-disk-0 .*\n\z/, 'has both volumes');
like(works('list of a guest', 'list', 'nas', '101'), qr/\Avm-101-disk-0 [^\n]*\n\z/, 'has its volume alone');
is(decode_json(works('list as JSON', '--json', 'list', 'nas', '100'))->[0]{size}, 1073741824, 'tells the size');
is(decode_json(works('show', 'show', 'nas', $disk))->{volume}{volname}, $disk, 'asks the NAS');

like(works('doctor', 'doctor', 'nas'), qr/^TrueNAS-25\.10\S*: everything /m, 'finds nothing wrong');
my $plan = works('setup --check', 'setup', '--check', 'nas');
like($plan, qr/^ok +dataset +tank\/vm: /m, 'tells each step');
unlike($plan, qr/^create/m, 'and has nothing to do');

# somebody removed the mapping of a volume
my $mapping = $sim->world()->{mapping}->[0]->{id};
$sim->post('/world', { remove => { table => 'mapping', id => $mapping } });
my $report = works('gc', 'gc', 'nas');
like($report, qr/^missing-mapping +\S*vm-10\d-disk-0: /m, 'tells of it');
unlike($report, qr/repaired/, 'repairs nothing');
my $repaired = works('gc --repair', 'gc', 'nas', '--repair');
like($repaired, qr/^1 repaired, 0 failed, 0 removed from this node$/m, 'tells what it did');
unlike(works('gc afterwards', 'gc', 'nas'), qr/missing/, 'finds nothing missing');

works('release', 'release', 'nas', 'vm-101-disk-0');
unlike(works('list', 'list', 'nas'), qr/^vm-101-disk-0 /m, 'a released volume is not ours');
like(works('adopt', 'adopt', 'nas', 'vm-101-disk-0'), qr/\Aadopted vm-101-disk-0\n\z/, 'tells what it adopted');
like(works('list', 'list', 'nas'), qr/^vm-101-disk-0 /m, 'an adopted volume is ours');
is(works('adopt --all --check', 'adopt', 'nas', '--all', '--check'), '', 'and nothing else is to be adopted');

fails('unknown storage', 2, qr/storage\.cfg has no storage 'none'/, 'list', 'none');
fails('storage of another type', 2, qr/'local' is of type dir/, 'list', 'local');
fails('storage without a key', 2, qr/api_key/, 'list', 'keyless');
fails('path in a storage name', 2, qr/'\.\.\/nas' is no storage/, 'list', '../nas');
fails('no storage', 2, qr/list: takes STOREID/, 'list');
fails('adopt without a volume', 2, qr/adopt: takes/, 'adopt', 'nas');
fails('adopt of all and one', 2, qr/adopt: takes/, 'adopt', 'nas', '--all', 'vm-100-disk-0');
fails('unknown volume', 1, qr/\Atnctl: notfound: /, 'release', 'nas', 'vm-100-disk-7');
fails('no volume name', 2, qr/\Atnctl: usage: /, 'show', 'nas', '../x');

done_testing();
