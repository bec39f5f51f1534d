# SPDX-License-Identifier: Apache-2.0
# Thousands of volumes at once, as a full storage would have them.
package TNSim::Model::Bulk;
use v5.36;

# { dataset, count, name => "vm-%d-disk-0", first, volsize, volblocksize, user => { key => text },
#   target, extent_name, snapshots }: in user and names, %d is the number and {name} the zvol.
# With a target each gets extent and mapping; the bytes behind them are not there, so a real
# target does not show them.
sub bulk ($self, $v) {
    my $zfs    = $self->zfs;
    my $parent = $v->{dataset};
    $zfs->find($parent) or $zfs->create($parent, type => 'FILESYSTEM');
    my $first  = $v->{first} // 100;
    my $target = $self->_bulk_target($v->{target});
    my $lun    = $target ? $self->iscsi->lowest_free_lun($target->{id}) : 0;
    for my $number ($first .. $first + $v->{count} - 1) {
        my $name = "$parent/" . sprintf($v->{name} // 'vm-%d-disk-0', $number);
        next if $zfs->find($name);
        $self->_bulk_volume($name, $number, $v);
        next unless $target;
        $lun++ while $self->iscsi->lun_taken($target->{id}, $lun);
        $self->_bulk_publish($name, $number, $v, $target, $lun++);
    }
    $self->iscsi->reload;
    return { count => $v->{count} + 0, target => $target ? $target->{id} : undef };
}

sub _fill_in ($text, $name, $number) {
    $text =~ s/%d/$number/g;
    $text =~ s/\{name\}/$name/g;
    $text =~ s{\{leaf\}}{$name =~ s/.*\///r}ge;
    return $text;
}

sub _bulk_volume ($self, $name, $number, $v) {
    my $user = $v->{user} // {};
    my %tags = map { $_ => _fill_in($user->{$_}, $name, $number) } keys %$user;
    $self->zfs->add_dataset(
        $name,
        type => 'VOLUME', volsize => $v->{volsize} // 1 << 30,
        volblocksize => $v->{volblocksize} // 16384, user => \%tags, virtual => 1,
    );
    $self->zfs->snapshot($name, "snap$_") for 1 .. $v->{snapshots} // 0;
    return;
}

# A target by name; made, open to everyone on a portal of its own, when it is not there.
sub _bulk_target ($self, $name) {
    return undef unless defined $name;
    my $iscsi = $self->iscsi;
    my ($target) = $iscsi->rows_by('target_name', $name);
    return $target if $target;
    my ($portal) = $iscsi->rows('portal');
    if (!$portal) {
        $portal = $iscsi->insert('portal', { comment => '', listen => ['0.0.0.0'] });
        $iscsi->update('portal', $portal->{id}, { tag => $portal->{id} });
    }
    return $iscsi->insert(
        'target',
        {
            name             => $name, alias => undef, mode => 'ISCSI', auth_networks => [],
            iscsi_parameters => undef, rel_tgt_id => 1 + $iscsi->rows('target'),
            groups           => [
                {
                    portal => $portal->{id}, initiator => undef, authmethod => 'NONE',
                    auth   => undef
                }
            ],
        }
    );
}

sub _bulk_publish ($self, $name, $number, $v, $target, $lun) {
    my $iscsi  = $self->iscsi;
    my $serial = $iscsi->new_serial;
    my $label  = _fill_in($v->{extent_name} // '{leaf}', $name, $number);
    my $extent = $iscsi->insert(
        'extent',
        {
            name    => $label, flat => $label =~ tr{./}{_-}r, type => 'DISK',
            disk    => "zvol/$name",
            path    => "zvol/$name", filesize => 0, blocksize => 512, pblocksize => 0,
            comment => '',
            avail_threshold => undef, insecure_tpc => 1, xen => 0, rpm => 'SSD', ro => 0,
            enabled         => 1,     product_id   => undef, serial => $serial,
            naa             => $iscsi->new_naa($serial),
        }
    );
    $iscsi->insert(
        'mapping',
        { target => $target->{id}, extent => $extent->{id}, lunid => $lun }
    );
    return;
}

1;
