# SPDX-License-Identifier: Apache-2.0
# POST /world and GET /world: what a test does behind the client's back, and all it may see.
package TNSim::Model::Commands;
use v5.36;
use parent qw(TNSim::Model::Bulk);
use TNSim::Model::Refusal;

# command => what runs it; t/sim/WORLD.md describes each. The value is what the test gave.
my %COMMAND = (
    fill     => \&_fill,
    write    => \&_write,
    dataset  => \&_dataset,
    pool     => \&_pool,
    snapshot => \&_snapshot,
    clone    => \&_clone,
    hold    => sub ($self, $v) { $self->zfs->hold($v->{snapshot}, $v->{tag} // 'truenas') },
    release => sub ($self, $v) { $self->zfs->release($v->{snapshot}, $v->{tag}) },
    destroy => sub ($self, $v) {
        $self->zfs->destroy($v, recursive => 1, clones => 1, release => 1);
    },
    rename    => \&_rename,
    replicate => \&_replicate,
    promote   => sub ($self, $v) { $self->zfs->promote($v) },
    rollback  => \&_rollback,
    extent    => \&_extent,
    insert    => \&_insert,
    remove    => \&_remove,
    session   => \&_session,
    service   => \&_service,
    knob      => \&_knob,
    bulk      => \&TNSim::Model::Bulk::bulk,
    reload    => sub ($self, $v) { $self->iscsi->reload },
);

sub names { return sort keys %COMMAND }

# Runs every command of the hash, in a fixed order; { command => answer }.
sub apply ($self, $spec) {
    my %answer;
    for my $name (sort { _rank($a) <=> _rank($b) || $a cmp $b } keys %$spec) {
        my $code = $COMMAND{$name} or die "/world has no command '$name'\n";
        my $many = ref $spec->{$name} eq 'ARRAY';
        my @done;
        for my $value ($many ? @{ $spec->{$name} } : $spec->{$name}) {
            push @done, scalar eval { $code->($self, $value) };
            next unless my $error = $@;
            my $refusal = TNSim::Model::Refusal->caught($error);
            die $refusal ? "/world $name: " . $refusal->text . "\n" : $error;
        }
        my $shown = $many ? \@done : $done[0];
        $answer{$name} = $shown if ref $shown || defined $shown && !$many;
    }
    $self->commit;
    return \%answer;
}

# Objects first, then what is done to them, then the switches.
sub _rank ($name) {
    my @order = qw(pool dataset snapshot clone bulk insert);
    for my $i (0 .. $#order) { return $i if $order[$i] eq $name }
    return $name eq 'knob' ? 99 : 50;
}

sub _existing ($self, $name) {
    return $self->zfs->{dataset}{$name} // die "/world: no dataset '$name'\n";
}

# { pool, leave }: so much is used that only `leave` bytes are left; leave: null empties it.
sub _fill ($self, $v) {
    my $zfs  = $self->zfs;
    my $root = $self->_existing($v->{pool});
    $root->{ref} -= delete $root->{filler} // 0;
    $zfs->changed($v->{pool});
    return undef unless defined $v->{leave};
    my $more = $zfs->room($v->{pool}) - $v->{leave};
    $root->{filler} = $more;
    $root->{ref} += $more;
    $zfs->changed($v->{pool});
    return { available => $zfs->available($v->{pool}) };
}

# { dataset, bytes, overwrite }: as if a guest had written so much.
sub _write ($self, $v) {
    my $ds   = $self->_existing($v->{dataset});
    my $over = $v->{overwrite} // 0;
    my $last = $self->zfs->last_snapshot($v->{dataset});
    $ds->{ref}     += $v->{bytes} // 0;
    $ds->{written} += ($v->{bytes} // 0) + $over;
    if ($last && $over) {
        $last->{used} += $over;
        $self->store->touch('snapshot', $last->{name});
    }
    $self->zfs->changed($v->{dataset});
    return undef;
}

# { name, and any of: create, user, props, quota, refquota, reservation, busy, locked,
#   encrypted }: an admin's work on one dataset.
sub _dataset ($self, $v) {
    my $zfs  = $self->zfs;
    my $name = $v->{name};
    if (my $create = $v->{create}) {
        $zfs->create(
            $name, type => $create->{volsize} ? 'VOLUME' : 'FILESYSTEM',
            sparse => 1, %$create
        ) unless $zfs->find($name);
    }
    my $ds = $self->_existing($name);
    for my $key (keys %{ $v->{user} // {} }) {
        $zfs->set_user_property($name, $key, $v->{user}{$key});
    }
    for my $key (keys %{ $v->{props} // {} }) {
        $zfs->set_property($name, $key, $v->{props}{$key});
    }
    exists $v->{$_} and $zfs->set_limit($name, $_, $v->{$_})
        for qw(quota refquota reservation refreservation);
    if ($v->{volsize}) {
        $zfs->set_volsize($name, $v->{volsize});
        $self->iscsi->resized($name);
    }
    $ds->{busy}               = $v->{busy} ? 1 : 0   if exists $v->{busy};
    $ds->{encryption}         = { locked => 0 }      if $v->{encrypted};
    $ds->{encryption}{locked} = $v->{locked} ? 1 : 0 if exists $v->{locked};
    $zfs->{encrypted}++ if $ds->{encryption};
    $zfs->changed($name);
    $self->iscsi->reload if exists $v->{locked} || $v->{encrypted};
    return undef;
}

# { name, and any of: create (size), exported, status, draid, recommended_blocksize }.
sub _pool ($self, $v) {
    my $zfs = $self->zfs;
    $zfs->add_pool($v->{name}, $v->{create}) if $v->{create} && !$zfs->pool($v->{name});
    my $pool = $zfs->pool($v->{name}) // die "/world: no pool '$v->{name}'\n";
    for my $field (grep { exists $v->{$_} }
        qw(exported status draid recommended_blocksize size))
    {
        $pool->{$field} =
            $field =~ /exported|draid/ ? ($v->{$field} ? 1 : 0) : $v->{$field};
    }
    $self->store->touch('pool', $v->{name});
    $self->iscsi->reload if exists $v->{exported};
    return undef;
}

sub _snapshot ($self, $v) {
    my $user = ref $v ? $v->{user} // {} : {};
    my ($dataset, $leaf) = split /\@/, ref $v ? $v->{name} : $v, 2;
    my $snap = $self->zfs->snapshot($dataset, $leaf, $user);
    return { createtxg => $snap->{txg} };
}

sub _clone ($self, $v) {
    $self->zfs->clone($v->{snapshot}, $v->{name}, user => $v->{user} // {});
    return undef;
}

# Without the force and the checks of the API; extents keep the old path.
sub _rename ($self, $v) {
    $self->zfs->rename($v->{from}, $v->{to});
    return undef;
}

sub _rollback ($self, $v) {
    my $resized = $self->zfs->rollback($v, recursive => 1);
    $self->iscsi->resized($v =~ s/\@.*//r) if $resized && !$self->knob('stale_size');
    return undef;
}

# A received copy: other guids and sources, but the same user properties and snapshot names.
sub _replicate ($self, $v) {
    my $zfs = $self->zfs;
    for my $from ($zfs->subtree($v->{from})) {
        my $name = $v->{to} . substr $from, length $v->{from};
        my $ds   = $self->_existing($from);
        my %copy = map { $_ => $ds->{$_} }
            grep { defined $ds->{$_} } qw(type volsize volblocksize ref);
        my $made = $zfs->add_dataset(
            $name, %copy, user => { %{ $ds->{user} } },
            props => { %{ $ds->{props} } }
        );
        next unless $ds->{type} eq 'VOLUME';
        $self->{backing}->clone($ds, $made) if $self->{backing};
        for my $snap ($zfs->snapshots_of($from)) {
            $zfs->snapshot($name, $snap =~ s/\A[^@]+\@//r) unless $v->{no_snapshots};
        }
    }
    return undef;
}

# { name or disk to find it by, set => { field => value } }: an admin's edit, unchecked.
sub _extent ($self, $v) {
    my ($row) =
          defined $v->{id}   ? ($self->iscsi->row('extent', $v->{id}))
        : defined $v->{name} ? $self->iscsi->rows_by('extent_name', $v->{name})
        :                      $self->iscsi->rows_by('extent_disk', $v->{disk});
    die "/world: no such extent\n" unless $row;
    my %set = %{ $v->{set} };
    $set{path} = $set{disk} if defined $set{disk};
    $self->iscsi->update('extent', $row->{id}, \%set);
    $self->iscsi->touched(mapping => $_)
        for $self->iscsi->rows_by('mapping_extent', $row->{id});
    $self->iscsi->sync;
    return { id => $row->{id} };
}

# { table, row } and { table, id }: any iSCSI row, as another admin or client makes it.
sub _insert ($self, $v) {
    my %row = %{ $v->{row} };
    if ($v->{table} eq 'extent') {
        my $serial = $row{serial} // $self->iscsi->new_serial;
        %row = (
            type => 'DISK', filesize => 0, blocksize => 512, pblocksize => 0, comment => '',
            avail_threshold => undef, insecure_tpc => 1, xen => 0, rpm  => 'SSD', ro  => 0,
            enabled         => 1,     product_id   => undef, path => $row{disk},
            serial          => $serial, naa => $self->iscsi->new_naa($serial),
            flat            => ($row{name} // '') =~ tr{./}{_-}r, %row,
        );
    }
    my $made = $self->iscsi->insert($v->{table}, \%row);
    $self->iscsi->reload;
    return { id => $made->{id} };
}

sub _remove ($self, $v) {
    my $iscsi = $self->iscsi;
    if    ($v->{table} eq 'extent')  { $iscsi->remove_extent($v->{id}) }
    elsif ($v->{table} eq 'mapping') { $iscsi->remove_mapping($v->{id}) }
    elsif ($v->{table} eq 'target')  { $iscsi->remove_target($v->{id}) }
    else                             { $iscsi->remove($v->{table}, $v->{id}) }
    $iscsi->reload;
    return undef;
}

# { target, initiator, addr }: a session that the real target does not know; null ends all.
sub _session ($self, $v) {
    my $iscsi = $self->iscsi;
    if (!defined $v) {
        $iscsi->remove('session', $_->{id}) for $iscsi->rows('session');
        return undef;
    }
    my ($target) = $iscsi->rows_by('target_name', $v->{target});
    my $row = $iscsi->insert(
        'session',
        {
            iqn       => $target ? $iscsi->iqn($target) : $v->{target},
            initiator => $v->{initiator} // 'iqn.1993-08.org.debian:01:other',
            addr      => $v->{addr}      // '192.0.2.50',
        }
    );
    return { id => $row->{id} };
}

# { name, running }: started or stopped by an admin.
sub _service ($self, $v) {
    $self->service($v->{name}) or die "/world: no service '$v->{name}'\n";
    $self->set_service($v->{name}, $v->{running} ? 'START' : 0);
    return undef;
}

# { name => value, ... }: 0 or null takes a switch away.
sub _knob ($self, $v) {
    for my $name (keys %$v) {
        if ($v->{$name}) { $self->store->put('knob', $name, $v->{$name}) }
        else             { $self->store->remove('knob', $name) }
    }
    return undef;
}

# $verb: START, RESTART, RELOAD, or a false value to stop. True when it runs afterwards.
sub set_service ($self, $name, $verb) {
    my $service  = $self->service($name);
    my $is_iscsi = $name eq 'iscsitarget';
    $self->iscsi->stop if $is_iscsi && (!$verb || $verb eq 'RESTART');
    $service->{running} = $verb ? 1 : 0;
    $self->store->touch('service', $name);
    $self->iscsi->reload if $is_iscsi && $verb;
    return $service->{running};
}

# Between a client's check and the destroy: knob clone_at_delete => { snapshot, name, when }.
sub at_delete ($self, $id) {
    my $race = $self->knob('clone_at_delete') or return;
    return if $race->{when} && $race->{when} ne $id;
    $self->store->remove('knob', 'clone_at_delete');
    my ($dataset, $leaf) = split /\@/, $race->{snapshot}, 2;
    $self->zfs->snapshot($dataset, $leaf)
        unless $self->zfs->find_snapshot($race->{snapshot});
    $self->zfs->clone($race->{snapshot}, $race->{name});
    return;
}

# Every object of the NAS; plain data for invariants.
sub dump ($self) {
    my $zfs = $self->zfs;
    my %out =
        map { $_ => [$self->iscsi->rows($_)] } qw(portal initiator target extent mapping);
    $out{auth} = [map { my %row = %$_; delete @row{qw(secret peersecret)}; \%row }
            $self->iscsi->rows('auth')];
    $out{dataset}  = [map { $self->_dump_dataset($_) } sort keys %{ $zfs->{dataset} }];
    $out{snapshot} = [
        map {
            {
                %{ $zfs->{snapshot}{$_} }, clones => [$zfs->clones_of($_)],
            }
        } sort keys %{ $zfs->{snapshot} }
    ];
    my $tables = $self->store;
    $out{pool} =
        [map { $tables->table('pool')->{$_} } sort keys %{ $tables->table('pool') }];
    $out{service} = [
        map { $tables->table('service')->{$_} }
        sort keys %{ $tables->table('service') }
    ];
    $out{knob}     = { %{ $tables->table('knob') } };
    $out{global}   = $self->iscsi->global;
    $out{session}  = [$self->iscsi->sessions];
    $out{exported} = [$self->iscsi->exported_luns];
    return \%out;
}

sub _dump_dataset ($self, $name) {
    my $zfs = $self->zfs;
    my $ds  = $zfs->{dataset}{$name};
    $zfs->refresh($ds);
    return {
        %$ds, used => $zfs->used($name), available => $zfs->available($name),
        locked => $zfs->is_locked($name),
    };
}

1;
