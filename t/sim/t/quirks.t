#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# QUIRKS.md and WORLD.md name every switch and command, and nothing else.
use v5.36;
use Test::More;
use FindBin ();
use lib "$FindBin::Bin/../lib";
use TNSim::Quirks;
use TNSim::Releases;

open my $fh, '<', "$FindBin::Bin/../QUIRKS.md" or BAIL_OUT("QUIRKS.md: $!");
my %said  = map { /\A\| (\w+) \| ([-0-9.+]+) \|/ ? ($1 => $2) : () } readline $fh;
my $table = TNSim::Quirks->table;
is join(' ', sort keys %said), join(' ', sort keys %$table),
    'every quirk is in QUIRKS.md, and every line is a quirk';

for my $release (map { TNSim::Releases->new($_) } TNSim::Releases->names) {
    my $default = TNSim::Quirks->defaults($release);
    my @wrong =
        grep { $default->{$_} != ($said{$_} ne '-' && $release->in($said{$_}) ? 1 : 0) }
        grep { $said{$_} } sort keys %$default;
    is "@wrong", '', $release->name . ': the defaults are as QUIRKS.md says';
}

sub slurp ($file) {
    open my $in, '<', $file or die "$file: $!";
    local $/ = undef;
    return scalar readline $in;
}

# Dead switches are worse than none.
my @code = map { glob "$FindBin::Bin/../lib/$_" } 'TNSim/*.pm', 'TNSim/*/*.pm',
    'TNSim/*/*/*.pm';
my $text = join '', map { slurp($_) } grep { !m{/Quirks\.pm\z} } @code;
for my $name (sort keys %$table) { ok $text =~ m{\b\Q$name\E\b}, "$name is looked at" }

# The test that is named for a switch is there, and under its name.
seek $fh, 0, 0;
for (readline $fh) {
    my ($name, $where, $test) = m{\A\| (\w+) \|.*\| (\S+) `(\w+)` \|\Z} or next;
    my $file = "$FindBin::Bin/../../c/$where.c";
    ok -f $file && slurp($file) =~ /\b\Q$test\E\b/, "$name: $where has $test";
}

done_testing;
