#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# tnctl call and ping: results, one-line errors, exit codes, and a key that nobody else sees.

use v5.36;

use JSON::PP qw(decode_json);
use POSIX qw(:sys_wait_h);
use Test::More;
use lib 't/perl/lib';
use TNSTest;

my $tnctl = build_dir() . '/bin/tnctl';
plan skip_all => 'tnctl is not built' if !-x $tnctl;

my $sim = start_sim(release => '25.10', iscsi => 0);
my $dir = scratch();
my $run = "$dir/run";

my sub spew ($name, $text, $mode = 0600) {
    open my $fh, '>', "$dir/$name" or die "$name: $!\n";
    print $fh $text;
    close $fh or die "$name: $!\n";
    chmod $mode, "$dir/$name";
    return "$dir/$name";
}

my $key_file = spew('key', "$sim->{api_key}\n");

# Exit code, stdout, stderr.
my sub run_tnctl (@args) {
    my $stdin = ref $args[0] ? ${ shift @args } : undef;
    my $in = spew('stdin', $stdin // '');
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        open STDIN, '<', $in or die;
        open STDOUT, '>', "$dir/out" or die;
        open STDERR, '>', "$dir/err" or die;
        exec { $tnctl } $tnctl, @args or die;
    }
    waitpid $pid, 0;
    my ($status, @text) = $?;
    for my $name (qw(out err)) {
        open my $fh, '<', "$dir/$name" or die;
        local $/;
        push @text, scalar readline $fh;
    }
    is(WIFEXITED($status), 1, 'tnctl ended by itself');
    unlike("$text[0]$text[1]", qr/\Q$sim->{api_key}\E/, 'the key is told nowhere');
    return (WEXITSTATUS($status), map { $_ // '' } @text);
}

my @nas = ('--host', $sim->{host}, '--port', $sim->{port}, '--run-dir', $run, '--no-holder');
my @good = (@nas, '--fingerprint', $sim->{fingerprint}, '--key-file', $key_file);

my sub fails ($name, $code, $words, @args) {
    my ($exit, $out, $err) = run_tnctl(@args);
    is($exit, $code, "$name: exit code $code");
    is($out, '', "$name: nothing on stdout");
    like($err, $words, "$name: says why");
    like($err, qr/\A[^\n]+\n(?:Try [^\n]+\n)?\z/, "$name: in one line");
    return;
}

{
    my ($exit, $out, $err) = run_tnctl(@good, 'call', 'system.version');
    is($exit, 0, 'call works');
    is($out, qq{"TrueNAS-25.10.6"\n}, 'and prints the result');
    is($err, '', 'and nothing else');
}

{
    my ($exit, $out) = run_tnctl(@good, '--json', 'call', 'pool.dataset.query',
        '[["id","=","tank"]]', '{"select":["id","type"]}');
    is($exit, 0, 'a call with arguments works');
    is($out, qq([{"id":"tank","type":"FILESYSTEM"}]\n), 'one line with --json');
}

{
    my ($exit, $out) = run_tnctl(\$sim->{api_key}, @nas, '--fingerprint', $sim->{fingerprint},
        '--key-file', '-', 'call', 'system.version');
    is($exit, 0, 'the key is read from stdin');
}

{
    my ($exit, $out) = run_tnctl(@good, '--user', 'root', 'call', 'system.version');
    is($exit, 0, 'a user may be named');
}

{
    my ($exit, $out) = run_tnctl(@good, '--transport', 'rest', '--json', 'call', 'system.version');
    is($exit, 0, 'REST works');
    is($out, qq{"TrueNAS-25.10.6"\n}, 'and answers the same');
}

{
    my $open = spew('open', $sim->{api_key}, 0644);
    my ($exit, $out, $err) = run_tnctl(@nas, '--fingerprint', $sim->{fingerprint}, '--key-file', $open,
        'call', 'system.version');
    is($exit, 0, 'a key file that others may read is used');
    like($err, qr/\Atnctl: warning: \Q$open\E can be read by others \(mode 0644\)/, 'and warned about');
}

{
    my ($exit, $out) = run_tnctl(@good, '--json', 'ping');
    is($exit, 0, 'ping works');
    my $pong = decode_json($out);
    is($pong->{release}, 2510, 'release');
    is($pong->{version}, 'TrueNAS-25.10.6', 'version');
    is($pong->{dialect}, 'jsonrpc', 'dialect');
    is($pong->{fingerprint}, $sim->{fingerprint}, 'fingerprint');
    ok(!$pong->{via_holder}, 'not through the holder');
    cmp_ok($pong->{rtt_ms}, '>', 0, 'round trip');
    cmp_ok(abs $pong->{clock_ahead_s}, '<', 3, 'the clocks agree');
    $sim->post('/world', { clock_offset => 3600 });
    ($exit, $out) = run_tnctl(@good, 'ping');
    like($out, qr/^clock +the NAS is 3(?:59[89]|60[01])\.[0-9] s ahead of this node$/m, 'a wrong clock is seen');
    $sim->post('/world', { clock_offset => 0 });
}

{
    my ($exit, $out) = run_tnctl(@nas, '--insecure', '--key-file', $key_file, 'ping');
    is($exit, 0, '--insecure is honoured');
    like($out, qr/^fingerprint +\Q$sim->{fingerprint}\E$/m, 'and ping tells what to trust instead');
}

{
    my @job = (@good, 'call', '--job', 'core.bulk', '"pool.dataset.query"', '[[[["id","=","tank"]]]]');
    my ($exit, $out) = run_tnctl(@job);
    is($exit, 0, 'a job is waited for');
    is(decode_json($out)->[0]{error}, undef, 'and its result printed');
}

my $logins = $sim->get('/stats')->{logins};

fails('no command', 2, qr/which command/, @good);
fails('unknown command', 2, qr/'frob' is no command/, @good, 'frob');
fails('no method', 2, qr/which method/, @good, 'call');
fails('method with a blank', 2, qr/no name of a method/, @good, 'call', 'system version');
fails('method with a line break', 2, qr/no name of a method/, @good, 'call', "system.version\n");
fails('argument that is no JSON', 2, qr/argument 2 of pool.query is no JSON/, @good, 'call', 'pool.query',
    '[]', 'tank');
fails('no host', 2, qr/api_host: missing/, '--key-file', $key_file, '--run-dir', $run, 'ping');
fails('no key', 2, qr/--key-file/, @nas, 'ping');
fails('missing key file', 2, qr/cannot open the key file/, @nas, '--key-file', "$dir/none", 'ping');
fails('empty key', 2, qr/holds no API key/, @nas, '--key-file', spew('empty', "\n"), 'ping');
fails('key of two lines', 2, qr/api_key: contains a line break/, @nas, '--key-file', spew('two', "1-a\n1-b\n"), 'ping');
fails('bad port', 2, qr/--port: '70000'/, @good, '--port', '70000', 'ping');
fails('bad timeout', 2, qr/--timeout: '-1'/, @good, '--timeout', '-1', 'ping');
fails('bad fingerprint', 2, qr/tn_fingerprint/, @good, '--fingerprint', 'AA:BB', 'ping');
fails('bad transport', 2, qr/api_transport: 'soap'/, @good, '--transport', 'soap', 'ping');
fails('key in clear to another host', 2, qr/api_scheme: an API key is not sent/, @good, '--host', 'nas.example',
    '--scheme', 'ws', 'ping');
is($sim->get('/stats')->{logins}, $logins, 'none of these logged in');

fails('unknown certificate', 4, qr/\Atnctl: tls: /, @nas, '--key-file', $key_file, 'ping');
fails('wrong fingerprint', 4, qr/\Atnctl: tls: /, @good, '--fingerprint', join(':', ('AB') x 32), 'ping');
fails('nobody there', 4, qr/\Atnctl: transport: /, @good, '--port', 1, 'ping');
fails('no such method', 1, qr/\Atnctl: unsupported: /, @good, 'call', 'pool.frob');
fails('the NAS refuses', 1, qr/\Atnctl: notfound: /, @good, 'call', 'pool.dataset.get_instance', '"tank/none"');
fails('wrong key', 3, qr/\Atnctl: auth: /, @nas, '--fingerprint', $sim->{fingerprint}, '--key-file',
    spew('wrong', '1-' . 'x' x 64), 'ping');

{
    my ($exit, $out, $err) = run_tnctl(@good, '--json', 'call', 'pool.dataset.get_instance', '"tank/none"');
    is($exit, 1, 'an error with --json');
    my $error = decode_json($err)->{error};
    is($error->{code}, 'notfound', 'is one object');
    like($error->{text}, qr/tank\/none/, 'that names what is missing');
}

{
    $sim->post('/fault', { match => 'pool.dataset.create', do => 'cut' });
    fails('lost reply', 6, qr/may have happened/, @good, 'call', 'pool.dataset.create',
        '{"name":"tank/x","type":"VOLUME","volsize":1048576,"sparse":true}');
}

{
    $sim->post('/fault', { match => 'pool.query', do => 'drop' });
    fails('silent NAS', 4, qr/\Atnctl: timeout: /, @good, '--timeout', 1, 'call', 'pool.query');
}

{
    my ($exit, $out) = run_tnctl('--help');
    is($exit, 0, '--help');
    like($out, qr/\Ausage: tnctl /, 'says how');
    like($out, qr/^  \Q$_\E /m, "knows $_") for qw(call ping doctor setup list show gc adopt release);
    ($exit, $out) = run_tnctl('--version');
    like($out, qr/\Atnctl [0-9.]+\n\z/, '--version');
}

done_testing();
