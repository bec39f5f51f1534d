# SPDX-License-Identifier: Apache-2.0
# Pools, datasets and snapshots of the fake NAS, with the rules of ZFS and libzfs' texts.
package TNSim::Model::ZFS;
use v5.36;
use parent qw(
    TNSim::Model::ZFS::Space
    TNSim::Model::ZFS::Properties
    TNSim::Model::ZFS::Snapshots
    TNSim::Model::ZFS::Clones
    TNSim::Model::ZFS::Change
);

# Tables of the store: pool{name}, dataset{name}, snapshot{"dataset\@name"}.
# Derived, rebuilt at load: {child}{parent}{name}, {by_dataset}{dataset} = snapshot names in the
# order of their creation, {clone}{snapshot}{dataset}, {space}.

my $GIB = 1 << 30;

sub new ($class, %arg) {
    my $self = bless {
        store   => $arg{store}, backing => $arg{backing}, quirk => $arg{quirk},
        is_open => $arg{is_open},
    }, $class;
    $self->reindex;
    return $self;
}

sub reindex ($self) {
    $self->{$_} = $self->{store}->table($_) for qw(pool dataset snapshot);
    $self->{$_} = {}                        for qw(child by_dataset clone space);
    for my $name (keys %{ $self->{dataset} }) {
        my $parent = $self->parent_of($name);
        $self->{child}{$parent}{$name} = 1 if defined $parent;
        my $origin = $self->{dataset}{$name}{origin};
        $self->{clone}{$origin}{$name} = 1 if defined $origin;
    }
    $self->{encrypted} = grep { $_->{encryption} } values %{ $self->{dataset} };
    my $snaps = $self->{snapshot};
    for my $name (sort { $snaps->{$a}{txg} <=> $snaps->{$b}{txg} } keys %$snaps) {
        push @{ $self->{by_dataset}{ $snaps->{$name}{dataset} } }, $name;
    }
    $self->recount_all;
    return;
}

# The pools of a fresh state.
sub populate ($self) {
    $self->add_pool('tank',  1024 * $GIB);
    $self->add_pool('flash', 200 * $GIB);
    return;
}

sub add_pool ($self, $name, $size, %more) {
    $self->{store}->put(
        'pool', $name,
        {
            id   => $self->{store}->next_id('pool'),
            guid => $self->new_guid,
            name => $name, size => $size, status => 'ONLINE', exported => 0, draid => 0,
            %more,
        }
    );
    $self->add_dataset(
        $name, type => 'FILESYSTEM',
        props => { compression => 'lz4' }, ref => 98304
    );
    return;
}

sub is_on ($self, $name) { return $self->{quirk}->($name) }

# A 63-bit number that JSON keeps as an integer.
sub new_guid ($self) { return (int(rand 0x7fffffff) << 31) | int(rand 0x7fffffff) }

# Transaction groups only grow; two objects never share one, which makes order testable.
sub next_txg ($self) {
    my $sequence = $self->{store}->table('sequence');
    $self->{store}->put('sequence', 'txg', 18000) unless $sequence->{txg};
    return $self->{store}->next_id('txg');
}

sub parent_of ($self, $name) { return $name =~ m{\A(.+)/[^/]+\z}s ? $1 : undef }
sub pool_of   ($self, $name) { return $name =~ m{\A([^/@]+)}      ? $1 : undef }
sub pool      ($self, $name) { return $self->{pool}{$name} }

# A dataset as everybody sees it: none when its pool is exported.
sub find ($self, $name) {
    my $ds = $self->{dataset}{$name} or return undef;
    return $self->{pool}{ $self->pool_of($name) }{exported} ? undef : $ds;
}

sub find_snapshot ($self, $name) {
    my $snap = $self->{snapshot}{$name} or return undef;
    return $self->find($snap->{dataset}) ? $snap : undef;
}

sub names ($self) {
    my %gone  = map { $_->{name} => 1 } grep { $_->{exported} } values %{ $self->{pool} };
    my @names = sort keys %{ $self->{dataset} };
    @names = grep { !$gone{ $self->pool_of($_) } } @names if %gone;
    return @names;
}

