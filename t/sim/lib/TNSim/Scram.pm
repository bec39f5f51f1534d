# SPDX-License-Identifier: Apache-2.0
# The server's half of SCRAM-SHA-512 (RFC 5802) as release 26 speaks it.
package TNSim::Scram;
use v5.36;
use Digest::SHA  qw(hmac_sha512 sha512);
use MIME::Base64 qw(decode_base64 encode_base64);

use constant { NONCE => 32, DIGEST => 64 };

sub _b64 ($bytes) { return encode_base64($bytes, '') }

# From "n,,n=USER:KEYID,r=NONCE"; undef when the message or the key is not good.
sub begin ($class, $keys, $text) {
    my ($gs2, $bare, $user, $id, $nonce) =
        $text =~
        m{\A((?:n|y|p=tls-server-end-point),,)(n=([^,]+):([0-9]+),r=([A-Za-z0-9+/=]+))\z}
        or return undef;
    my $key = $keys->get($id);
    return undef
        if !$key
        || !$keys->usable($key)
        || $key->{user} ne $user =~ s/=2C/,/gr =~ s/=3D/=/gr;
    my $theirs = decode_base64($nonce);
    return undef if length $theirs != NONCE;
    my $scram = $keys->scram($key);
    open my $fh, '<:raw', '/dev/urandom' or die "cannot open /dev/urandom: $!\n";
    read $fh, my $ours, NONCE;
    # The nonces are joined as bytes, so the text need not begin with the client's text.
    my $joined = _b64($theirs . $ours);
    return bless {
        gs2          => $gs2, bare => $bare, key => $key, scram => $scram, nonce => $joined,
        server_first => "r=$joined,s=$scram->{salt},i=$scram->{iterations}",
    }, $class;
}

sub key          ($self) { return $self->{key} }
sub server_first ($self) { return $self->{server_first} }

# From "c=BINDING,r=NONCE,p=PROOF" to "v=SIGNATURE"; undef when the proof is wrong.
# endpoint: the hash of our certificate, which a client may bind itself to
sub finish ($self, $text, $endpoint) {
    my ($without, $binding, $nonce, $proof) =
        $text =~ m{\A(c=([A-Za-z0-9+/=]+),r=([A-Za-z0-9+/=]+)),p=([A-Za-z0-9+/=]+)\z}
        or return undef;
    return undef if $nonce ne $self->{nonce};
    my $bound = decode_base64($binding);
    return undef if substr($bound, 0, length $self->{gs2}) ne $self->{gs2};
    my $data = substr $bound, length $self->{gs2};
    my $want = $self->{gs2} =~ /\Ap=/ ? $endpoint : '';
    return undef if !defined $want || $data ne $want;
    my $message = "$self->{bare},$self->{server_first},$without";
    my $given   = decode_base64($proof);
    return undef if length $given != DIGEST;
    my $client_key = $given ^. hmac_sha512($message, $self->{scram}{stored_key});
    return undef if sha512($client_key) ne $self->{scram}{stored_key};
    return 'v=' . _b64(hmac_sha512($message, $self->{scram}{server_key}));
}

1;
