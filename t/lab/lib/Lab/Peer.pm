# SPDX-License-Identifier: Apache-2.0
# Node B as node A sees it: another guest, with an initiator of its own.
package Lab::Peer;

use v5.36;

use IO::Socket::INET;
use JSON::PP qw(decode_json encode_json);
use Lab;

# Its guest may still be on its way up.
sub meet ($class) {
    my $self = bless { name => 'b' }, $class;
    wait_until('node B', sub { IO::Socket::INET->new(PeerAddr => '10.9.0.3', PeerPort => 7000, Timeout => 5) }, 240);
    return $self;
}

# Does something there; dies with what went wrong.
sub tell ($self, @what) {
    my $peer = IO::Socket::INET->new(PeerAddr => '10.9.0.3', PeerPort => 7000, Timeout => 30)
        // die "node B: $@\n";
    print {$peer} encode_json(\@what), "\n";
    my $answer = decode_json(readline($peer) // die "node B ended\n");
    die "node B: $answer->{error}\n" if defined($answer->{error});
    return wantarray ? $answer->{said}->@* : $answer->{said}->[0];
}

# It gets the section and the key that this node has, as pmxcfs would give them.
sub join ($self, @files) {
    $self->tell('node_up', name => 'b');
    $self->tell('write', $_, read_file($_)) for @files;
    return;
}

sub pvesm ($self, @args) { return $self->tell('pvesm', @args) }
sub inventory ($self) { my @all = $self->tell('inventory'); return @all }

1;
