#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# The bindings themselves: handles, errors, signals, fork, memory.

use v5.36;
no warnings qw(once);

use POSIX ();
use Test::More;
use Time::HiRes qw(time);
use lib 't/perl/lib';
use TNSTest;

plugin();
require TNStor::Handles;
TNStor::Handles::load_library();

my $sim = start_sim();
my $node = scratch();
mkdir("$node/$_", 0700) for qw(run root);

my sub options (%more) {
    return {
        storeid => 'nas',
        api_host => $sim->{host},
        api_port => $sim->{port},
        api_key => $sim->{api_key},
        tn_fingerprint => $sim->{fingerprint},
        dataset => 'tank',
        tn_run_dir => "$node/run",
        tn_sysroot => "$node/root",
        tn_holder => '',
        %more,
    };
}

my sub open_storage (%more) { return TNStor::Storage->open(options(%more)) }

my sub resident_kib () {
    open(my $fh, '<', '/proc/self/status') or die "cannot read status: $!\n";
    my ($kib) = map { m/\AVmRSS:\s+(\d+)/ ? $1 : () } readline($fh);
    return $kib;
}

subtest 'a forged object is refused' => sub {
    my $number = 12345;
    for my $forged (bless(\$number, 'TNStor::Storage'), bless({}, 'TNStor::Storage'), 'TNStor::Storage', undef) {
        like(error_of(sub { TNStor::Storage::status($forged) }), qr/\Anot a TNStor::Storage object/, 'refused');
    }
};

subtest 'a closed handle is refused, and closing twice is nothing' => sub {
    my $storage = open_storage();
    $storage->close();
    $storage->close();
    like(error_of(sub { $storage->status() }), qr/was closed/, 'refused');
};

subtest 'an error is an object with a code, and one line as text' => sub {
    my $error = eval { TNStor::volname_parse("vm-100-disk-0\n"); 1 } ? undef : $@;
    isa_ok($error, 'TNStor::Error');
    is($error->name(), 'usage', 'name');
    ok(TNStor::Error->is($error, 'usage', 'config'), 'is');
    ok(!TNStor::Error->is($error, 'busy'), 'is not');
    like("$error", qr/\A[^\n]+\n\z/, 'one line');
    ok(!$error->outcome_unknown(), 'nothing is in doubt');
};

subtest 'a NUL inside a name is refused' => sub {
    like(error_of(sub { TNStor::volname_parse("vm-100-disk-0\0x") }), qr/NUL/, 'refused');
};

subtest 'a volume name is taken apart' => sub {
    my $parsed = TNStor::volname_parse('base-100-disk-0/vm-101-disk-1');
    is_deeply([$parsed->@{qw(vtype name vmid basename basevmid isbase format)}],
        ['images', 'vm-101-disk-1', 101, 'base-100-disk-0', 100, 0, 'raw'], 'a linked clone');
};

subtest 'the handler of SIGPIPE that the program has stays in force' => sub {
    my $seen = 0;
    local $SIG{PIPE} = sub ($name) { $seen++ };
    my $storage = open_storage();
    $storage->status();
    kill('PIPE', $$);
    is($seen, 1, 'it ran');
    $storage->close();
    kill('PIPE', $$);
    is($seen, 2, 'and runs after closing');
};

subtest 'die in the handler of SIGALRM arrives at once, and the handle works afterwards' => sub {
    my $storage = open_storage();
    $storage->status();
    $sim->fault(match => 'pool.dataset.*', do => 'hang', count => 1);
    my $from = time();
    my $error = error_of(sub {
        local $SIG{ALRM} = sub ($name) { die "alarm of the test\n" };
        alarm(1);
        $storage->status();
    });
    alarm(0);
    my $took = time() - $from;
    is($error, "alarm of the test\n", 'the handler\'s own words');
    cmp_ok($took, '<', 2, 'soon');
    $sim->reset();
    ok($storage->status()->{total}, 'the next call is answered');
};

subtest 'SIGCHLD does not end a call' => sub {
    my $storage = open_storage();
    $storage->status();
    my $reaped = 0;
    local $SIG{CHLD} = sub ($name) { $reaped++ };
    $sim->fault(match => 'pool.dataset.*', do => 'delay', ms => 800, count => 1);
    my $pid = fork() // die "cannot fork: $!\n";
    if (!$pid) {
        select(undef, undef, undef, 0.2);
        POSIX::_exit(0);
    }
    ok($storage->status()->{total}, 'answered');
    waitpid($pid, 0);
    cmp_ok($reaped, '>=', 1, 'the handler ran');
};

subtest 'a child cannot use the handle, and does the parent no harm' => sub {
    my $storage = open_storage();
    $storage->status();
    my $connections = $sim->stats()->{connections};
    my $pid = fork() // die "cannot fork: $!\n";
    if (!$pid) {
        my $error = eval { $storage->status(); 1 } ? undef : $@;
        my $right = TNStor::Error->is($error, 'forked');
        undef $storage;
        POSIX::_exit($right ? 0 : 1);
    }
    waitpid($pid, 0);
    is($?, 0, 'forked, says the child');
    ok($storage->status()->{total}, 'the parent goes on');
    is($sim->stats()->{connections}, $connections, 'on the same connection');
};

subtest 'a logger that dies is survived' => sub {
    my @warnings;
    local $SIG{__WARN__} = sub ($line) { push @warnings, $line };
    my $storage = TNStor::Storage->open(options(), sub { die "logger\n" }, 7);
    ok($storage->status()->{total}, 'answered');
    ok(scalar(grep { m/log callback died: logger/ } @warnings), 'warned');
};

subtest 'no memory is lost in 100 000 calls' => sub {
    my $storage = open_storage();
    my $round = sub ($n) {
        for (1 .. $n) {
            TNStor::volname_parse('base-100-disk-0/vm-101-disk-1');
            $storage->volume_path('vm-100-disk-0', undef);
            eval { TNStor::volname_parse('../../etc/passwd') };
        }
    };
    $round->(2_000);
    my $before = resident_kib();
    $round->(33_334);
    cmp_ok(resident_kib() - $before, '<', 512, 'KiB more');
};

subtest 'no memory is lost in opening and closing' => sub {
    my $round = sub ($n) { open_storage()->close() for 1 .. $n };
    $round->(200);
    my $before = resident_kib();
    $round->(2_000);
    cmp_ok(resident_kib() - $before, '<', 512, 'KiB more');
};

subtest 'no memory is lost when an option dies as it is looked at' => sub {
    my sub round ($n) {
        for (1 .. $n) {
            my %options = map { ("option$_" => 'x' x 4000) } 1 .. 8;
            tie $options{dies}, 'Dies';
            error_of(sub { TNStor::Storage->open(\%options) }) eq "dies\n" or die "it did not die\n";
        }
    }
    round(200);
    my $before = resident_kib();
    round(2_000);
    cmp_ok(resident_kib() - $before, '<', 512, 'KiB more');
};

package Dies {
    sub TIESCALAR ($class) { return bless {}, $class }
    sub FETCH ($self) { die "dies\n" }
}

subtest 'the API key is in no error and no log line' => sub {
    my @lines;
    my $key = '1-' . 'k' x 64;
    my $storage = TNStor::Storage->open(options(api_key => $key), sub ($level, $component, $text) { push @lines, $text }, 7);
    my $error = error_of(sub { $storage->status() });
    ok(defined($error), 'refused');
    unlike($error, qr/k{64}/, 'not in the error');
    is(scalar(grep { m/k{64}/ } @lines), 0, 'not in ' . @lines . ' log lines');
};

done_testing();
