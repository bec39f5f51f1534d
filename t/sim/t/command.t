#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The command: its line, its certificate, its state across restarts, and its end.
use v5.36;
use File::Temp ();
use IO::Socket::SSL;
use Test::More;
use Time::HiRes ();
use FindBin     ();
use lib "$FindBin::Bin/../lib";
use TNSim::Releases;
use TNSim::Test;

my $tnsim = "$FindBin::Bin/../tnsim";
my $dir   = File::Temp->newdir;

# The line, and nothing else.
for my $release (TNSim::Releases->names) {
    my $began = TNSim::Test::now();
    my $nas   = TNSim::Test->start($release);
    cmp_ok TNSim::Test::now() - $began, '<', 60, "$release: is ready soon";
    is $nas->{release}, $release, "$release: tells its release";
    like $nas->{url}, qr{\Ahttps://127\.0\.0\.1:\d+\z}, "$release: a URL with TLS";
    like $nas->{api_key}, qr/\A[0-9]+-[A-Za-z0-9]{64}\z/,
        "$release: a key of the real form";
    like $nas->{fingerprint}, qr/\A(?:[0-9A-F]{2}:){31}[0-9A-F]{2}\z/,
        "$release: a fingerprint";
    is_deeply $nas->{iscsi_portals}, [], "$release: no portals without iSCSI";
    is_deeply [sort grep { !/\A(?:pid|out)\z/ } keys %$nas],
        [qw(api_key control fingerprint host iscsi_portals port release url)],
        "$release: these keys and no others";
    is $nas->stop,           0,     "$release: ends well on SIGTERM";
    is readline $nas->{out}, undef, "$release: and wrote nothing more";
}

# The certificate.
my $nas = TNSim::Test->start('25.10', state => "$dir");
my $ssl = $nas->socket;
is uc($ssl->get_fingerprint('sha256') =~ s/.*\$//r), uc($nas->{fingerprint} =~ tr/://dr),
    'the fingerprint is the certificate\'s';
$ssl = IO::Socket::SSL->new(
    PeerHost => '127.0.0.1', PeerPort => $nas->{port}, SSL_ca_file => "$dir/cert.pem",
    SSL_verifycn_name => 'localhost', SSL_verifycn_scheme => 'http'
);
ok $ssl, 'it can be trusted by file and name' or diag $IO::Socket::SSL::SSL_ERROR;
is((stat "$dir/key.pem")[2] & 0777,   0600, 'the key can be read by its owner only');
is((stat "$dir/keys.json")[2] & 0777, 0600, 'and so can the API keys');
my $new = $nas->world(certificate => { names => ['nas.example'] })->{certificate};
isnt $new, $nas->{fingerprint}, 'another certificate has another fingerprint';
$ssl = $nas->socket;
is uc($ssl->get_fingerprint('sha256') =~ s/.*\$//r), uc($new =~ tr/://dr),
    'and is shown to the next connection';
my $stale = TNSim::Test->start('25.10', cert_days => '-10,-1');
ok $stale->socket, 'an expired certificate';
ok !IO::Socket::SSL->new(
    PeerHost        => '127.0.0.1', PeerPort => $stale->{port},
    SSL_verify_mode => SSL_VERIFY_PEER
    ),
    'is refused by whoever verifies';

# State.
my $ws = $nas->rpc;
$ws->result('pool.dataset.create', { name => 'tank/kept', type => 'FILESYSTEM' });
my ($other) = @{ $nas->world(keys => [{ name => 'other', read_only => 1 }])->{keys} };
my %before = %$nas;
$nas->stop;
$nas = TNSim::Test->start('25.10', state => "$dir");
is $nas->{$_}, $before{$_}, "the $_ survives a restart" for qw(api_key fingerprint);
ok $nas->rpc->result('pool.dataset.get_instance', 'tank/kept'), 'and a dataset';
ok $nas->rpc(undef)->result('auth.login_with_api_key', $other), 'and another key';

my $other_nas = TNSim::Test->start('25.10');
isnt $other_nas->{api_key}, $nas->{api_key}, 'without --state everything is new';
my $world = "$dir/world.json";
open my $fh, '>', $world or die;
print $fh '{"dataset": {"name": "tank/vm", "create": {}}, "keys": [{"name": "x"}]}';
close $fh;
my $made = TNSim::Test->start('25.10', world => $world);
ok $made->rpc->result('pool.dataset.get_instance', 'tank/vm'),
    '--world fills a fresh state';

# Plain, and a port of one's own.
my $plain = TNSim::Test->start('25.10', plain => 1);
like $plain->{url}, qr{\Ahttp://}, '--plain has no TLS';
is $plain->{fingerprint}, undef, 'and no fingerprint';
ok $plain->rpc->result('core.ping'), 'and answers';

# It ends with its parent.
my $parent = fork // die;
if (!$parent) {
    my $child = TNSim::Test->start('25.10', state => "$dir/orphan");
    open my $out, '>', "$dir/pid.new";
    print $out $child->{pid};
    close $out;
    rename "$dir/pid.new", "$dir/pid";
    kill KILL => $$;
}
waitpid $parent, 0;
open my $in, '<', "$dir/pid" or die "no pid: $!";
my $orphan = readline $in;
my $until  = TNSim::Test::now() + 60;
Time::HiRes::sleep(0.05) while kill(0, $orphan) && TNSim::Test::now() < $until;
ok !kill(0, $orphan), '--parent-pid: it does not outlive its parent';

# What it refuses.
for my $bad (
    ['--release', '21.02'], ['--release', '25.10', '--listen', 'nowhere'], [],
    ['--release', '25.10', 'x'],
    ['--release', '25.10', '--quirk', 'none=1'], ['--nonsense']
) {
    my $pid = open(my $out, '-|') // die;
    if (!$pid) { open STDERR, '>&', \*STDOUT; exec $^X, $tnsim, @$bad }
    my $said = join '', readline $out;
    close $out;
    is $? >> 8, 2, "'@$bad' is refused with status 2";
    like $said, qr/\A(?:usage: |tnsim: )/, "'@$bad': and told why";
}

done_testing;
