# SPDX-License-Identifier: Apache-2.0
# Twenty calls a minute per method and address, for methods that need no login.
package TNSim::Limiter;
use v5.36;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

sub new ($class) {
    return bless {
        calls => 20, window  => 60, clear_every => 600, table_max => 100, sleep => [1, 10],
        table => {}, cleared => _now(),
    }, $class;
}

sub _now () { return clock_gettime(CLOCK_MONOTONIC) }

# Knobs of POST /world {"limiter": {...}}; "reset" forgets what was counted, "age" makes it
# as many seconds older.
sub set ($self, $knobs) {
    for my $name (qw(calls window clear_every table_max sleep)) {
        $self->{$name} = $knobs->{$name} if exists $knobs->{$name};
    }
    $self->{sleep} = [$self->{sleep}, $self->{sleep}] if !ref $self->{sleep};
    if ($knobs->{reset}) { %{ $self->{table} } = (); $self->{cleared} = _now() }
    if (my $seconds = $knobs->{age}) {
        $_->{since} -= $seconds for values %{ $self->{table} };
    }
    return;
}

# True while a call is within the limit; it is counted either way.
sub allow ($self, $method, $address, $full_refuses) {
    my $now = _now();
    if ($now - $self->{cleared} >= $self->{clear_every}) {
        $self->{table}   = {};
        $self->{cleared} = $now;
    }
    my $table = $self->{table};
    return 0 if $full_refuses && keys %$table == $self->{table_max};
    my $slot = $table->{"$method $address"} //= { since => $now, count => 0 };
    if ($now - $slot->{since} >= $self->{window}) {
        $slot->{since} = $now;
        $slot->{count} = 0;
    }
    return ++$slot->{count} <= $self->{calls};
}

# How long the server makes the refused one wait, in seconds.
sub delay ($self) {
    my ($low, $high) = @{ $self->{sleep} };
    return $low + rand($high - $low);
}

sub dump ($self) {
    return { map { $_ => $self->{$_} } qw(calls window clear_every table_max sleep table) };
}

1;
