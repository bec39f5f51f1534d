# SPDX-License-Identifier: Apache-2.0
# The iSCSI configuration of the fake NAS: its tables, their indexes, and who uses what.
package TNSim::Model::ISCSI;
use v5.36;
use parent qw(TNSim::Model::ISCSI::Export);

# Tables of the store, keyed by id: portal, initiator, auth, target, extent, mapping, session
# (sessions that /world puts there), global (one row, key 1).
my @TABLE = qw(portal initiator auth target extent mapping session global);

# What is looked up without a walk over all rows: index name => [table, field].
my %INDEX = (
    extent_name    => ['extent',  'name'],
    extent_disk    => ['extent',  'disk'],
    extent_serial  => ['extent',  'serial'],
    extent_flat    => ['extent',  'flat'],
    mapping_extent => ['mapping', 'extent'],
    mapping_target => ['mapping', 'target'],
    target_name    => ['target',  'name'],
);

sub new ($class, %arg) {
    my $self = bless {
        store    => $arg{store}, zfs => $arg{zfs}, tgt => $arg{tgt}, world => $arg{world},
        exported => {},
    }, $class;
    $self->reindex;
    return $self;
}

sub reindex ($self) {
    $self->{$_}    = $self->{store}->table($_) for @TABLE;
    $self->{index} = { map { $_ => {} } keys %INDEX };
    $self->{lun}   = {};
    for my $table (qw(extent mapping target)) {
        $self->_index($table, $_, 1) for values %{ $self->{$table} };
    }
    return;
}

# {lun}{target}{lunid} counts, since a lost race leaves two rows with one number.
sub _index ($self, $table, $row, $add) {
    for my $name (grep { $INDEX{$_}[0] eq $table } keys %INDEX) {
        my $value = $row->{ $INDEX{$name}[1] } // next;
        if ($add) { $self->{index}{$name}{$value}{ $row->{id} } = 1; next }
        delete $self->{index}{$name}{$value}{ $row->{id} };
        delete $self->{index}{$name}{$value} unless %{ $self->{index}{$name}{$value} };
    }
    return unless $table eq 'mapping';
    my $count = $self->{lun}{ $row->{target} } //= {};
    $count->{ $row->{lunid} } += $add ? 1 : -1;
    delete $count->{ $row->{lunid} } unless $count->{ $row->{lunid} };
    return;
}

sub global ($self) {
    return $self->{global}{1} // $self->{store}->put(
        'global', 1,
        {
            id => 1, basename => 'iqn.2005-10.org.freenas.ctl', isns_servers => [],
            pool_avail_threshold => undef, alua => 0, iser => 0, listen_port => 3260,
        }
    );
}

sub row ($self, $table, $id) { return $self->{$table}{$id} }

sub rows ($self, $table) {
    my $all = $self->{$table};
    return map { $all->{$_} } sort { $a <=> $b } keys %$all;
}

# The rows whose indexed field has this value, oldest first.
sub rows_by ($self, $index, $value) {
    my $ids = $self->{index}{$index}{$value} or return;
    my $all = $self->{ $INDEX{$index}[0] };
    return map { $all->{$_} } sort { $a <=> $b } keys %$ids;
}

sub insert ($self, $table, $row) {
    $row->{id} = $self->{store}->next_id($table);
    $self->{store}->put($table, $row->{id}, $row);
    $self->_index($table, $row, 1);
    return $row;
}

sub update ($self, $table, $id, $change) {
    my $row = $self->{$table}{$id};
    $self->_index($table, $row, 0);
    @$row{ keys %$change } = values %$change;
    $self->_index($table, $row, 1);
    $self->{store}->touch($table, $id);
    return $row;
}

sub remove ($self, $table, $id) {
    my $row = $self->{store}->remove($table, $id) or return;
    $self->_index($table, $row, 0);
    return $row;
}

sub iqn ($self, $target) {
    return $target->{name} =~ /\A(?:iqn|eui|naa)\./
        ? $target->{name}
        : $self->global->{basename} . ":$target->{name}";
}

# The dataset (or snapshot) that an extent's disk names, or undef.
sub zvol_of ($self, $extent) {
    return ($extent->{disk} // '') =~ m{\Azvol/(.+)\z}s ? $1 : undef;
}

sub is_locked ($self, $extent) {
    my $zvol = $self->zvol_of($extent) // return 0;
    $zvol =~ s/\@.*//;
    return $self->{zfs}->is_locked($zvol);
}

sub lun_taken ($self, $target, $lun) { return $self->{lun}{$target}{$lun} ? 1 : 0 }

sub lowest_free_lun ($self, $target) {
    my $taken = $self->{lun}{$target} // {};
    my $lun   = $self->{tgt} ? 1 : 0;          # tgt keeps LUN 0 for its controller device
    $lun++ while $taken->{$lun};
    return $lun;
}

# The T10-style identity that TrueNAS gives an extent: its company id, then random digits. LIO
# makes it from the serial number.
sub new_naa ($self, $serial) {
    my $fixed = $self->{tgt} ? $self->{tgt}->naa_of($serial) : undef;
    return $fixed // '0x6589cfc000000' . join '', map { sprintf '%x', int rand 16 } 1 .. 19;
}

sub new_serial ($self) {
    while (1) {
        my $serial = join '', map { sprintf '%x', int rand 16 } 1 .. 15;
        return $serial unless $self->{index}{extent_serial}{$serial};
    }
}

# Open iSCSI sessions: those of the real target and those that a test put there.
sub sessions ($self) {
    my @all = map { { initiator => $_->{initiator}, addr => $_->{addr}, iqn => $_->{iqn} } }
        $self->rows('session');
    push @all, $self->{tgt}->sessions if $self->{tgt};
    return @all;
}

sub target_in_use ($self, $target) {
    my $iqn = $self->iqn($target);
    return 1 if grep { $_->{iqn} eq $iqn } values %{ $self->{session} };
    return 0 unless $self->{tgt};
    return (grep { $_->{iqn} eq $iqn } $self->{tgt}->sessions($target->{id})) ? 1 : 0;
}

# Rows go together or one by one, and nobody is asked; the service hears of it at the next
# sync.
sub remove_mapping ($self, $id) {
    my $row = $self->remove('mapping', $id) or return;
    $self->touched(mapping => $row);
    return $row;
}

sub remove_extent ($self, $id) {
    $self->remove_mapping($_->{id}) for $self->rows_by('mapping_extent', $id);
    return $self->remove('extent', $id);
}

sub remove_target ($self, $id, $with_extents = 0) {
    for my $mapping ($self->rows_by('mapping_target', $id)) {
        $self->remove_mapping($mapping->{id});
        $self->remove('extent', $mapping->{extent}) if $with_extents;
    }
    my $row = $self->remove('target', $id) or return;
    $self->touched(target => $row);
    return $row;
}

# What pool.dataset.delete does before it destroys anything: enabled extents on these volumes
# go by force, with their mappings and with every target that is left without one.
sub detach ($self, @zvols) {
    my %target;
    for my $zvol (@zvols) {
        for my $extent ($self->rows_by('extent_disk', "zvol/$zvol")) {
            next unless $extent->{enabled};
            $target{ $_->{target} } = 1 for $self->rows_by('mapping_extent', $extent->{id});
            $self->remove_extent($extent->{id});
        }
    }
    for my $id (keys %target) {
        $self->remove_target($id) unless $self->rows_by('mapping_target', $id);
    }
    return;
}

1;
