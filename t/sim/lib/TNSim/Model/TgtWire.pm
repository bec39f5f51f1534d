# SPDX-License-Identifier: Apache-2.0
# tgtd's control socket: the requests that tgtadm would make, without a process for each.
package TNSim::Model::TgtWire;
use v5.36;
use Errno ();
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOL_SOCKET SO_RCVTIMEO);

# tgtadm is not used: it takes CHAP secrets in argv, where everybody can read them, and a
# thousand LUNs would be three thousand processes. The request is tgtadm_req of tgt's
# tgtadm.h: mode, op, driver name, lengths and ids, then the parameters as text.

my %MODE = (system => 0, target => 1, lun => 2, portal => 3, connection => 6, account => 7);
my %OP   = (new    => 0, delete => 1, show => 2, bind  => 3, unbind     => 4, update  => 5);
my $HEADER       = 'L L a64 L l Q q L L L L L L';
my $HEADER_BYTES = 120;

sub new ($class, $path) { return bless { path => $path }, $class }

my $count = 0;

# Below /tmp whatever TMPDIR is, since sun_path is short.
sub socket_base { return sprintf '/tmp/tnsim-tgt-%d-%d', $$, ++$count }

# Out of a forked child without running anybody's END blocks or destructors.
sub leave ($code) { POSIX::_exit($code) }

# Descriptors of the parent (listening sockets, clients) must not outlive it in the guard.
sub close_all_but ($keep) {
    opendir my $dir, '/proc/self/fd' or return;
    my @open = grep { /\A\d+\z/ && $_ > 2 && $_ != $keep } readdir $dir;
    closedir $dir;
    POSIX::close($_) for @open;
    return;
}

sub request ($self, $mode, $op, %arg) {
    my $params = defined $arg{params} ? "$arg{params}\0" : '';
    my $socket = IO::Socket::UNIX->new(Peer => $self->{path})
        or die "tgtd does not answer on its socket: $!\n";
    setsockopt $socket, SOL_SOCKET, SO_RCVTIMEO, pack('l!l!', 10, 0);
    my $header = pack $HEADER, $MODE{$mode}, $OP{$op}, 'iscsi',
        $HEADER_BYTES + length $params,
        $arg{tid} // -1, 0, $arg{lun} // -1, 0, 0, 0, $arg{outgoing} ? 1 : 0, 0,
        $arg{force} ? 1 : 0;

    # Two writes, as tgtadm does: tgtd reads the header first.
    syswrite $socket, $header;
    syswrite $socket, $params if length $params;
    my $reply = _read_all($socket);
    my ($error) = length $reply >= 8 ? unpack('L', $reply) : (-1);
    die "tgtd refuses $op of a $mode: error $error\n" if $error && !$arg{may_fail};
    return length $reply > 8 ? substr($reply, 8) : '';
}

sub _read_all ($socket) {
    my $reply = '';
    while (1) {
        my $got = sysread $socket, $reply, 65536, length $reply;
        next if !defined $got && $!{EINTR};
        return $reply unless $got;
    }
}

sub show_portals ($self) { return $self->request('portal', 'show') }
sub show_targets ($self) { return $self->request('target', 'show') }

sub new_target ($self, $tid, $iqn) {
    return $self->request('target', 'new', tid => $tid, params => "targetname=$iqn");
}

sub delete_target ($self, $tid) {
    return $self->request('target', 'delete', tid => $tid, force => 1);
}

sub new_lun ($self, $tid, $lun, $path, $blocksize) {
    return $self->request(
        'lun', 'new', tid => $tid, lun => $lun,
        params => "path=$path,blocksize=$blocksize"
    );
}

sub update_lun ($self, $tid, $lun, @pair) {
    my @text;
    while (my ($key, $value) = splice @pair, 0, 2) { push @text, "$key=$value" }
    return $self->request('lun', 'update', tid => $tid, lun => $lun,
        params => join(',', @text));
}

sub delete_lun ($self, $tid, $lun) {
    return $self->request('lun', 'delete', tid => $tid, lun => $lun);
}

sub bind_initiator ($self, $tid, $kind, $who) {
    return $self->request('target', 'bind', tid => $tid, params => "$kind=$who");
}

sub unbind_initiator ($self, $tid, $kind, $who) {
    return $self->request('target', 'unbind', tid => $tid, params => "$kind=$who",
        may_fail => 1);
}

sub new_account ($self, $user, $secret) {
    return $self->request('account', 'new', params => "user=$user,password=$secret");
}

# Deleting an account takes it from every target that it is bound to.
sub delete_account ($self, $user) {
    return $self->request('account', 'delete', params => "user=$user", may_fail => 1);
}

sub bind_account ($self, $tid, $user, $direction) {
    return $self->request(
        'account', 'bind', tid => $tid, outgoing => $direction eq 'out',
        params => "user=$user"
    );
}

sub unbind_account ($self, $tid, $user, $direction) {
    return $self->request(
        'account', 'unbind', tid => $tid, outgoing => $direction eq 'out',
        params => "user=$user", may_fail => 1
    );
}

1;
