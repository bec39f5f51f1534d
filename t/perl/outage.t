#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# A NAS that is down, slow, hanging or limiting makes its own storage inactive, and nothing more.

use v5.36;
no warnings qw(once);

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);
use lib 't/perl/lib';
use TNSTest;

my $plugin = plugin();

# A storage of its own for each case: the plugin remembers failures.
my $count = 0;

my sub storage ($sim) {
    my $storeid = 'nas' . ++$count;
    my $cfg = new_storage($sim, storeid => $storeid, tn_initiator => 'kernel');
    return ($storeid, $cfg->{ids}->{$storeid});
}

my sub timed ($code) {
    my $from = time();
    local $SIG{__WARN__} = sub { };
    my @result = $code->();
    return (time() - $from, @result);
}

my sub is_inactive_soon ($storeid, $scfg, $what) {
    my ($took, @status) = timed(sub { $plugin->status($storeid, $scfg, {}) });
    ok(!$status[3], "$what: inactive");
    cmp_ok($took, '<', 2, "$what: within 2 s");
    ($took) = timed(sub { $plugin->status($storeid, $scfg, {}) });
    cmp_ok($took, '<', 0.05, "$what: the next poll does not wait again");
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
    # the budget of a mutation is long; the alarm stands for PVE's own
    my $error = error_of(sub {
        local $SIG{ALRM} = sub ($name) { die "storage '$storeid': alarm\n" };
        alarm(5);
        $plugin->alloc_image($storeid, $scfg, 100, 'raw', undef, 1024);
    });
    alarm(0);
    like($error // '', qr/\Astorage '$storeid': [^\n]+\n\z/, "$what: alloc fails with one line");
    return;
}

my sub case ($what, $break, %sim) {
    subtest "a NAS that is $what" => sub {
        my $sim = start_sim(%sim);
        my ($storeid, $scfg) = storage($sim);
        TNStor::Handles::forget($storeid);
        my $kept = $break->($sim);
        is_inactive_soon($storeid, { %$scfg, tn_status_cache => 0 }, $what);
        still_works($storeid, $scfg, $what);
        mutation_fails($storeid, $scfg, $what);
    };
    return;
}

case('down', sub ($sim) { $sim->stop() });
case('hanging', sub ($sim) { $sim->fault(match => '*', do => 'hang', count => 1000) });
case('slow', sub ($sim) { $sim->fault(match => '*', do => 'delay', ms => 10_000, count => 1000) });
case('closing every connection', sub ($sim) { $sim->fault(match => '*', do => 'cut-before', count => 1000) });

subtest 'a NAS that takes connections and says nothing at all' => sub {
    my $sim = start_sim();
    my ($storeid, $scfg) = storage($sim);
    my $silent = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1') or die "cannot listen: $!\n";
    is_inactive_soon($storeid, { %$scfg, api_port => $silent->sockport(), tn_status_cache => 0 }, 'silent');
};

subtest 'the last known status stands in for a short outage' => sub {
    my $sim = start_sim();
    my ($storeid, $scfg) = storage($sim);
    my @before = $plugin->status($storeid, $scfg, {});
    is($before[3], 1, 'active');
    $sim->stop();
    my ($took, @during) = timed(sub { $plugin->status($storeid, $scfg, {}) });
    is_deeply(\@during, \@before, 'the same numbers');
    cmp_ok($took, '<', 2, 'within 2 s');
};

subtest 'other storages are not delayed' => sub {
    my ($well, $ill) = (start_sim(), start_sim());
    my ($id, $scfg) = storage($well);
    my $dir = $TNStor::Secrets::DIR;
    my ($bad_id, $bad_scfg) = storage($ill);
    $ill->fault(match => '*', do => 'hang', count => 1000);
    timed(sub { $plugin->status($bad_id, $bad_scfg, {}) });
    local $TNStor::Secrets::DIR = $dir;
    my ($took, @status) = timed(sub { $plugin->status($id, $scfg, {}) });
    is($status[3], 1, 'active');
    cmp_ok($took, '<', 1, 'soon');
};

subtest 'a poll with a warm session is one call' => sub {
    my $sim = start_sim();
    my ($storeid, $scfg) = storage($sim);
    $plugin->status($storeid, $scfg, {});
    my ($calls, $trips) = $sim->cost(sub {
        for (1 .. 5) {
            $plugin->check_connection($storeid, $scfg);
            $plugin->activate_storage($storeid, $scfg, {});
            $plugin->status($storeid, $scfg, {});
        }
    });
    is($calls, 5, 'calls of five polls');
    is($sim->stats()->{logins} <= 4 ? 1 : 0, 1, 'and no login for each');
};

done_testing();
