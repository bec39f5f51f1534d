# SPDX-License-Identifier: Apache-2.0
# The kernel's own target, LIO, as the NAS's iSCSI service: for the lab, where the kernel of a guest
# may be changed. It listens in the network namespace of tnsim.
package TNSim::Model::Lio;
use v5.36;
use TNSim::Model::Node qw(run put get make_dir);

my $ROOT  = '/sys/kernel/config/target';
my $ISCSI = "$ROOT/iscsi";
my $CORE  = "$ROOT/core/iblock_0";
my $PORT  = 3260;

# What a tnsim that was killed has left is cleared away, as by a NAS that starts again.
sub start ($class, %arg) {
    -d $ROOT or die "no $ROOT: is configfs mounted, and target_core_mod loaded?\n";
    my $self = bless {
        backing => $arg{backing}, address => $arg{addresses}, owner => $$, target => {},
        pid     => $$,
    }, $class;
    make_dir($ISCSI);
    _clear();
    make_dir($CORE);
    return $self;
}

sub is_ours   ($self) { return $self->{owner} == $$ }
sub port      ($self) { return $PORT }
sub portals   ($self) { return map { "$_:$PORT" } $self->addresses }
sub addresses ($self) { return @{ $self->{address} } }

# LIO makes the NAA from the serial number: the company's id, then the serial's digits.
sub naa_of ($self, $serial) {
    my $digits = lc($serial) =~ tr/0-9a-f//cdr;
    return '0x6589cfc' . substr $digits . '0' x 25, 0, 25;
}

sub _dirs ($pattern) { return grep { -d && !-l } glob $pattern }

sub _clear () {
    _remove_target($_) for _dirs("$ISCSI/iqn.*");
    rmdir $_ or die "cannot remove $_: $!\n" for _dirs("$CORE/extent*");
    return;
}

# ---- targets -----------------------------------------------------------------------------

sub add_target ($self, $tid, $iqn) {
    my $dir = make_dir("$ISCSI/$iqn");
    my $tpg = make_dir("$dir/tpgt_1");
    put("$tpg/attrib/$_->[0]", $_->[1])
        for ['generate_node_acls', 0], ['demo_mode_write_protect', 0],
        ['cache_dynamic_acls', 1], ['authentication', 0];
    make_dir("$tpg/np/$_") for $self->portals;
    put("$tpg/enable", 1);
    $self->{target}{$tid} = { iqn => $iqn, dir => $dir, tpg => $tpg, lun => {} };
    return;
}

sub remove_target ($self, $tid) {
    my $target = delete $self->{target}{$tid} or return;
    _remove_target($target->{dir});
    $self->_drop_extent($_->{id}) for values %{ $target->{lun} };
    return;
}

sub _remove_target ($dir) {
    my $tpg = "$dir/tpgt_1";
    if (-d $tpg) {
        put("$tpg/enable", 0);
        _remove_acl($_) for _dirs("$tpg/acls/*");
        _remove_linked($_) for _dirs("$tpg/lun/lun_*");
        rmdir $_ or die "cannot remove $_: $!\n" for _dirs("$tpg/np/*"), $tpg;
    }
    rmdir $dir or die "cannot remove $dir: $!\n";
    return;
}

sub _remove_linked ($dir) {
    -l && (unlink($_) || die "cannot remove $_: $!\n") for glob "$dir/*";
    rmdir $dir or die "cannot remove $dir: $!\n";
    return;
}

sub _remove_acl ($dir) {
    _remove_linked($_) for _dirs("$dir/lun_*");
    rmdir $dir or die "cannot remove $dir: $!\n";
    return;
}

# ---- who may log in ----------------------------------------------------------------------

# Names of initiators (none: everyone) and CHAP accounts, of which LIO takes one a direction.
sub set_access ($self, $tid, $access) {
    my $target = $self->{target}{$tid};
    my $tpg    = $target->{tpg};
    my %wanted = map { $_ => 1 } @{ $access->{initiators} };
    my %auth   = _auth($access->{account});
    put("$tpg/attrib/authentication",     $auth{userid} ne 'NULL' ? 1 : 0);
    put("$tpg/attrib/generate_node_acls", %wanted                 ? 0 : 1);
    for my $acl (_dirs("$tpg/acls/*")) {
        my ($name) = $acl =~ m{([^/]+)\z};
        _remove_acl($acl) unless $wanted{$name};
    }
    for my $name (sort keys %wanted) {
        my $acl = make_dir("$tpg/acls/$name");
        _show_to($acl, $tpg, $_) for keys %{ $target->{lun} };
    }
    for my $dir ("$tpg/auth", map { "$tpg/acls/$_/auth" } keys %wanted) {
        put("$dir/$_", $auth{$_}) for sort keys %auth;
    }
    return;
}

