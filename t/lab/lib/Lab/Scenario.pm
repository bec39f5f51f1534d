# SPDX-License-Identifier: Apache-2.0
# What a scenario is made of: a NAS, this node, checks that are told as sentences, and the look for
# leftovers on both sides at its end.
package Lab::Scenario;

use v5.36;

use POSIX ();
use Time::HiRes qw(time);
use Lab;
use Lab::Io;
use Lab::Nas;
use Lab::Node;

use Exporter qw(import);
our @EXPORT = (qw(start nas check fails finish), @Lab::EXPORT, @Lab::Node::EXPORT, @Lab::Io::EXPORT);

my ($nas, $number, $failed, $began) = (undef, 0, 0, time());

$| = 1;

# Brings up NAS, node and storage. %with: nas, node and storage, each a hash of options; storage 0 for none.
sub start (%with) {
    $nas = Lab::Nas->start(($with{nas} // {})->%*);
    node_up(($with{node} // {})->%*);
    add_storage($nas, ref($with{storage}) ? $with{storage}->%* : ()) if $with{storage} // 1;
    printf("# ready after %.0f s\n", time() - $began);
    return $nas;
}

sub nas () { return $nas }

# One line a check. With code: it dies, or gives false, when it is not so. What follows a failed check would
# only tell the same again, so that it ends the scenario.
sub check ($sentence, $code) {
    my $from = time();
    my $ok = ref($code) eq 'CODE' ? eval { $code->() } : $code;
    my $why = $@ if !$ok && ref($code) eq 'CODE';
    printf("%s %d - %s (%.1f s)\n", $ok ? 'ok' : 'not ok', ++$number, $sentence, time() - $from);
    return $ok if $ok;
    $failed++;
    print map { "#   $_\n" } split(/\n/, $why || 'not so');
    tell_state();
    say "1..$number";
    give_up();
}

# Without waiting for anything: what is stuck is what was to be found out.
sub give_up () {
    disks_killed();
    kill('KILL', $nas->{pid}) if $nas && $nas->{out};
    POSIX::_exit(1);
}

# That a command of the plugin fails and says why.
sub fails ($sentence, $pattern, @args) {
    return check($sentence, sub {
        my ($code, $said) = try_pvesm(@args);
        die "it did not fail: $said\n" if !$code;
        die "it said: $said\n" if $said !~ $pattern;
        1;
    });
}

# tnsim must not keep the guest waiting for the end of a scenario.
END {
    my $status = $?;
    $nas->end('KILL') if $nas && $nas->{out};
    $? = $status;
}

# For whoever has to find out why.
sub tell_state () {
    for my $command (['iscsiadm', '-m', 'session'], ['multipathd', 'show', 'topology'],
        ['dmsetup', 'table'], ['ls', '-lR', '/dev/tnstor'], ['dmesg']) {
        my (undef, $said) = try(@$command);
        my @lines = split(/\n/, $said);
        splice(@lines, 0, @lines - 40) if @lines > 40;
        print map { "#   | $_\n" } "\$ @$command", @lines;
    }
    return;
}

# The storage goes, and nothing of it may be left. %with: on => more nodes to look at.
sub finish (%with) {
    my @nodes = ($with{on} // [])->@*;
    check('the storage can be removed', sub { pvesm('remove', 'nas'); 1 });
    check('nothing is left on the NAS', sub { none_soon(sub { $nas->leftovers() }) });
    check('the target has no session', sub { none_soon(sub { $nas->sessions() }) });
    check('nothing is left on the node', sub { none_soon(sub { inventory() }) });
    for my $node (@nodes) {
        check("nothing is left on node $node->{name}", sub { none_soon(sub { $node->inventory() }) });
    }
    $nas->stop();
    say "1..$number";
    exit 0;
}

sub none (@left) { die join("\n", @left) . "\n" if @left; return 1 }

# udev and the target take a moment to let go of what was removed.
sub none_soon ($code) {
    my @left;
    eval { wait_until('', sub { !(@left = $code->()) }, 30); 1 } or return none(@left, $@);
    return 1;
}

1;
