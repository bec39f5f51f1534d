# SPDX-License-Identifier: Apache-2.0
# A private tgtd that shows the volumes over real iSCSI on two loopback portals.
package TNSim::Model::Tgt;
use v5.36;
use IO::Socket::INET;
use Time::HiRes qw(time sleep);
use TNSim::Model::TgtWire;

my @ADDRESS = qw(127.0.0.1 127.0.0.2);

# dir: for socket and log; port: the one of the last run, kept when it is free.
sub start ($class, %arg) {
    my $self = bless {
        dir => $arg{dir}, backing => $arg{backing}, owner => $$, account => {}, bound => {},
        socket_base => TNSim::Model::TgtWire::socket_base(),
    }, $class;
    return $self if defined $arg{port} && $self->_try($arg{port}, 3);
    for (1 .. 3) { return $self if $self->_try($self->_free_port, 0) }
    die "tgtd does not start: " . $self->_log_tail . "\n";
}

# The tgtd of a run that was killed may hold its port for a moment longer.
sub _try ($self, $port, $patience) {
    $self->{port} = $port;
    my $deadline = time + $patience;
    while (1) {
        return 1 if $self->_spawn;
        $self->stop;
        return 0 if time >= $deadline;
        sleep 0.02;
    }
}

sub is_ours ($self) { return $self->{owner} == $$ }
sub port    ($self) { return $self->{port} }

sub portals ($self) {
    return map { "$_:$self->{port}" } @ADDRESS;
}

sub addresses ($self) { return @ADDRESS }

# tgtd shows any NAA that it is told.
sub naa_of ($self, $serial) { return undef }

sub _free_port ($self) {
    for (1 .. 20) {
        my $first =
            IO::Socket::INET->new(LocalAddr => $ADDRESS[0], LocalPort => 0, Listen => 1)
            or next;
        my $port = $first->sockport;
        return $port
            if IO::Socket::INET->new(LocalAddr => $ADDRESS[1], LocalPort => $port,
            Listen => 1);
    }
    die "no free port on both loopback addresses\n";
}

# The guard is the parent of tgtd and holds a pipe whose other end only we have: when we are
# gone, by whatever death, it reads the end and kills tgtd, which ignores SIGTERM.
sub _spawn ($self) {
    pipe my $guard_read, my $life      or die "pipe: $!\n";
    pipe my $pid_read,   my $pid_write or die "pipe: $!\n";
    my $guard = fork // die "fork: $!\n";
    if (!$guard) {
        close $life;
        close $pid_read;
        eval { $self->_guard($guard_read, $pid_write) };
        TNSim::Model::TgtWire::leave(1);
    }
    close $guard_read;
    close $pid_write;
    @$self{qw(life guard)} = ($life, $guard);
    $self->{pid} = <$pid_read>;
    chomp $self->{pid} if defined $self->{pid};
    return $self->_wait_ready;
}

sub _guard ($self, $life, $pid_write) {
    local $0         = 'tnsim: guard of tgtd';
    local $SIG{INT}  = 'IGNORE';
    local $SIG{TERM} = 'IGNORE';
    local $SIG{HUP}  = 'IGNORE';
    my $child = fork // die;
    if (!$child) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', "$self->{dir}/tgtd.log";
        open STDERR, '>&', \*STDOUT;
        local $ENV{TGT_IPC_SOCKET} = $self->{socket_base};
        my $portals = join ',', map { "portal=$_" } $self->portals;
        {
            no warnings 'exec';
            exec {'tgtd'} 'tgtd', '--foreground', '--control-port', 1, '--iscsi', $portals
        }
        TNSim::Model::TgtWire::leave(127);
    }
    syswrite $pid_write, "$child\n";
    close $pid_write;
    TNSim::Model::TgtWire::close_all_but(fileno $life);
    local $SIG{CHLD} = sub { };
    while (1) {
        my $got = sysread $life, my $buffer, 1;
        last if defined $got && !$got;
        last if waitpid($child, 1) == $child;
    }
    kill 'KILL', $child;
    waitpid $child, 0;
    $self->_unlink_socket;
    TNSim::Model::TgtWire::leave(0);
}

sub _wait_ready ($self) {
    my $wire     = $self->{wire} = TNSim::Model::TgtWire->new($self->{socket_base} . '.1');
    my $deadline = time + 5;
    while (time < $deadline) {
        return 0 unless $self->{pid} && kill 0, $self->{guard};
        return 0 if waitpid($self->{guard}, 1) == $self->{guard};
        my $shown = eval { $wire->show_portals };

        # Portals come before the control socket answers: those missing then never come.
        return @ADDRESS == grep { index($shown, "$_:$self->{port}") >= 0 } @ADDRESS
            if defined $shown;
        sleep 0.005;
    }
    return 0;
}

sub _log_tail ($self) {
    open my $fh, '<', "$self->{dir}/tgtd.log" or return 'no log';
    my @lines = <$fh>;
    chomp @lines;
    return join '; ', @lines > 3 ? @lines[-3 .. -1] : @lines;
}

sub stop ($self) {
    return unless $self->is_ours;
    close delete $self->{life} if $self->{life};
    my $guard = delete $self->{guard} or return;
    waitpid $guard, 0;
    $self->_unlink_socket;
    return;
}