# The word NULL takes a value away.
sub _auth ($account) {
    my %auth = map { $_ => 'NULL' } qw(userid password userid_mutual password_mutual);
    for my $user (sort keys %$account) {
        my ($secret, $direction) = @{ $account->{$user} };
        my $end = $direction eq 'out' ? '_mutual' : '';
        @auth{ "userid$end", "password$end" } = ($user, $secret) if $auth{"userid$end"} eq 'NULL';
    }
    return %auth;
}

sub _link ($to, $from) {
    symlink $to, $from or $!{EEXIST} or die "cannot link $from: $!\n";
    return;
}

sub _show_to ($acl, $tpg, $lun) {
    my $dir = make_dir("$acl/lun_$lun");
    _link("$tpg/lun/lun_$lun", "$dir/lun") unless grep { -l } glob "$dir/*";
    return;
}

# ---- LUNs --------------------------------------------------------------------------------

# False when LIO cannot show it: a serial number that the NAA does not follow from, a sector size
# that the volume does not have.
sub add_lun ($self, $tid, $lun, $ds, $extent) {
    return 0 if $extent->{blocksize} != 512 || $self->naa_of($extent->{serial}) ne $extent->{naa};
    my $target = $self->{target}{$tid};
    my $store  = $self->_extent($ds, $extent);
    my $dir    = make_dir("$target->{tpg}/lun/lun_$lun");
    _link($store, "$dir/extent");
    $target->{lun}{$lun} = { id => $extent->{id}, naa => $extent->{naa},
        serial => $extent->{serial}, ds => $ds };
    _show_to($_, $target->{tpg}, $lun) for _dirs("$target->{tpg}/acls/*");
    return 1;
}

# One backstore for an extent, on however many targets it is.
sub _extent ($self, $ds, $extent) {
    my $dir = "$CORE/extent$extent->{id}";
    return $dir if -d $dir;
    make_dir($dir);
    put("$dir/control", 'udev_path=' . $self->{backing}->path($ds)
            . ($extent->{ro} ? ',readonly=1' : ''));
    put("$dir/enable", 1);
    my %wwn = (
        vendor_id  => 'TrueNAS',  product_id      => $extent->{product_id} // 'iSCSI Disk',
        company_id => '0x589cfc', vpd_unit_serial => $extent->{serial},
    );
    put("$dir/wwn/$_", $wwn{$_}) for sort keys %wwn;
    put("$dir/attrib/emulate_tpu", 1);    # only now: before it is enabled the kernel oopses
    return $dir;
}

sub remove_lun ($self, $tid, $lun) {
    my $target = $self->{target}{$tid};
    my $shown  = delete $target->{lun}{$lun} or return;
    _remove_linked($_) for _dirs("$target->{tpg}/acls/*/lun_$lun"), "$target->{tpg}/lun/lun_$lun";
    $self->_drop_extent($shown->{id});
    return;
}

sub _drop_extent ($self, $id) {
    return if grep { $_->{id} == $id } map { values %{ $_->{lun} } } values %{ $self->{target} };
    my $dir = "$CORE/extent$id";
    rmdir $dir or die "cannot remove $dir: $!\n";
    return;
}

# The size is the volume's own, asked for at every READ CAPACITY.
sub reopen_lun ($self, $tid, $lun, $ds) { return }

# ---- what there is -----------------------------------------------------------------------

# { initiator, addr, iqn }; LIO tells one session of an initiator, and no address of one that is
# not named in a group.
sub sessions ($self, $tid = undef) {
    my @all;
    for my $id (defined $tid ? $tid : keys %{ $self->{target} }) {
        my $target = $self->{target}{$id} or next;
        my %more   = (iqn => $target->{iqn});
        for my $acl (_dirs("$target->{tpg}/acls/*")) {
            my $info = get("$acl/info");
            my ($name) = $info =~ /^InitiatorName: (\S+)/m or next;
            my ($addr) = $info =~ /Address (\S+)/;
            push @all, { initiator => $name, %more, addr => $addr // '' };
        }
        push @all, map { { initiator => $_, addr => '', %more } }
            split /[\s\0]+/, get("$target->{tpg}/dynamic_sessions");
    }
    return @all;
}

sub luns ($self) {
    my @all;
    for my $target (values %{ $self->{target} }) {
        push @all, map {
            my $lun = $target->{lun}{$_};
            {
                iqn  => $target->{iqn}, lun => $_ + 0, naa => $lun->{naa}, serial => $lun->{serial},
                size => $self->{backing}->size($lun->{ds}) + 0,
            }
        } sort { $a <=> $b } keys %{ $target->{lun} };
    }
    return @all;
}

sub stop ($self) {
    return unless $self->is_ours;
    $self->remove_target($_) for keys %{ $self->{target} };
    rmdir $CORE;
    return;
}

1;
