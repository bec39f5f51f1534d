# SPDX-License-Identifier: Apache-2.0
# Snapshots: taken, destroyed, rolled back to, renamed and held.
package TNSim::Model::ZFS::Snapshots;
use v5.36;
use TNSim::Model::Refusal;

sub _refuse (@arg) { return TNSim::Model::Refusal->throw(@arg) }

sub snapshot ($self, $dataset, $leaf, $user = {}) {
    my $name = "$dataset\@$leaf";
    my $ds   = $self->find($dataset)
        or _refuse('ENOENT', "cannot open '$dataset': dataset does not exist");
    $self->{snapshot}{$name}
        and _refuse('EEXIST', "cannot create snapshot '$name': dataset already exists");
    $self->refresh($ds);

    # The reservation stays whole, so what it covered so far must find room elsewhere.
    my $moved = $ds->{refreservation} ? $self->head_bytes($ds) : 0;
    $self->need_room($dataset, $moved, "cannot create snapshot '$name': out of space");
    my $snap = {
        name => $name, dataset => $dataset, guid => $self->new_guid, txg => $self->next_txg,
        creation => time, ref  => $ds->{ref}, used => 0, volsize         => $ds->{volsize},
        holds    => {},   user => {%$user},
    };
    $self->{backing}->snapshot($ds, $snap) if $self->{backing} && $ds->{type} eq 'VOLUME';
    $self->{store}->put('snapshot', $name, $snap);
    push @{ $self->{by_dataset}{$dataset} }, $name;
    $ds->{written} = 0;
    $self->changed($dataset);
    return $snap;
}

# Out of the tables, whatever depends on it.
sub remove_snapshot ($self, $name) {
    my $snap = $self->{store}->remove('snapshot', $name) or return;
    my $list = $self->{by_dataset}{ $snap->{dataset} };
    @$list = grep { $_ ne $name } @$list;
    delete $self->{by_dataset}{ $snap->{dataset} } unless @$list;
    $self->{backing}->drop($snap)    if $self->{backing};
    $self->recount($snap->{dataset}) if $self->{dataset}{ $snap->{dataset} };
    return $snap;
}

sub destroy_snapshot ($self, $name, %how) {
    my $snap = $self->find_snapshot($name)
        or
        _refuse('ENOENT', "could not find any snapshots to destroy; check snapshot names.");
    my @clones = $self->clones_of($name);
    my $held   = %{ $snap->{holds} };
    if ($how{defer} && (@clones || $held)) {
        $snap->{deferred} = 1;
        $self->{store}->touch('snapshot', $name);
        return;
    }
    _refuse('EBUSY', "cannot destroy '$name': snapshot has dependent clones") if @clones;
    _refuse('EBUSY', "cannot destroy snapshot $name: dataset is busy")        if $held;
    $self->remove_snapshot($name);
    return;
}

sub newer_snapshots ($self, $snap) {
    return
        grep { $self->{snapshot}{$_}{txg} > $snap->{txg} }
        $self->snapshots_of($snap->{dataset});
}

# zfs rollback: -r destroys the newer snapshots, -R their clones as well. What is held or, in 26,
# cloned stops it only after everything else is gone; a busy head stops it at once.
sub rollback ($self, $name, %how) {
    my $snap = $self->find_snapshot($name)
        or _refuse('ENOENT', "cannot open '$name': dataset does not exist");
    my $ds    = $self->{dataset}{ $snap->{dataset} };
    my @newer = $self->newer_snapshots($snap);
    _refuse(
        'EEXIST', "cannot rollback to '$name': more recent snapshots or bookmarks exist\n"
            . "use '-r' to force deletion of the following snapshots and bookmarks:\n"
            . join("\n", @newer), newer => \@newer
    ) if @newer && !$how{recursive} && !$how{clones};
    my @clones = map { $self->clones_of($_) } @newer;
    _refuse('EEXIST',
              "cannot rollback to '$name': clones of previous snapshots exist\n"
            . "use '-R' to force deletion of the following clones and dependents:\n"
            . join("\n", @clones))
        if @clones && !$how{clones} && !$self->is_on('rollback_keeps_only_clones');
    _refuse('EBUSY', "cannot rollback '$ds->{name}': dataset is busy") if $ds->{busy};
    my @left = $self->_destroy_newer(\@newer, $how{clones});
    _refuse('EBUSY', "cannot destroy '$left[0]': dataset is busy", newer => \@left)
        if @left;
    return $self->_restore($ds, $snap);
}

