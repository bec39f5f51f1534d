# SPDX-License-Identifier: Apache-2.0
# The whole fake NAS in one object: ZFS, iSCSI, services, and what tests may do to it.
package TNSim::Model::World;
use v5.36;
use parent     qw(TNSim::Model::Commands);
use File::Path qw(make_path);
use TNSim::Model::ISCSI;
use TNSim::Model::Quirks;
use TNSim::Model::Store;
use TNSim::Model::ZFS;
use TNSim::Model::ZFS::Rows;
use TNSim::Model::ZFS::SnapshotRows;
use TNSim::Releases;

# What holds the bytes and what shows them: files behind tgtd, or the kernel's own in the lab.
my %BACKEND = (tgt => [qw(Backing Tgt)], lio => [qw(Thin Lio)]);
my @LOOPBACK = qw(127.0.0.1 127.0.0.2);

my @SERVICE = qw(cifs ftp iscsitarget nfs nvmet snmp ssh ups);

# release: a name or a TNSim::Releases; state_dir: undef keeps everything in memory; iscsi: the
# real target that is started, tgt (or just true) or lio; portals: the addresses that LIO listens on;
# quirks: the switches, shared with whoever changes them.
sub new ($class, %arg) {
    my $release = ref $arg{release} ? $arg{release} : TNSim::Releases->new($arg{release});
    my $self    = bless {
        release    => $release, quirks => $arg{quirks} // {}, dir => $arg{state_dir},
        listen     => $arg{listen}, portals => $arg{portals} // [], boot => time,
        want_iscsi => $arg{iscsi} ? ($BACKEND{ $arg{iscsi} } // $BACKEND{tgt}) : undef,
    }, $class;
    make_path($self->{dir}, { mode => 0700 }) if defined $self->{dir};
    $self->{store} = TNSim::Model::Store->new($self->{dir});
    $self->_populate unless $self->load;
    return $self;
}

sub release       ($self)        { return $self->{release} }
sub zfs           ($self)        { return $self->{zfs} }
sub iscsi         ($self)        { return $self->{iscsi} }
sub store         ($self)        { return $self->{store} }
sub rows          ($self)        { return $self->{rows} }
sub snapshot_rows ($self)        { return $self->{snapshot_rows} }
sub is_at_least   ($self, $name) { return $self->{release}->at_least($name) }

# A switch that is set, or what this release does by itself.
sub quirk ($self, $name) {
    return $self->{quirks}{$name} ? 1 : 0 if defined $self->{quirks}{$name};
    my $range = TNSim::Model::Quirks::table()->{$name}
        or die "no quirk is called '$name'\n";
    return @$range && $self->{release}->between(@$range) ? 1 : 0;
}

sub _populate ($self) {
    $self->_assemble;
    $self->{zfs}->populate;
    $self->{store}->put(
        'service',
        $SERVICE[$_],
        {
            id => $_ + 1, service => $SERVICE[$_], enable => 0, running => 0,
        }
    ) for 0 .. $#SERVICE;
    my $hex = join '', map { sprintf '%x', int rand 16 } 1 .. 64;
    $self->{store}->put('system', 'host_id', $hex);
    $self->_start_iscsi;
    $self->commit;
    return;
}

# One of the two parts of a backend.
sub _backend ($self, $part) {
    my $name = $self->{want_iscsi}[$part];
    require "TNSim/Model/$name.pm";
    return "TNSim::Model::$name";
}

# The objects over the store's tables.
sub _assemble ($self) {
    my $files = $self->{want_iscsi} && defined $self->{dir};
    $self->{backing} = $self->_backend(0)->new("$self->{dir}/data") if $files;
    $self->{zfs}     = TNSim::Model::ZFS->new(
        store   => $self->{store}, backing => $self->{backing},
        quirk   => sub ($name) { return $self->quirk($name) },
        is_open => sub ($name) { return $self->{iscsi}->luns_of($name) ? 1 : 0 },
    );
    $self->{rows} = TNSim::Model::ZFS::Rows->new($self->{zfs});
    $self->{snapshot_rows} =
        TNSim::Model::ZFS::SnapshotRows->new($self->{zfs}, $self->{rows});
    $self->{iscsi} = TNSim::Model::ISCSI->new(
        store => $self->{store}, zfs => $self->{zfs}, world => $self, tgt => $self->{tgt},
    );
    return;
}

# The target process, and then everything that is configured on it.
sub _start_iscsi ($self) {
    if ($self->{want_iscsi} && !$self->{tgt}) {
        my $port = $self->{iscsi}->global->{listen_port};
        $self->{tgt} = $self->_backend(1)->start(
            dir       => $self->{dir}, backing => $self->{backing},
            port      => $port == 3260 ? undef : $port,
            addresses => $self->{portals},
        );
        $self->{iscsi}{tgt} = $self->{tgt};
        $self->{iscsi}->update('global', 1, { listen_port => $self->{tgt}->port });
    }
    $self->{iscsi}->reload;
    return;
}

# What was kept in the state directory; false when there is none yet.
sub load ($self) {
    return 0 unless $self->{store}->load;
    $self->_assemble;
    $self->_start_iscsi;
    $self->commit;
    return 1;
}

sub commit ($self) { return $self->{store}->commit }

sub save ($self) {
    $self->commit;
    return $self->{store}->compact;
}

# Ends the target; the state is on disk already.
sub shutdown ($self) {
    $self->commit;
    my $tgt = delete $self->{tgt} or return;
    delete $self->{iscsi}{tgt};
    $tgt->stop;
    $self->{backing}->stop if $self->{backing};
    return;
}

sub host_id ($self) { return $self->{store}->table('system')->{host_id} }

# Where a portal may listen: where the target does, and on the address that the API has.
sub addresses ($self) {
    my %seen;
    return grep { !$seen{$_}++ } $self->{tgt} ? $self->{tgt}->addresses : @LOOPBACK,
        $self->{listen} // ();
}

sub iscsi_portals ($self) { return $self->{tgt} ? [$self->{tgt}->portals] : [] }

sub service ($self, $name) { return $self->{store}->table('service')->{$name} }

# Switches that /world sets: counted ones are used up, the others stay.
sub knob ($self, $name) { return $self->{store}->table('knob')->{$name} }

sub take_knob ($self, $name) {
    my $value = $self->knob($name) or return 0;
    return $value unless !ref $value && $value =~ /\A[0-9]+\z/;
    if ($value > 1) { $self->{store}->put('knob', $name, $value - 1) }
    else            { $self->{store}->remove('knob', $name) }
    return $value;
}

sub DESTROY ($self) {
    local ($@, $?, $!);
    $self->shutdown if $self->{tgt} && $self->{tgt}->is_ours;
    return;
}

1;
