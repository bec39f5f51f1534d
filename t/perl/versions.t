#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# The call sequences once more, under each older version of the storage API: fewer arguments, and no methods that
# came later.

use v5.36;
no warnings qw(once);

use Test::More;
use lib 't/perl/lib';
use TNSTest;

my ($perl) = $^X =~ m/\A(.*)\z/;
my $test = top() . '/t/perl/sequences.t';

plan(skip_all => 'real modules have one version') if (pve_lib())[0] ne top() . '/t/lib';

for my $version (10 .. 14) {
    local $ENV{TNS_TEST_APIVER} = $version;
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    if (!$pid) {
        open(STDERR, '>&', \*STDOUT) or die "cannot redirect: $!\n";
        exec($perl, '-T', $test) or die "exec: $!\n";
    }
    my @lines = readline($out);
    close($out);
    is($?, 0, "storage API $version") or diag(grep { !m/^\s*ok / } @lines);
}

done_testing();
