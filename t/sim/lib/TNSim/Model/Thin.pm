# SPDX-License-Identifier: Apache-2.0
# The bytes of volumes and snapshots as thin volumes of the kernel, so that a volume that is shown
# can be rolled back, and its snapshots cost nothing.
package TNSim::Model::Thin;
use v5.36;
use File::Path         qw(make_path);
use TNSim::Model::Node qw(run get put);

my $POOL       = 'tnsim-pool';
my $DATA_BYTES = 8 * 1024**3;    # sparse, as the metadata are
my $META_BYTES = 16 * 1024**2;
my $SECTOR     = 512;
my $LOOK_AGAIN = 1;              # seconds

# The pool outlives a tnsim that was killed, and the next one goes on with it.
sub new ($class, $dir) {
    make_path($dir, { mode => 0700 });
    my $self = bless { dir => $dir, id => {}, owner => $$ }, $class;
    $self->{node} = { map { /\A(tnsim-\S+)\s+\(\d+:(\d+)\)/ ? ($1 => "/dev/dm-$2") : () } split /\n/,
        run('dmsetup', 'ls') };
    $self->_start_pool unless $self->{node}{$POOL};
    for my $file (glob "$dir/*.thin") {
        my ($guid) = $file =~ m{/(\w+)\.thin\z};
        $self->{id}{$guid} = get($file) + 0;
    }
    ($self->{last}) = sort { $b <=> $a } 0, values %{ $self->{id} };
    return $self;
}

# udev has no business with the disks inside the NAS: it neither looks at them nor names them.
sub _dm (@argv) { return run('dmsetup', '--noudevrules', '--noudevsync', @argv) }

sub _create_node ($self, $name, $table) {
    _dm('create', $name, '--table', $table);
    my ($minor) = _dm('info', '-c', '--noheadings', '-o', 'minor', $name) =~ /(\d+)/;
    return $self->{node}{$name} = "/dev/dm-$minor";
}

sub _remove_node ($self, $name) {
    _dm('remove', '--retry', $name) if delete $self->{node}{$name};
    return;
}

sub _start_pool ($self) {
    my @loop;
    for my $part (['meta', $META_BYTES], ['data', $DATA_BYTES]) {
        my $file = "$self->{dir}/$part->[0]";
        if (!-e $file) {
            put($file, '');
            truncate $file, $part->[1] or die "cannot size $file: $!\n";
        }
        push @loop, run('losetup', '--find', '--show', $file) =~ s/\s+\z//r;
    }
    my $sectors = $DATA_BYTES / $SECTOR;
    $self->_create_node($POOL, "0 $sectors thin-pool @loop 128 0 1 error_if_no_space");
    return;
}

sub _message ($text) { _dm('message', $POOL, 0, $text); return }

sub _name ($object) { return "tnsim-$object->{guid}" }

sub _table ($self, $object, $bytes) {
    my $sectors = $bytes / $SECTOR;
    return "0 $sectors thin $self->{node}{$POOL} $self->{id}{ $object->{guid} }";
}

sub _remember ($self, $object, $id) {
    $self->{id}{ $object->{guid} } = $id;
    put("$self->{dir}/$object->{guid}.thin", $id);
    return;
}

# The device of a volume; after a restart it is made when it is needed.
sub path ($self, $ds) {
    my $name = _name($ds);
    return $self->{node}{$name}
        // $self->_create_node($name, $self->_table($ds, $ds->{volsize}));
}

sub create ($self, $ds) {
    return if $ds->{virtual};
    my $id = ++$self->{last};
    _message("create_thin $id");
    $self->_remember($ds, $id);
    return;
}

# A volume in use holds still while it is taken.
sub _snap ($self, $from, $to) {
    my $source = $self->{id}{ $from->{guid} } // return;
    my $id     = ++$self->{last};
    my $name   = _name($from);
    my $active = $self->{node}{$name};
    _dm('suspend', $name) if $active;
    my $done = eval { _message("create_snap $id $source"); 1 };
    my $why  = $@;
    _dm('resume', $name) if $active;
    die $why unless $done;
    return $id;
}

sub snapshot ($self, $ds, $snap) {
    my $id = $self->_snap($ds, $snap) // return;
    $self->_remember($snap, $id);
    return;
}

sub clone ($self, $snap, $clone) { return $self->snapshot($snap, $clone) }

# The volume gets a copy of the snapshot, below whoever has it open.
sub rollback ($self, $ds, $snap) {
    my $id  = $self->_snap($snap, $ds) // return;
    my $old = $self->{id}{ $ds->{guid} };
    $self->_remember($ds, $id);
    $self->_reload($ds, $snap->{volsize});
    _message("delete $old");
    return;
}

sub _reload ($self, $ds, $bytes) {
    my $name = _name($ds);
    return unless $self->{node}{$name};
    _dm('reload', $name, '--table', $self->_table($ds, $bytes));
    _dm('resume', $name);    # suspends by itself
    return;
}

sub resize ($self, $ds) {
    $self->_reload($ds, $ds->{volsize}) if $self->{id}{ $ds->{guid} };
    return;
}

sub drop ($self, $object) {
    my $id   = delete $self->{id}{ $object->{guid} } // return;
    my $name = _name($object);
    $self->_remove_node($name);
    _message("delete $id");
    unlink "$self->{dir}/$object->{guid}.thin";
    return;
}

# Bytes in the pool, as a volume's own use of it. A list of volumes asks for many at once: what one look at
# all of them told is good for a moment.
sub allocated ($self, $ds) {
    my $name = _name($ds);
    return 0 unless $self->{node}{$name};
    @$self{qw(used looked)} = (_used(), time) if ($self->{looked} // 0) + $LOOK_AGAIN <= time;
    return ($self->{used}{$name} // 0) * $SECTOR;
}

# name => sectors
sub _used () {
    return { map { /\A(\S+): 0 \d+ thin (\d+)/ ? ($1 => $2) : () } split /\n/, _dm('status', '--target', 'thin') };
}

sub size ($self, $ds) {
    open my $fh, '<', $self->path($ds) or return 0;
    return sysseek $fh, 0, 2;
}

# Nothing stays in the kernel; the files keep the bytes.
sub stop ($self) {
    return unless $self->{owner} == $$;
    $self->_remove_node($_) for (grep { $_ ne $POOL } keys %{ $self->{node} }), $POOL;
    for my $part (qw(meta data)) {
        my ($loop) = run('losetup', '--associated', "$self->{dir}/$part") =~ /\A([^:]+):/ or next;
        run('losetup', '--detach', $loop);
    }
    return;
}

1;
