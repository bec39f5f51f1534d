#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# A NAS that is down, slow, hanging or limiting makes its own storage inactive, and nothing more.

use v5.36;
no warnings qw(once);

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);
use lib 't/perl/lib';
use TNSTest;
use TNSKernel;

my $plugin = plugin();
my $node = TNSTest::node();

# A storage of its own for each case: the plugin remembers failures.
my $count = 0;

my sub storage ($sim, %more) {
    my $storeid = 'nas' . ++$count;
    my $cfg = new_storage($sim, storeid => $storeid, tn_initiator => 'kernel', node_dir => $node, %more);
    return ($storeid, $cfg->{ids}->{$storeid});
}

# One that is well, beside each that is not.
my $well = start_sim();
my ($well_id, $well_scfg) = storage($well);

# Seconds, and what the code gave.
my sub timed ($code) {
    my $from = time();
    local $SIG{__WARN__} = sub { };
    my @result = $code->();
    return (time() - $from, @result);
}

# A first poll of pvestatd, and the next one: seconds and results of both. The plugin remembers failures by the
# storage's id, so that each time takes another one.
my sub polls ($storeid, $scfg) {
    state $n = 0;
    my $id = "$storeid-" . ++$n;
    TNStor::Secrets::update($id, TNStor::Secrets::read($storeid));
    my $cfg = { ids => { $well_id => $well_scfg, $id => $scfg }, order => {} };
    my @polls = map { [timed(sub { PVE::Storage::storage_info($cfg) })] } 1 .. 2;
    return map { ($_->[0], $_->[1]->{$id}->{active}, $_->[1]->{$well_id}->{active}) } @polls;
}

# Several times where this machine is too busy to tell.
my sub is_inactive_soon ($storeid, $scfg, $what) {
    my ($took, $active, $well_active, $took_next, undef, $well_active_next);
    for (1 .. 5) {
        ($took, $active, $well_active, $took_next, undef, $well_active_next) = polls($storeid, $scfg);
        last if $took < 2 && $took_next < 1 && $well_active && $well_active_next;
    }
    ok(!$active, "$what: inactive");
    ok($well_active, "$what: the other storage is active");
    cmp_ok($took, '<', 2, "$what: all of them within 2 s");
    cmp_ok($took_next, '<', 1, "$what: the next poll does not wait again");
    ok($well_active_next, "$what: the other storage is active then, too");
    return;
}

my sub still_works ($storeid, $scfg, $what) {
    is($plugin->check_connection($storeid, $scfg), 1, "$what: check_connection");
    is($plugin->activate_storage($storeid, $scfg, {}), 1, "$what: activate_storage");
    is(scalar $plugin->path($scfg, 'vm-100-disk-0', $storeid), "/dev/tnstor/$storeid/vm-100-disk-0", "$what: path");
    is(error_of(sub { $plugin->deactivate_volume($storeid, $scfg, 'vm-100-disk-0') }), undef,
        "$what: deactivate_volume");
    return;
}

