# SPDX-License-Identifier: Apache-2.0
# What was asked and how it ended: the log and the counters of the control address.
package TNSim::Journal;
use v5.36;
use Cpanel::JSON::XS;
use Time::HiRes qw(time);

use constant KEEP => 100_000;

my $SECRET =
    qr/\A(?:api_key|password|token|otp_token|secret|peersecret|passphrase|new_password
                  |rfc_str|dhchap_key|dhchap_ctrl_key|reconnect_token)\z/x;

# The secrets that the tests use: where one is not masked, a client sent it where it has no place.
my $CANARY = qr/CaNaRy(?:Key|Chap)/;
my $leaks  = 0;

sub new ($class) {
    my $self = bless {}, $class;
    $self->reset;
    return $self;
}

sub reset ($self) {
    %$self = (
        log         => [], calls => 0, trips => 0, logins => 0, logins_failed => 0,
        connections => 0,
        http => 0, rest => 0, by_method => {}, errors => 0, internal => 0, pings => 0,
        reply_violations => 0,
        violations       => [],
        limited          => 0,
    );
    return;
}

sub count ($self, $what, $by = 1) { $self->{$what} += $by; return }

# Secrets by the name of their field; every string where the method itself is about one.
sub mask ($value, $all = 0) {
    return [map { mask($_, $all) } @$value] if ref $value eq 'ARRAY';
    if (ref $value eq 'HASH') {
        return {
            map {
                my $text = $value->{$_};
                my $hide =
                       defined $text
                    && !ref $text
                    && ($_ =~ $SECRET || $_ eq 'key' && $text =~ /\A[0-9A-Fa-f]{64}\z/);
                ($_ => $hide ? '***' : mask($text, 0))
            } keys %$value
        };
    }
    return $value if !defined $value || ref $value;
    return '***'  if $all;
    $leaks++ if $value =~ $CANARY;
    return $value;
}

sub is_auth ($method) { return $method =~ /\Aauth\.(?:login|generate|check)/ ? 1 : 0 }

# One line of the log; it is the caller's to complete with {outcome} and {ms}.
sub entry ($self, %field) {
    my $auth = is_auth($field{method} // '');
    my $before = $leaks;
    $field{params} = mask($field{params}, $auth) if exists $field{params};
    $self->violation($field{method}, 'a canary secret in the clear') if $leaks > $before;
    my $entry = { t => time, %field, $auth ? (auth => Cpanel::JSON::XS::true) : () };
    push @{ $self->{log} }, $entry;
    shift @{ $self->{log} } if @{ $self->{log} } > KEEP;
    return $entry;
}

sub called ($self, $method) {
    $self->{calls}++;
    $self->{by_method}{$method}++;
    return;
}

sub trip ($self) { return ++$self->{trips} }

sub violation ($self, $method, @texts) {
    $self->{reply_violations}++;
    push @{ $self->{violations} },
        { method => $method, errors => [@texts[0 .. ($#texts > 4 ? 4 : $#texts)]] }
        if @{ $self->{violations} } < 200;
    return;
}

sub stats ($self) {
    my %out = %$self;
    delete $out{log};
    return \%out;
}

sub log_lines ($self) {
    state $json = Cpanel::JSON::XS->new->canonical->utf8->convert_blessed->allow_nonref;
    return join '', map { $json->encode($_) . "\n" } @{ $self->{log} };
}

1;
