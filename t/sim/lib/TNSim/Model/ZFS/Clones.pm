# SPDX-License-Identifier: Apache-2.0
# Clones of snapshots, and promotion: the clone and its origin change places.
package TNSim::Model::ZFS::Clones;
use v5.36;
use TNSim::Model::Refusal;

sub _refuse (@arg) { return TNSim::Model::Refusal->throw(@arg) }

# A clone never has a refreservation of its own unless it is asked for.
sub clone ($self, $snapshot, $name, %arg) {
    my $snap = $self->find_snapshot($snapshot)
        or _refuse('ENOENT', "cannot open '$snapshot': dataset does not exist");
    $self->check_new($name);
    _refuse('EXDEV', "cannot create '$name': source and target pools differ")
        if $self->pool_of($name) ne $self->pool_of($snapshot);
    my $from  = $self->{dataset}{ $snap->{dataset} };
    my $clone = $self->add_dataset(
        $name,
        type  => $from->{type},              origin => $snapshot,
        ref   => $snap->{ref},               shared => $snap->{ref},
        props => { %{ $arg{props} // {} } }, user   => { %{ $arg{user} // {} } },
        $from->{type} eq 'VOLUME'
        ? (volsize => $snap->{volsize}, volblocksize => $from->{volblocksize})
        : (),
    );
    $self->{backing}->clone($snap, $clone) if $self->{backing} && $from->{type} eq 'VOLUME';
    return $clone;
}

sub promote ($self, $name) {
    my $clone = $self->find($name)
        or _refuse('ENOENT', "cannot open '$name': dataset does not exist");
    my $origin = $clone->{origin}
        // _refuse('EINVAL', "cannot promote '$name': not a cloned filesystem");
    my $snap   = $self->{snapshot}{$origin};
    my $parent = $self->{dataset}{ $snap->{dataset} };
    my @move   = grep { $self->{snapshot}{$_}{txg} <= $snap->{txg} }
        $self->snapshots_of($parent->{name});
    my ($clash) = grep { $self->{snapshot}{ $name . s/\A[^@]+//r } } @move;
    _refuse('EEXIST',
              "cannot promote '$name': snapshot name '$clash' from origin \n"
            . 'conflicts with a snapshot name in the target')
        if defined $clash;
    my $moved = "$name" . ($origin =~ s/\A[^@]+//r);
    $self->move_snapshot($_, $name . s/\A[^@]+//r) for @move;
    $self->_swap_origin($clone, $parent, $moved);
    return;
}

# After the snapshots moved, the old parent is a clone of the snapshot both came from.
sub _swap_origin ($self, $clone, $parent, $moved) {
    delete $self->{clone}{$moved}{ $clone->{name} };
    $self->{clone}{$moved}{ $parent->{name} } = 1;
    my $above = delete $parent->{origin};
    delete $clone->{origin};
    if (defined $above) {
        delete $self->{clone}{$above}{ $parent->{name} };
        $self->{clone}{$above}{ $clone->{name} } = 1;
        $clone->{origin} = $above;
    }
    $parent->{origin} = $moved;
    $clone->{shared}  = $parent->{shared} // 0;
    $parent->{shared} = $self->{snapshot}{$moved}{ref};
    $self->changed($_->{name}) for $clone, $parent;
    return;
}

# Every dataset that goes when this one and what depends on it goes, dependents first.
sub dependents ($self, $name) {
    my (@order, %seen);
    my $visit;
    $visit = sub ($at) {
        return if $seen{$at}++;
        $visit->($_) for $self->children_of($at);
        $visit->($_) for map { $self->clones_of($_) } $self->snapshots_of($at);
        push @order, $at;
    };
    $visit->($name);
    undef $visit;
    return @order;
}

1;
