# SPDX-License-Identifier: Apache-2.0
# Tables of JSON values kept in memory, with a journal on disk that survives kill -9.
package TNSim::Model::Store;
use v5.36;
use Cpanel::JSON::XS ();

# One commit is one line of the journal, written in one go: a line cut short by a crash belongs
# to a call that was never answered, and is left out. A base file and its journal carry the
# same generation number, so that a crash between writing the two leaves a consistent pair.

my $JSON       = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;
my $COMPACT_AT = 48 << 20;

sub new ($class, $dir = undef) {
    return bless { dir => $dir, table => {}, dirty => {}, generation => 0, size => 0 },
        $class;
}

sub table ($self, $name) { return $self->{table}{$name} //= {} }

# The value under this key was made, changed or removed: it belongs to the next commit.
sub touch ($self, $table, @keys) {
    $self->{dirty}{$table}{$_} = 1 for @keys;
    return;
}

sub put ($self, $table, $key, $value) {
    $self->table($table)->{$key} = $value;
    $self->touch($table, $key);
    return $value;
}

sub remove ($self, $table, $key) {
    $self->touch($table, $key);
    return delete $self->table($table)->{$key};
}

# The next number of a sequence; numbers are never given twice, as with autoincrement.
sub next_id ($self, $name) {
    my $id = ($self->table('sequence')->{$name} // 0) + 1;
    $self->put('sequence', $name, $id);
    return $id;
}

sub commit ($self) {
    my $dirty = $self->{dirty};
    return unless %$dirty;
    $self->{dirty} = {};
    return unless defined $self->{dir};
    my @change;
    for my $table (sort keys %$dirty) {
        my $rows = $self->table($table);
        push @change, [$table, $_, $rows->{$_}] for sort keys %{ $dirty->{$table} };
    }
    my $line = $JSON->encode(\@change) . "\n";
    syswrite($self->_journal, $line) == length $line
        or die "cannot write the journal: $!\n";
    $self->{size} += length $line;
    $self->compact if $self->{size} > $COMPACT_AT;
    return;
}

sub _journal_path ($self, $generation) { return "$self->{dir}/journal.$generation" }

sub _journal ($self) {
    return $self->{journal} //= do {
        my $path = $self->_journal_path($self->{generation});
        open my $fh, '>>:raw', $path or die "cannot open $path: $!\n";
        $fh;
    };
}

# Everything into one new base file, then an empty journal of the next generation.
sub compact ($self) {
    return unless defined $self->{dir};
    my $old  = $self->{generation};
    my $path = "$self->{dir}/base.json";
    my $base = { generation => $old + 1, table => $self->{table} };
    open my $fh, '>:raw', "$path.new" or die "cannot write $path.new: $!\n";
    print {$fh} $JSON->encode($base) or die "cannot write $path.new: $!\n";
    close $fh                        or die "cannot write $path.new: $!\n";
    rename "$path.new", $path or die "cannot rename $path.new: $!\n";
    close delete $self->{journal} if $self->{journal};
    $self->{generation} = $old + 1;
    $self->{size}       = 0;
    unlink $self->_journal_path($old);
    return;
}

# True when there was a state to load.
sub load ($self) {
    return 0 unless defined $self->{dir};
    my $path = "$self->{dir}/base.json";
    return 0 unless -e $path || -e $self->_journal_path(0);
    if (open my $fh, '<:raw', $path) {
        my $base = $JSON->decode(do { local $/; <$fh> });
        $self->{generation} = $base->{generation};
        $self->{table}      = $base->{table};
    }
    $self->_replay($self->_journal_path($self->{generation}));
    return 1;
}

sub _replay ($self, $path) {
    open my $fh, '<:raw', $path or return;
    my $good = 0;
    while (defined(my $line = <$fh>)) {
        last if substr($line, -1) ne "\n";
        my $changes = eval { $JSON->decode($line) } or last;
        for my $change (@$changes) {
            my ($table, $key, $value) = @$change;
            if (defined $value) { $self->table($table)->{$key} = $value }
            else                { delete $self->table($table)->{$key} }
        }
        $good += length $line;
    }
    close $fh;
    truncate $path, $good;
    $self->{size} = $good;
    return;
}

1;
