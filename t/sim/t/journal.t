#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The journal masks secrets where they belong, and tells of those that came anywhere else.
use v5.36;
use Test::More;
use FindBin ();
use lib "$FindBin::Bin/../lib";
use TNSim::Journal;

my $key     = '1-CaNaRyKey' . 'x' x 54;
my $journal = TNSim::Journal->new;

my sub noted ($method, @params) {
    my $before = $journal->stats->{reply_violations};
    $journal->entry(method => $method, params => \@params);
    return $journal->stats->{reply_violations} - $before;
}

is noted('auth.login_with_api_key', $key), 0, 'a login carries the key';
is noted('auth.login_ex', { mechanism => 'API_KEY_PLAIN', api_key => $key }), 0, 'the other login, too';
is noted('iscsi.auth.create', { tag => 1, secret => 'CaNaRyChap-12' }), 0, 'CHAP is told its secret';
is noted('pool.query', [['name', '=', $key]]), 1, 'a filter has no business with it';
is noted('pool.dataset.create', { name => 'tank/x', comments => "key $key" }), 1, 'nor has a comment';
unlike $journal->log_lines =~ s/"method":"pool[^\n]*//gr, qr/CaNaRy/, 'what belongs there is not in the log';

done_testing;