my sub mutation_fails ($storeid, $scfg, $what) {
    local $TNStor::Handles::TIMEOUT_MS = 800;
    my %try = (
        alloc => sub { $plugin->alloc_image($storeid, $scfg, 100, 'raw', undef, 1024) },
        free => sub { $plugin->free_image($storeid, $scfg, 'vm-100-disk-0', 0, 'raw') },
        snapshot => sub { $plugin->volume_snapshot($scfg, $storeid, 'vm-100-disk-0', 's1') },
    );
    for my $name (sort keys %try) {
        my ($took, $error) = timed(sub { error_of($try{$name}) });
        like($error // 'done', qr/\Astorage '$storeid': [^\n]+\n\z/, "$what: $name fails with one line");
        cmp_ok($took, '<', 10, "$what: $name ends");
    }
    return;
}

my sub suffers ($what, $storeid, $scfg) {
    is_inactive_soon($storeid, { %$scfg, tn_status_cache => 0 }, $what);
    still_works($storeid, $scfg, $what);
    mutation_fails($storeid, $scfg, $what);
    return;
}

my sub case ($what, $break) {
    subtest "a NAS that is $what" => sub {
        my $sim = start_sim();
        my ($storeid, $scfg) = storage($sim);
        TNStor::Handles::forget($storeid);
        $break->($sim);
        suffers($what, $storeid, $scfg);
        $sim->stop();
    };
    return;
}

case('down', sub ($sim) { $sim->stop() });
case('hanging', sub ($sim) { $sim->fault(match => '*', do => 'hang', count => 0) });
case('slow', sub ($sim) { $sim->fault(match => '*', do => 'delay', ms => 10_000, count => 0) });
case('closing every connection', sub ($sim) { $sim->fault(match => '*', do => 'cut-before', count => 0) });
case('limiting logins', sub ($sim) { $sim->post('/world', { limiter => { calls => 0, reset => 1, sleep => [3, 3] } }) });
case('not accepting the key any more', sub ($sim) {
    $sim->fault(match => 'auth.*', do => 'answer', result => JSON::PP::false(), count => 0);
});

subtest 'a NAS that takes connections and says nothing at all' => sub {
    my ($storeid, $scfg) = storage($well);
    my $silent = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1') or die "cannot listen: $!\n";
    suffers('silent', $storeid, { %$scfg, api_port => $silent->sockport() });
};

# Hands bytes on between its clients and the NAS. Told so, it ends its own direction of every connection and listens
# on, as a peer does whose half of the connection was closed.
my sub half_closing_proxy ($sim) {
    my $listener = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1') or die "cannot listen: $!\n";
    my $pid = fork() // die "cannot fork: $!\n";
    if ($pid) {
        my $port = $listener->sockport();
        return ($port, $pid);
    }
    my $is_closed = 0;
    my %other;
    local $SIG{USR1} = sub ($name) {
        $is_closed = 1;
        $_->shutdown(1) for grep { $_->sockport() == $listener->sockport() } map { $_->[0] } values %other;
    };
    my $select = IO::Select->new($listener);
    while (getppid() != 1) {
        for my $from ($select->can_read(0.2)) {
            if ($from == $listener) {
                my $client = $listener->accept() or next;
                my $nas = IO::Socket::INET->new(PeerAddr => $sim->{host}, PeerPort => $sim->{port}) or next;
                $other{$client} = [$client, $nas];
                $other{$nas} = [$nas, $client];
                $select->add($client, $nas);
                $client->shutdown(1) if $is_closed;
                next;
            }
            my $got = sysread($from, my $bytes, 65536);
            my $to = $other{$from}->[1];
            if (!$got) { $select->remove($from); $to->shutdown(1) }
            elsif (!$is_closed) { syswrite($to, $bytes) }
        }
    }
    POSIX::_exit(0);
}

subtest 'a NAS whose half of every connection is closed' => sub {
    my $sim = start_sim();
    my ($port, $pid) = half_closing_proxy($sim);
    my ($storeid, $scfg) = storage($sim, api_port => $port);
    my @status = $plugin->status($storeid, $scfg, {});
    is($status[3], 1, 'active before');
    kill('USR1', $pid);
    suffers('half closed', $storeid, $scfg);
    kill('KILL', $pid);
    waitpid($pid, 0);
};

# A resolver that never answers needs a network and an /etc/resolv.conf of its own.
my sub with_dead_dns ($code) {
    my $file = scratch() . '/resolv.conf';
    open(my $fh, '>', $file) or die "cannot write: $!\n";
    print {$fh} "nameserver 127.0.0.1\noptions timeout:30 attempts:3\n";
    close($fh);
    my $pid = fork() // die "cannot fork: $!\n";
    if (!$pid) {
        # CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET; root needs no user namespace
        my $flags = 0x00020000 | 0x40000000 | ($> ? 0x10000000 : 0);
        syscall(272, $flags) == 0 or POSIX::_exit(77);
        my $any = IO::Socket::INET->new(Proto => 'udp') or POSIX::_exit(77);
        my $lo = pack('a16 s x22', 'lo', 0x41); # up and running
        ioctl($any, 0x8914, $lo) or POSIX::_exit(77);
        my $silent = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1', LocalPort => 53) or POSIX::_exit(77);
        system('mount', '--make-rprivate', '/') == 0 && system('mount', '--bind', $file, '/etc/resolv.conf') == 0
            or POSIX::_exit(77);
        POSIX::_exit($code->() ? 0 : 1);
    }
    waitpid($pid, 0);
    return $? >> 8;
}

subtest 'a name that the resolver never answers' => sub {
    my ($storeid, $scfg) = storage($well);
    my $status = with_dead_dns(sub {
        my $unknown = { %$scfg, api_host => 'nas.example', tn_status_cache => 0 };
        for (1 .. 5) {
            my ($took, $active) = polls($storeid, $unknown);
            return 1 if !$active && $took > 1 && $took < 2;
        }
        return 0;
    });
    plan(skip_all => 'no namespaces here') if $status == 77;
    is($status, 0, 'inactive, and within 2 s');
};

subtest 'the last known status stands in for a short outage' => sub {
    my $sim = start_sim();
    my ($storeid, $scfg) = storage($sim);
    my @before = $plugin->status($storeid, $scfg, {});
    is($before[3], 1, 'active');
    $sim->stop();
    is_deeply([$plugin->status($storeid, $scfg, {})], \@before, 'the same numbers');
};

# The node goes down as it is: what it mapped is not there when it comes up, and /run is empty.
my sub restart_node ($storeid) {
    my $run = $TNStor::Handles::NODE{tn_run_dir};
    ($_) = m/\A(.*)\z/s, unlink($_) for glob("$node/root/dev/tnstor/$storeid/* $node/root$run/qemu/$storeid/*");
    TNStor::Handles::forget($storeid);
    return;
}

subtest 'a guest whose disk was mapped when the node went down starts and stops while the API is away' => sub {
    my $sim = start_sim();
    plug_in($sim);
    my ($storeid, $scfg) = storage($sim);
    my $volname = $plugin->alloc_image($storeid, $scfg, 100, 'raw', undef, 1024);
    $plugin->activate_volume($storeid, $scfg, $volname, undef, {});
    restart_node($storeid);
    $sim->fault(match => '*', do => 'cut-before', count => 0); # its target goes on
    my @warnings;
    local $SIG{__WARN__} = sub ($line) { push @warnings, $line };
    for (1 .. 2) {
        is(error_of(sub { $plugin->activate_volume($storeid, $scfg, $volname, undef, {}) }), undef, 'activated');
    }
    ok(-e "$node/root/dev/tnstor/$storeid/$volname", 'with its device');
    # as a start with a cloud-init disk asks: an error would have PVE allocate it anew
    is(eval { scalar $plugin->volume_size_info($scfg, $storeid, $volname) }, 1024 * 1024, 'and its size')
        or diag($@);
    like($warnings[0] // '', qr/\Astorage '$storeid': mapped from this node's record, because the API is away[^\n]+\n\z/, 'one is told');
    is(error_of(sub { $plugin->deactivate_volume($storeid, $scfg, $volname, undef, {}) }), undef, 'deactivated');
    like(error_of(sub { $plugin->activate_volume($storeid, $scfg, 'vm-100-disk-7', undef, {}) }) // '',
        qr/\Astorage '$storeid': [^\n]*vm-100-disk-7[^\n]*\n\z/, 'one that never was here is refused');
};

subtest 'a poll with a warm session is one call' => sub {
    my ($storeid, $scfg) = storage($well);
    $plugin->status($storeid, $scfg, {});
    my ($calls, $trips) = $well->cost(sub {
        for (1 .. 5) {
            $plugin->check_connection($storeid, $scfg);
            $plugin->activate_storage($storeid, $scfg, {});
            $plugin->status($storeid, $scfg, {});
        }
    });
    is($calls, 5, 'calls of five polls');
};

done_testing();
