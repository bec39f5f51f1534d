# SPDX-License-Identifier: Apache-2.0
# Faults that a test ordered, and which request each of them hits.
package TNSim::Faults;
use v5.36;

my %KIND = map { $_ => 1 } qw(
    fail delay lose drop cut cut-before close restart hang half garbage status slow
    plaintext answer refuse missing expire duplicate unknown-id event-storm raw
);

sub new ($class) { return bless { list => [], next_id => 1 }, $class }

sub clear ($self) { $self->{list} = []; return }

sub _glob ($pattern) {
    my $re = join '', map { $_ eq '*' ? '.*' : $_ eq '?' ? '.' : quotemeta } split //,
        $pattern;
    return qr/\A$re\z/;
}

# {"match": glob, "nth": 1, "count": 1 (0 = for ever), "do": kind, ...}; returns its id.
sub add ($self, $spec) {
    my $kind = $spec->{do} // '';
    die "unknown fault '$kind'\n" if !$KIND{$kind};
    my $fault = {
        nth => 1, count => 1, %$spec, id => $self->{next_id}++, seen => 0, hits => 0,
        re  => _glob($spec->{match} // '*'),
    };
    push @{ $self->{list} }, $fault;
    return $fault->{id};
}

# The fault that hits this request, or undef. Every matching fault counts the request.
sub hit ($self, $name, $params_text = undef) {
    my $hit;
    for my $fault (@{ $self->{list} }) {
        next if $name !~ $fault->{re};
        next if defined $fault->{params} && index($params_text // '', $fault->{params}) < 0;
        $fault->{seen}++;
        next if $hit || $fault->{seen} < $fault->{nth};
        next if $fault->{count} && $fault->{hits} >= $fault->{count};
        $fault->{hits}++;
        $hit = $fault;
    }
    return $hit;
}

sub wants_params ($self) {
    return scalar grep { defined $_->{params} } @{ $self->{list} };
}

sub any ($self) { return scalar @{ $self->{list} } }

sub dump ($self) {
    return [map { my %f = %$_; delete $f{re}; \%f } @{ $self->{list} }];
}

1;