sub _unlink_socket ($self) {
    unlink map { "$self->{socket_base}.1$_" } '', '.lock';
    return;
}

sub DESTROY ($self) {
    local ($@, $?, $!);
    $self->stop;
    return;
}

sub add_target ($self, $tid, $iqn) { return $self->{wire}->new_target($tid, $iqn) }

sub remove_target ($self, $tid) {
    delete $self->{bound}{$tid};
    $self->{wire}->delete_target($tid);
    $self->_drop_unused_accounts;
    return;
}

# Who may log in: names of initiators (none: everyone) and CHAP accounts.
sub set_access ($self, $tid, $access) {
    my $wire  = $self->{wire};
    my $bound = delete $self->{bound}{$tid} // { acl => [], account => [] };
    $wire->unbind_initiator($tid, @$_) for @{ $bound->{acl} };
    $wire->unbind_account($tid, @$_)   for @{ $bound->{account} };
    my @names = @{ $access->{initiators} };
    my @acl = @names ? map { ['initiator-name', $_] } @names : ['initiator-address', 'ALL'];
    $wire->bind_initiator($tid, @$_) for @acl;
    my @account;

    for my $user (sort keys %{ $access->{account} }) {
        my ($secret, $direction) = @{ $access->{account}{$user} };
        push @account, [$self->_account($user, $secret), $direction];
    }
    $wire->bind_account($tid, @$_) for @account;
    $self->{bound}{$tid} = { acl => \@acl, account => \@account };
    $self->_drop_unused_accounts;
    return;
}

# tgtd knows one secret for a user, TrueNAS one for each tag: a changed one is made anew.
sub _account ($self, $user, $secret) {
    my $known = $self->{account}{$user};
    return $user                         if defined $known && $known eq $secret;
    $self->{wire}->delete_account($user) if defined $known;
    $self->{wire}->new_account($user, $secret);
    $self->{account}{$user} = $secret;
    return $user;
}

sub _drop_unused_accounts ($self) {
    my %used = map { $_->[0] => 1 } map { @{ $_->{account} } } values %{ $self->{bound} };
    for my $user (grep { !$used{$_} } keys %{ $self->{account} }) {
        $self->{wire}->delete_account($user);
        delete $self->{account}{$user};
    }
    return;
}

# False when tgt cannot show it: LUN 0 belongs to its controller device.
sub add_lun ($self, $tid, $lun, $ds, $extent) {
    return 0 if $lun == 0;
    my $wire = $self->{wire};
    $wire->new_lun($tid, $lun, $self->{backing}->path($ds), $extent->{blocksize});
    $wire->update_lun(
        $tid, $lun,
        vendor_id   => 'TrueNAS', product_id => $extent->{product_id} // 'iSCSI Disk',
        product_rev => '0370',    scsi_sn    => $extent->{serial},
        scsi_id     => $extent->{naa} =~ s/\A0x//r, thin_provisioning => 1,
        $extent->{ro} ? (readonly => 1) : ()
    );
    return 1;
}

sub remove_lun ($self, $tid, $lun) { return $self->{wire}->delete_lun($tid, $lun) }

# tgtd reads a new size only when the file is opened again, in three calls of their own.
sub reopen_lun ($self, $tid, $lun, $ds) {
    my $wire = $self->{wire};
    $wire->update_lun($tid, $lun, online => 0);
    $wire->update_lun($tid, $lun, path   => $self->{backing}->path($ds));
    $wire->update_lun($tid, $lun, online => 1);
    return;
}

# { initiator, addr, iqn } of each open session, of one target or of all.
sub sessions ($self, $tid = undef) {
    my @all;
    my ($iqn, $id, $nexus);
    for my $line (split /\n/, $self->{wire}->show_targets) {
        ($id, $iqn, $nexus) = ($1, $2, undef) if $line =~ /\ATarget (\d+): (\S+)/;
        next                                  if defined $tid && $id != $tid;
        $nexus = $1                           if $line =~ /\A\s+Initiator: (\S+)/;
        push @all, { initiator => $nexus, iqn => $iqn, addr => $1 }
            if defined $nexus && $line =~ /\A\s+IP Address: (\S+)/;
        $nexus = undef if $line =~ /\A\s+LUN information/;
    }
    return @all;
}

# What the target says that it shows: { iqn, lun, naa, serial, size }.
sub luns ($self) {
    my (@all, $iqn, $lun);
    for my $line (split /\n/, $self->{wire}->show_targets) {
        $iqn = $1 if $line =~ /\ATarget \d+: (\S+)/;
        if ($line =~ /\A\s+LUN: (\d+)/) { $lun = { iqn => $iqn, lun => $1 + 0 } }
        $lun->{naa}    = "0x$1" if $lun && $line =~ /SCSI ID: ([0-9a-f]{32})\s*\z/;
        $lun->{serial} = $1     if $lun && $line =~ /SCSI SN: (\S+)/;
        if ($lun && $line =~ m{Backing store path: (/.*)\z}) {
            $lun->{size} = -s $1;
            push @all, $lun;
            undef $lun;
        }
    }
    return @all;
}

1;
