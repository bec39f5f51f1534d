# SPDX-License-Identifier: Apache-2.0
# Datasets: created, changed, renamed and destroyed, as libzfs does it.
package TNSim::Model::ZFS::Change;
use v5.36;
use TNSim::Model::Refusal;

sub _refuse (@arg) { return TNSim::Model::Refusal->throw(@arg) }

# The rules for any new name: free, in a known pool, below a filesystem.
sub check_new ($self, $name) {
    $self->{dataset}{$name}
        and _refuse('EEXIST', "cannot create '$name': dataset already exists");
    my $parent = $self->parent_of($name);
    my $above  = defined $parent ? $self->find($parent) : undef;
    $above or _refuse('ENOENT', "cannot create '$name': parent does not exist");
    $above->{type} eq 'FILESYSTEM'
        or _refuse('EINVAL', "cannot create '$name': parent is not a filesystem");
    $self->is_locked($parent)
        and _refuse('EACCES', "cannot create '$name': encryption root's key is not loaded");
    return;
}

# %arg: type, volsize, volblocksize, sparse, props, user, quota, ...
sub create ($self, $name, %arg) {
    $self->check_new($name);
    my $sparse = delete $arg{sparse};
    if ($arg{type} eq 'VOLUME') {
        $arg{volblocksize}   //= 16384;
        $arg{refreservation} //= $self->full_reservation(@arg{qw(volsize volblocksize)})
            unless $sparse;
    }
    else { $arg{ref} //= 98304 }
    my $parent = $self->parent_of($name);
    my $need =
        ($arg{refreservation} // 0) > ($arg{reservation} // 0)
        ? $arg{refreservation}
        : $arg{reservation} // 0;
    $need = 57344 if $need < 57344;
    $self->need_room($parent, $need, "cannot create '$name': out of space");
    my $ds = $self->add_dataset($name, %arg);
    $self->{backing}->create($ds) if $self->{backing} && $ds->{type} eq 'VOLUME';
    return $ds;
}

sub full_reservation ($self, $volsize, $blocksize) {
    return $volsize if $self->is_on('thick_is_exactly_volsize');
    return $self->volume_reservation($volsize, $blocksize);
}

# A new size; a reservation that was the full one grows with it.
sub set_volsize ($self, $name, $volsize) {
    my $ds   = $self->find($name);
    my $full = $self->volume_reservation(@$ds{qw(volsize volblocksize)});
    if (($ds->{refreservation} // 0) == $full) {
        my $new = $self->volume_reservation($volsize, $ds->{volblocksize});
        $self->need_room(
            $name, $new - $full,
            "cannot set property for '$name': size is greater than available space"
        );
        $ds->{refreservation} = $new;
    }
    $ds->{volsize} = $volsize;
    $self->{backing}->resize($ds) if $self->{backing};
    $self->changed($name);
    return;
}

# quota, refquota, reservation, refreservation; 0 or undef takes the limit away.
sub set_limit ($self, $name, $limit, $bytes) {
    my $ds = $self->find($name);
    $bytes ||= 0;
    my $held = $limit eq 'refquota' ? $ds->{ref} : $self->used($name);
    _refuse('ENOSPC',
              "cannot set property for '$name': "
            . 'size is less than current used or reserved space')
        if $limit =~ /quota/ && $bytes && $bytes < $held;
    _refuse('EINVAL',
        "cannot set property for '$name': '$limit' is greater than current volume size")
        if $limit eq 'refreservation'
        && $ds->{type} eq 'VOLUME'
        && $bytes > $self->volume_reservation(@$ds{qw(volsize volblocksize)});
    my $more = $limit =~ /quota/ ? 0 : $bytes - ($ds->{$limit} // 0);
    $self->need_room(
        $name, $more,
        "cannot set property for '$name': size is greater than available space"
    );
    $ds->{$limit} = $bytes;
    $self->changed($name);
    return;
}

# A native property; undef or INHERIT makes it inherited again.
sub set_property ($self, $name, $property, $value) {
    my $ds = $self->find($name);
    $self->{property_changes}++ if $self->{child}{$name};
    if   (!defined $value || $value eq 'INHERIT') { delete $ds->{props}{$property} }
    else                                          { $ds->{props}{$property} = $value }
    $self->changed($name);
    return;
}

sub set_user_property ($self, $name, $key, $value) {
    my $ds = $self->find($name);
    if (defined $value) { $ds->{user}{$key} = $value }
    else                { delete $ds->{user}{$key} }
    $self->changed($name);
    return;
}

# zfs destroy [-r|-R]: %how is recursive, clones.
sub destroy ($self, $name, %how) {
    my $ds = $self->find($name)
        or _refuse('ENOENT', "cannot open '$name': dataset does not exist");
    my $kind  = $ds->{type} eq 'VOLUME' ? 'volume' : 'filesystem';
    my @below = $self->children_of($name);
    my @snaps = $self->snapshots_of($name);
    if (!$how{recursive} && (@below || @snaps)) {
        my $errname = @below ? 'ENOTEMPTY' : 'EFAULT';
        _refuse(
                  $errname, "cannot destroy '$name': $kind has children\n"
                . "use '-r' to destroy the following datasets:\n"
                . join("\n", @below, @snaps),
            children => scalar @below
        );
    }
    my %inside = map { $_ => 1 } $self->subtree($name);
    my @all    = $self->dependents($name);
    my @clones = grep { !$inside{$_} } @all;
    _refuse('EBUSY',
              "cannot destroy '$name': $kind has dependent clones\n"
            . "use '-R' to destroy the following datasets:\n"
            . join("\n", @clones))
        if @clones && !$how{clones};
    $self->_check_idle($_, $how{release}) for @all;
    $self->_destroy_one($_) for @all;
    return;
}

sub _check_idle ($self, $name, $release) {
    my $ds = $self->{dataset}{$name};
    _refuse('EBUSY', "cannot destroy '$name': dataset is busy")
        if $ds->{busy} || $self->{is_open}->($name);
    return if $release;
    for my $snap ($self->snapshots_of($name)) {
        _refuse('EBUSY', "cannot destroy snapshot $snap: dataset is busy")
            if %{ $self->{snapshot}{$snap}{holds} };
    }
    return;
}

sub _destroy_one ($self, $name) {
    $self->remove_snapshot($_) for reverse $self->snapshots_of($name);
    $self->remove_dataset($name);
    return;
}

# The dataset and all below it under a new name; snapshots and clones follow.
sub rename ($self, $old, $new) {
    my $ds = $self->find($old)
        or _refuse('ENOENT', "cannot open '$old': dataset does not exist");
    $self->{dataset}{$new}
        and _refuse('EEXIST', "cannot rename '$old': dataset already exists");
    my $parent = $self->parent_of($new);
    defined $parent && $self->find($parent)
        or _refuse('ENOENT', "cannot create '$new': parent does not exist");
    $self->pool_of($old) eq $self->pool_of($new)
        or _refuse('EXDEV', "cannot rename '$old': datasets must be within same pool");
    index("$new/", "$old/") == 0
        and _refuse('EINVAL',
              "cannot rename '$old': New dataset name cannot be a descendant of "
            . 'current dataset name');
    $self->{property_changes}++;
    my @tree = $self->subtree($old);

    for my $from (@tree) {
        $self->_rename_one($from, $new . substr $from, length $old);
    }
    return;
}

sub _rename_one ($self, $old, $new) {
    my $ds         = $self->{store}->remove('dataset', $old);
    my $was_parent = $self->parent_of($old);
    delete $self->{child}{$was_parent}{$old} if defined $was_parent;
    delete $self->{child}{$old};
    $self->uncount($old);
    $ds->{name} = $new;
    $self->{store}->put('dataset', $new, $ds);
    $self->{child}{ $self->parent_of($new) }{$new} = 1;

    if (defined $ds->{origin}) {
        delete $self->{clone}{ $ds->{origin} }{$old};
        $self->{clone}{ $ds->{origin} }{$new} = 1;
    }
    $self->move_snapshot($_, $new . s/\A[^@]+//r) for $self->snapshots_of($old);
    delete $self->{by_dataset}{$old};
    $self->recount($new);
    return;
}

1;
