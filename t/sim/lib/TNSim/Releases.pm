# SPDX-License-Identifier: Apache-2.0
# The releases of TrueNAS that tnsim plays, and how they compare.
package TNSim::Releases;
use v5.36;

# Our short name => the version string of the tree that the facts were read from.
my @ORDER = qw(22.12 23.10 24.04 24.10 25.04 25.10 26);
my %FULL  = (
    '22.12' => '22.12.4.2',
    '23.10' => '23.10.2',
    '24.04' => '24.04.2.5',
    '24.10' => '24.10.2.4',
    '25.04' => '25.04.2.6',
    '25.10' => '25.10.6',
    '26'    => '26.0.0-BETA.3',
);
my %INDEX = map { $ORDER[$_] => $_ } 0 .. $#ORDER;

sub names { return @ORDER }

sub _index ($name) {
    my $short = $name =~ /\A26(?:\.\d+)*\z/ ? '26' : $name;
    return $INDEX{$short}
        // ($name eq 'master' ? scalar @ORDER : die "unknown release '$name'\n");
}

sub new ($class, $name) {
    my $index = _index($name);
    die "tnsim does not play '$name'\n" if $index > $#ORDER;
    return bless { name => $ORDER[$index], index => $index }, $class;
}

sub name ($self) { return $self->{name} }

# The version without product name: "25.10.6".
sub full ($self) { return $FULL{ $self->{name} } }

sub at_least ($self, $other) { return $self->{index} >= _index($other) }

sub before ($self, $other) { return $self->{index} < _index($other) }

# Both ends included; an undefined end is open.
sub between ($self, $from, $to) {
    return 0 if defined $from && $self->{index} < _index($from);
    return 0 if defined $to   && $self->{index} > _index($to);
    return 1;
}

# A range as methods.json writes it: "22.12+", "22.12-25.04", "26", "25.04+ (remark)".
sub in ($self, $range) {
    return 1 if !defined $range || $range eq '' || $range eq 'all';
    my ($from, $plus, $to) =
        $range =~
        /\A\s*([0-9]+(?:\.[0-9]+)?|master)(?:(\+)|\s*-\s*([0-9]+(?:\.[0-9]+)?|master))?/
        or return 0;
    return $self->between($from, $plus ? undef : $to // $from);
}

1;
