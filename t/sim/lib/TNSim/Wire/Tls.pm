# SPDX-License-Identifier: Apache-2.0
# The self-signed certificate of the NAS, and TLS on an accepted socket.
package TNSim::Wire::Tls;
use v5.36;
use IO::Socket::SSL;
use IO::Socket::SSL::Utils;
use Net::SSLeay;

# names: DNS names and addresses of the certificate; days: [not before, not after] from
# today;
# dir: where certificate and key are kept, so that a restart shows the same fingerprint.
sub new ($class, %field) {
    my $self = bless { days => [-1, 3650], %field }, $class;
    my $base = $self->{dir} ? "$self->{dir}/" : undef;
    if    ($self->{cert} && $self->{key}) { $self->_load($self->{cert}, $self->{key}) }
    elsif ($base && -e "${base}cert.pem" && -e "${base}key.pem") {
        $self->_load("${base}cert.pem", "${base}key.pem");
    } else {
        $self->_make;
        $self->_store($base) if $base;
    }
    $self->{ctx} = IO::Socket::SSL::SSL_Context->new(
        SSL_server  => 1, SSL_cert => $self->{x509}, SSL_key => $self->{pkey},
        SSL_version => $self->{version} // 'SSLv23:!SSLv3:!SSLv2:!TLSv1:!TLSv1_1',
    ) or die "TLS: $IO::Socket::SSL::SSL_ERROR\n";
    return $self;
}

sub _alt_name ($name) {
    return $name =~ /\A[0-9.]+\z|:/ ? ['IP', $name] : ['DNS', $name];
}

sub _make ($self) {
    my $now    = time;
    my $key    = KEY_create_ec('prime256v1');
    my ($cert) = CERT_create(
        subject => { CN => 'truenas_default', O => 'tnsim' }, key => $key,
        digest  => 'sha256',
        CA      => 0, purpose => 'server', not_before => $now + 86_400 * $self->{days}[0],
        not_after       => $now + 86_400 * $self->{days}[1],
        subjectAltNames => [map { _alt_name($_) } @{ $self->{names} }],
    );
    @$self{qw(x509 pkey)} = ($cert, $key);
    return;
}

sub _load ($self, $cert, $key) {
    @$self{qw(x509 pkey)} = (PEM_file2cert($cert), PEM_file2key($key));
    return;
}

sub _store ($self, $base) {
    my $mask = umask 0077;
    PEM_cert2file($self->{x509}, "${base}cert.pem");
    PEM_key2file($self->{pkey}, "${base}key.pem");
    umask $mask;
    return;
}

# Colon-hex SHA-256 of the certificate.
sub fingerprint ($self) {
    return Net::SSLeay::X509_get_fingerprint($self->{x509}, 'sha256');
}

sub pem ($self) { return PEM_cert2string($self->{x509}) }

# Takes TLS up on the socket; done->($error) when it is there.
sub accept ($self, $reactor, $socket, $done) {
    IO::Socket::SSL->start_SSL(
        $socket, SSL_server => 1, SSL_startHandshake => 0,
        SSL_reuse_ctx => $self->{ctx}) or return $done->($IO::Socket::SSL::SSL_ERROR);
    my $step;
    $step = sub (@) {
        if ($socket->accept_SSL) {
            $reactor->remove($socket);
            undef $step;
            return $done->(undef);
        }
        my $want = $IO::Socket::SSL::SSL_ERROR;
        return $reactor->watch($socket, 1, 0) if $want == IO::Socket::SSL::SSL_WANT_READ();
        return $reactor->watch($socket, 1, 1) if $want == IO::Socket::SSL::SSL_WANT_WRITE();
        $reactor->remove($socket);
        undef $step;
        return $done->("$want");
    };
    $reactor->io($socket => $step)->watch($socket, 1, 1);
    return;
}

1;
