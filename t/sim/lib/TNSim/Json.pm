# SPDX-License-Identifier: Apache-2.0
# The one JSON coder of tnsim's wire: bytes, any value, booleans kept.
package TNSim::Json;
use v5.36;
use Cpanel::JSON::XS;
use Exporter 'import';

our @EXPORT_OK = qw(encode decode decode_text true false bool date);

my $BYTES =
    Cpanel::JSON::XS->new->utf8->allow_nonref->canonical->convert_blessed->allow_blessed;
my $TEXT = Cpanel::JSON::XS->new->allow_nonref;

sub encode ($value) { return $BYTES->encode($value) }
sub decode ($bytes) { return $BYTES->decode($bytes) }

# From characters, as they come out of a WebSocket text message.
sub decode_text ($text) { return $TEXT->decode($text) }

sub true ()       { return Cpanel::JSON::XS::true }
sub false ()      { return Cpanel::JSON::XS::false }
sub bool ($value) { return $value ? true : false }

# A point in time as the API writes it.
sub date ($seconds) {
    return defined $seconds ? { '$date' => int($seconds * 1000) } : undef;
}

1;
