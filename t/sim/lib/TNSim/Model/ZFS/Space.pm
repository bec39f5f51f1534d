# SPDX-License-Identifier: Apache-2.0
# Space accounting: used, available and referenced as ZFS would report them.
package TNSim::Model::ZFS::Space;
use v5.36;
use List::Util qw(max min sum0);
use TNSim::Model::Refusal;

# {space}{name} = { used, below, charge }: all that the dataset takes, what its children take of
# that, and what its parent is charged (a reservation counts even when it is not used).

# ZFS keeps a part back (slop): 1/32 of the pool, at most 128 GiB.
sub pool_usable ($self, $pool) {
    my $size = $self->pool($pool)->{size};
    return $size - min(int($size / 32), 128 << 30);
}

sub own_bytes ($self, $ds) { return max(0, $ds->{ref} - ($ds->{shared} // 0)) }

# The part of the head that no snapshot holds; a refreservation covers exactly this.
sub head_bytes ($self, $ds) {
    my $last = $self->last_snapshot($ds->{name});
    return $self->own_bytes($ds) unless $last;
    return min($ds->{written} // 0, $ds->{ref});
}

sub refreservation_left ($self, $ds) {
    return max(0, ($ds->{refreservation} // 0) - $self->head_bytes($ds));
}

sub snapshot_bytes ($self, $name) {
    my $snaps = $self->{by_dataset}{$name} or return 0;
    return sum0(map { $self->{snapshot}{$_}{used} } @$snaps);
}

sub used  ($self, $name) { return $self->{space}{$name}{used} }
sub below ($self, $name) { return $self->{space}{$name}{below} }

# After any change to a dataset: its own sums, then those of everything above it.
sub recount ($self, $name) {
    while (defined $name) {
        my $ds    = $self->{dataset}{$name} or last;
        my $space = $self->{space}{$name} //= { below => 0, used => 0, charge => 0 };
        my $used =
              $self->own_bytes($ds)
            + $self->snapshot_bytes($name)
            + $self->refreservation_left($ds)
            + $space->{below};
        my $charge = max($used, $ds->{reservation} // 0);
        my $change = $charge - $space->{charge};
        @$space{qw(used charge)} = ($used, $charge);
        my $parent = $self->parent_of($name);
        last unless defined $parent && $change;
        my $above = $self->{space}{$parent} //= { below => 0, used => 0, charge => 0 };
        $above->{below} += $change;
        $name = $parent;
    }
    return;
}

# A dataset is gone: its parent is no longer charged.
sub uncount ($self, $name) {
    my $space  = delete $self->{space}{$name} or return;
    my $parent = $self->parent_of($name);
    return unless defined $parent && $self->{space}{$parent};
    $self->{space}{$parent}{below} -= $space->{charge};
    $self->recount($parent);
    return;
}

sub recount_all ($self) {
    $self->{space} = {};
    my @deepest_first =
        sort { ($b =~ tr{/}{}) <=> ($a =~ tr{/}{}) } keys %{ $self->{dataset} };
    for my $name (@deepest_first) {
        my $ds    = $self->{dataset}{$name};
        my $space = $self->{space}{$name} //= { below => 0 };
        $space->{used} =
              $self->own_bytes($ds)
            + $self->snapshot_bytes($name)
            + $self->refreservation_left($ds)
            + $space->{below};
        $space->{charge} = max($space->{used}, $ds->{reservation} // 0);
        my $parent = $self->parent_of($name);
        ($self->{space}{$parent} //= { below => 0 })->{below} += $space->{charge}
            if defined $parent;
    }
    return;
}

# What may still be written below this dataset, reservations and quotas of all above respected.
sub room ($self, $name) {
    my $parent = $self->parent_of($name);
    my $ds     = $self->{dataset}{$name};
    my $used   = $self->used($name);
    my $room   = defined $parent ? $self->room($parent) : $self->pool_usable($name) - $used;
    $room += max(0, ($ds->{reservation} // 0) - $used) if defined $parent;
    $room = min($room, $ds->{quota} - $used)           if $ds->{quota};
    return max(0, $room);
}

sub available ($self, $name) {
    my $ds   = $self->{dataset}{$name};
    my $room = $self->room($name) + $self->refreservation_left($ds);
    $room = min($room, max(0, $ds->{refquota} - $ds->{ref})) if $ds->{refquota};
    return $room;
}

# Dies unless so many more bytes fit below the dataset.
sub need_room ($self, $name, $bytes, $text) {
    return if $bytes <= 0 || $bytes <= $self->room($name);
    TNSim::Model::Refusal->throw('ENOSPC', $text);
}

# Bytes that a full reservation of a volume takes: its data and the indirect blocks above it.
sub volume_reservation ($self, $volsize, $blocksize) {
    my $blocks = int($volsize / $blocksize);
    my $meta   = 7;
    while ($blocks > 1) {
        $blocks = int(($blocks + 1023) / 1024);
        $meta += $blocks;
    }
    return $volsize + $meta * 2 * 131072;
}

# Bytes on disk, which a reservation does not take.
sub pool_allocated ($self, $pool) {
    my $prefix = "$pool/";
    my $sum    = 0;
    for my $name (keys %{ $self->{dataset} }) {
        next unless $name eq $pool || index($name, $prefix) == 0;
        $sum += $self->own_bytes($self->{dataset}{$name}) + $self->snapshot_bytes($name);
    }
    return $sum;
}

1;