# Newest first; those that cannot go are left, oldest first.
sub _destroy_newer ($self, $newer, $with_clones) {
    my @left;
    for my $name (reverse @$newer) {
        if ($with_clones) {
            $self->destroy($_, recursive => 1, clones => 1) for $self->clones_of($name);
        }
        if (%{ $self->{snapshot}{$name}{holds} } || $self->clones_of($name)) {
            unshift @left, $name;
        }
        else { $self->remove_snapshot($name) }
    }
    return @left;
}

# The head is the snapshot again; true when its size changed with that.
sub _restore ($self, $ds, $snap) {
    $self->{backing}->rollback($ds, $snap) if $self->{backing} && $ds->{type} eq 'VOLUME';
    my $resized = defined $snap->{volsize} && $snap->{volsize} != $ds->{volsize};
    $ds->{volsize} = $snap->{volsize} if $resized;
    @$ds{qw(ref written)} = ($snap->{ref}, 0);
    $self->changed($ds->{name});
    return $resized;
}

sub rename_snapshot ($self, $old, $new) {
    my $snap = $self->find_snapshot($old)
        or _refuse('ENOENT', "cannot open '$old': dataset does not exist");
    $self->{snapshot}{$new}
        and
        _refuse('EEXIST', "cannot rename '$old': a snapshot with that name already exists");
    $self->move_snapshot($old, $new);
    return;
}

# The same snapshot under another full name, which may be on another dataset.
sub move_snapshot ($self, $old, $new) {
    my $snap = $self->{store}->remove('snapshot', $old);
    my $from = $snap->{dataset};
    @$snap{qw(name dataset)} = ($new, $new =~ s/\@.*//sr);
    $self->{store}->put('snapshot', $new, $snap);
    my $list = $self->{by_dataset}{$from};
    if ($from eq $snap->{dataset}) {
        @$list = map { $_ eq $old ? $new : $_ } @$list;
    }
    else {
        @$list = grep { $_ ne $old } @$list;
        my $there = $self->{by_dataset}{ $snap->{dataset} } //= [];
        my $all   = $self->{snapshot};
        @$there = sort { $all->{$a}{txg} <=> $all->{$b}{txg} } @$there, $new;
    }
    my $clones = delete $self->{clone}{$old} or return;
    $self->{clone}{$new} = $clones;
    for my $clone (keys %$clones) {
        $self->{dataset}{$clone}{origin} = $new;
        $self->{store}->touch('dataset', $clone);
    }
    return;
}

sub hold ($self, $name, $tag) {
    my $snap = $self->find_snapshot($name)
        or _refuse('ENOENT', "cannot hold snapshot '$name': dataset does not exist");
    $snap->{holds}{$tag}
        and _refuse('EEXIST',
        "cannot hold snapshot '$name': tag already exists on this dataset");
    $snap->{holds}{$tag} = time;
    $self->{store}->touch('snapshot', $name);
    return;
}

# Without a tag all of them go, as the middleware asks for it.
sub release ($self, $name, $tag = undef) {
    my $snap = $self->find_snapshot($name)
        or _refuse('ENOENT',
        "cannot release hold from snapshot '$name': dataset does not exist");
    my @tags = defined $tag ? ($tag) : keys %{ $snap->{holds} };
    delete @{ $snap->{holds} }{@tags};
    $self->{store}->touch('snapshot', $name);
    $self->remove_snapshot($name)
        if $snap->{deferred} && !%{ $snap->{holds} } && !$self->clones_of($name);
    return;
}

1;
