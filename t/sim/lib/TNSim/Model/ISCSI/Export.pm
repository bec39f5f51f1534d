# SPDX-License-Identifier: Apache-2.0
# What the iSCSI service really shows: the configuration as it was at the last reload.
package TNSim::Model::ISCSI::Export;
use v5.36;

# {exported}{target id} = { iqn, acl, lun => { lunid => { extent, key, size } } }. With a real
# target behind it, every change here is made there too.

sub is_running ($self) { return $self->{world}->service('iscsitarget')->{running} ? 1 : 0 }

# A client may see a target only through a portal, so one without groups stays hidden.
sub _access ($self, $target) {
    my @groups = @{ $target->{groups} // [] } or return undef;
    my (%name, %account, $everyone);
    for my $group (@groups) {
        my $row =
            defined $group->{initiator} ? $self->{initiator}{ $group->{initiator} } : undef;
        my @list = $row ? @{ $row->{initiators} } : ();
        $everyone = 1 unless @list;
        $name{$_} = 1 for @list;
        next if ($group->{authmethod} // 'NONE') eq 'NONE' || !defined $group->{auth};
        for my $auth (grep { $_->{tag} == $group->{auth} } $self->rows('auth')) {
            $account{ $auth->{user} }     = [$auth->{secret},     'in'];
            $account{ $auth->{peeruser} } = [$auth->{peersecret}, 'out']
                if $group->{authmethod} eq 'CHAP_MUTUAL' && ($auth->{peeruser} // '') ne '';
        }
    }
    return { initiators => $everyone ? [] : [sort keys %name], account => \%account };
}

sub _access_key ($access) {
    return join '|', @{ $access->{initiators} },
        map { "$_=" . join ',', @{ $access->{account}{$_} } }
        sort keys %{ $access->{account} };
}

# What a LUN of this mapping would be, or undef when it cannot be shown.
sub _lun_of ($self, $mapping) {
    my $extent = $self->{extent}{ $mapping->{extent} } or return undef;
    return undef if !$extent->{enabled} || $extent->{type} ne 'DISK';
    my $zvol = $self->zvol_of($extent) // return undef;
    my $ds   = $self->{zfs}->has_device($zvol) ? $self->{zfs}->find($zvol) : undef;
    return undef unless $ds;
    return {
        extent => $extent->{id}, size => $ds->{volsize}, guid => $ds->{guid},
        key    => join(
            '|', @$extent{qw(id naa serial blocksize)}, $ds->{guid}, $extent->{ro} ? 1 : 0,
            $extent->{product_id} // ''
        ),
    };
}

# Brings one mapping onto the wire; part of a reload.
sub _export_mapping ($self, $mapping) {
    my $target = $self->{target}{ $mapping->{target} } or return;
    my $shown  = $self->_export_target($target)        or return;
    return if $shown->{lun}{ $mapping->{lunid} };
    my $lun = $self->_lun_of($mapping) or return;
    if ($self->{tgt}) {
        my $ds = $self->{zfs}->find($self->zvol_of($self->{extent}{ $lun->{extent} }));
        return if $ds->{virtual};
        $self->{tgt}->add_lun(
            $target->{id}, $mapping->{lunid}, $ds,
            $self->{extent}{ $lun->{extent} }
        ) or return;
    }
    $shown->{lun}{ $mapping->{lunid} } = $lun;
    return;
}

sub _export_target ($self, $target) {
    my $access = $self->_access($target) or return undef;
    my $iqn    = $self->iqn($target);
    my $shown  = $self->{exported}{ $target->{id} };
    if ($shown && $shown->{iqn} ne $iqn) {
        $self->unexport_target($target);
        undef $shown;
    }
    if (!$shown) {
        $self->{tgt}->add_target($target->{id}, $iqn) if $self->{tgt};
        $shown = $self->{exported}{ $target->{id} } =
            { iqn => $iqn, lun => {}, access => '' };
    }
    my $key = _access_key($access);
    if ($shown->{access} ne $key || !$shown->{access_set}) {
        $self->{tgt}->set_access($target->{id}, $access) if $self->{tgt};
        @$shown{qw(access access_set)} = ($key, 1);
    }
    return $shown;
}

sub _unexport_lun ($self, $target, $lunid) {
    my $shown = $self->{exported}{$target} or return;
    delete $shown->{lun}{$lunid}           or return;
    $self->{tgt}->remove_lun($target, $lunid) if $self->{tgt};
    return;
}

sub unexport_target ($self, $target) {
    my $shown = delete $self->{exported}{ $target->{id} } or return;
    $self->{tgt}->remove_target($target->{id}) if $self->{tgt};
    return;
}

# A row was made, changed or removed and the service has not been told yet.
sub touched ($self, $table, $row) {
    push @{ $self->{touched} }, [$table, {%$row}];
    return;
}

# A reload that was cut leaves the database and the wire apart until the next full one.
sub _is_cut ($self) {
    return 0 unless $self->{world}->take_knob('cut_reload');
    $self->{stale}   = 1;
    $self->{touched} = [];
    return 1;
}

# The synchronous configuration reload that calls wait for, of what they touched only: with
# ten thousand mappings a look at all of them would be felt.
sub sync ($self) {
    return if $self->_is_cut;
    my $touched = delete $self->{touched} // [];
    return unless $self->is_running;
    return $self->_reload_all if $self->{stale};
    for my $item (@$touched) {
        my ($table, $row) = @$item;
        if ($table eq 'target') {
            $self->unexport_target($row) unless $self->{target}{ $row->{id} };
        }
        else { $self->_sync_mapping($row) }
    }
    return;
}

sub _sync_mapping ($self, $row) {
    my $target = $row->{target};
    my $shown  = $self->{exported}{$target};
    my $lun    = $shown ? $shown->{lun}{ $row->{lunid} } : undef;
    my $now    = $self->{mapping}{ $row->{id} };
    my $same   = $now && $now->{target} == $target && $now->{lunid} == $row->{lunid};
    if ($lun && $lun->{extent} == $row->{extent}) {
        my $wanted = $same ? $self->_lun_of($now) : undef;
        $self->_unexport_lun($target, $row->{lunid})
            unless $wanted && $wanted->{key} eq $lun->{key};
    }
    $self->_export_mapping($now) if $now;

    # The loser of a race for this number takes its place now.
    $self->_export_mapping($_)
        for grep { $_->{lunid} == $row->{lunid} }
        !$same && $self->lun_taken($target, $row->{lunid})
        ? $self->rows_by('mapping_target', $target)
        : ();
    return;
}

# Everything again, from the database.
sub reload ($self) {
    return if $self->_is_cut;
    $self->{touched} = [];
    return unless $self->is_running;
    return $self->_reload_all;
}

sub _reload_all ($self) {
    $self->{stale} = 0;
    $self->_drop_what_is_gone;
    $self->_export_target($_)  for $self->rows('target');
    $self->_export_mapping($_) for $self->rows('mapping');
    return;
}

sub _drop_what_is_gone ($self) {
    for my $id (keys %{ $self->{exported} }) {
        my $target = $self->{target}{$id};
        if (!$target || !$self->_access($target)) {
            $self->unexport_target({ id => $id });
            next;
        }
        my %wanted;
        for my $mapping ($self->rows_by('mapping_target', $id)) {
            my $lun = $self->_lun_of($mapping) or next;
            $wanted{ $mapping->{lunid} }{ $lun->{key} } = 1;
        }
        my $shown = $self->{exported}{$id}{lun};
        for my $lunid (keys %$shown) {
            $self->_unexport_lun($id, $lunid)
                unless $wanted{$lunid}{ $shown->{$lunid}{key} };
        }
    }
    return;
}

sub stop ($self) {
    $self->unexport_target({ id => $_ }) for keys %{ $self->{exported} };
    return;
}

# The LUNs on which this volume is shown: [target id, lunid, entry].
sub luns_of ($self, $zvol) {
    my @found;
    for my $extent ($self->rows_by('extent_disk', "zvol/$zvol")) {
        for my $mapping ($self->rows_by('mapping_extent', $extent->{id})) {
            my $lun = ($self->{exported}{ $mapping->{target} } // next)
                ->{lun}{ $mapping->{lunid} };
            push @found, [$mapping->{target}, $mapping->{lunid}, $lun]
                if $lun && $lun->{extent} == $extent->{id};
        }
    }
    return @found;
}

# The volume has another size now and the service is told so.
sub resized ($self, $zvol) {
    my $ds = $self->{zfs}->find($zvol);
    for my $found ($self->luns_of($zvol)) {
        my ($target, $lunid, $lun) = @$found;
        $self->{tgt}->reopen_lun($target, $lunid, $ds) if $self->{tgt};
        $lun->{size} = $ds->{volsize};
    }
    return;
}

# Every LUN that initiators see, for dump(): from the real target when there is one.
sub exported_luns ($self) {
    return $self->{tgt}->luns if $self->{tgt};
    my @all;
    for my $id (sort { $a <=> $b } keys %{ $self->{exported} }) {
        my $shown = $self->{exported}{$id};
        for my $lunid (sort { $a <=> $b } keys %{ $shown->{lun} }) {
            my $lun    = $shown->{lun}{$lunid};
            my $extent = $self->{extent}{ $lun->{extent} } // {};
            push @all, {
                iqn => $shown->{iqn},  lun    => $lunid + 0, size => $lun->{size} + 0,
                naa => $extent->{naa}, serial => $extent->{serial},
            };
        }
    }
    return @all;
}

1;