sub children_of ($self, $name) {
    my @names = sort keys %{ $self->{child}{$name} // {} };
    return @names;
}

# The dataset and everything below it, parents first.
sub subtree ($self, $name) {
    return ($name, map { $self->subtree($_) } $self->children_of($name));
}

sub snapshots_of ($self, $name) { return @{ $self->{by_dataset}{$name} // [] } }

sub last_snapshot ($self, $name) {
    my $list = $self->{by_dataset}{$name};
    return $list && @$list ? $self->{snapshot}{ $list->[-1] } : undef;
}

sub clones_of ($self, $snapshot) {
    my @names = sort keys %{ $self->{clone}{$snapshot} // {} };
    return @names;
}

# The nearest encryption root at or above, or undef.
sub encryption_root ($self, $name) {
    return undef unless $self->{encrypted};
    for (my $at = $name; defined $at; $at = $self->parent_of($at)) {
        my $ds = $self->{dataset}{$at} or next;
        return $ds if $ds->{encryption};
    }
    return undef;
}

sub is_locked ($self, $name) {
    my $root = $self->encryption_root($name) or return 0;
    return $root->{encryption}{locked} ? 1 : 0;
}

# A volume whose device node is there, so that an extent can be put on it.
sub has_device ($self, $name) {
    my $ds = $self->find($name) or return 0;
    return $ds->{type} eq 'VOLUME' && !$self->is_locked($name) ? 1 : 0;
}

# Puts a dataset into the tables; no rule is asked.
sub add_dataset ($self, $name, %field) {
    my $ds = {
        name  => $name, guid => $self->new_guid, txg => $self->next_txg, creation => time,
        props => {},    user => {}, ref => 57344, written => 0, %field,
    };
    $self->{store}->put('dataset', $name, $ds);
    $self->{property_changes}++ if $ds->{type} eq 'FILESYSTEM';
    my $parent = $self->parent_of($name);
    $self->{child}{$parent}{$name} = 1 if defined $parent;
    $self->{encrypted}++                       if $ds->{encryption};
    $self->{clone}{ $ds->{origin} }{$name} = 1 if defined $ds->{origin};
    $self->recount($name);
    return $ds;
}

sub remove_dataset ($self, $name) {
    my $ds = $self->{store}->remove('dataset', $name);
    $self->{property_changes}++ if $ds->{type} eq 'FILESYSTEM';
    my $parent = $self->parent_of($name);
    delete $self->{child}{$parent}{$name} if defined $parent;
    delete $self->{child}{$name};
    $self->_forget_clone($ds->{origin}, $name) if defined $ds->{origin};
    $self->uncount($name);
    $self->{backing}->drop($ds) if $self->{backing} && $ds->{type} eq 'VOLUME';
    return $ds;
}

sub _forget_clone ($self, $origin, $name) {
    delete $self->{clone}{$origin}{$name};
    return if %{ $self->{clone}{$origin} };
    delete $self->{clone}{$origin};
    my $snap = $self->{snapshot}{$origin};
    $self->remove_snapshot($origin) if $snap && $snap->{deferred} && !%{ $snap->{holds} };
    return;
}

# The dataset changed in memory: into the journal, and the sums above it.
sub changed ($self, $name) {
    $self->{store}->touch('dataset', $name);
    $self->recount($name);
    return;
}

# What the backing file really holds now; without real iSCSI nothing writes behind our back.
sub refresh ($self, $ds) {
    return unless $self->{backing} && $ds->{type} eq 'VOLUME' && !$ds->{virtual};
    my $bytes = 57344 + $self->{backing}->allocated($ds);
    return if $bytes == $ds->{ref};
    my $last = $self->last_snapshot($ds->{name});
    $ds->{written} = $last ? abs($bytes - $last->{ref}) : 0;
    $ds->{ref}     = $bytes;
    $self->changed($ds->{name});
    return;
}

1;
