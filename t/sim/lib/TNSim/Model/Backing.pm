# SPDX-License-Identifier: Apache-2.0
# The bytes of volumes and snapshots: sparse files named by guid, so that a rename moves nothing.
package TNSim::Model::Backing;
use v5.36;
use File::Path qw(make_path);

sub new ($class, $dir) {
    make_path($dir, { mode => 0700 });
    return bless { dir => $dir }, $class;
}

sub path ($self, $object) { return "$self->{dir}/$object->{guid}.img" }

sub _exists ($self, $object) { return -e $self->path($object) }

sub create ($self, $ds) {
    return if $ds->{virtual};
    my $path = $self->path($ds);
    open my $fh, '>:raw', $path or die "cannot create $path: $!\n";
    truncate $fh, $ds->{volsize} or die "cannot size $path: $!\n";
    return;
}

# A copy that keeps holes; onto an existing file it keeps that file's inode, so that a target
# which has it open reads the new bytes.
sub _copy ($self, $from, $to) {
    my ($source, $dest) = ($self->path($from), $self->path($to));
    return unless -e $source;
    system {'cp'} 'cp', '--sparse=always', '--reflink=auto', '--', $source, $dest;
    die "cp of $source failed\n" if $?;
    return;
}

sub snapshot ($self, $ds, $snap)    { return $self->_copy($ds,   $snap) }
sub clone    ($self, $snap, $clone) { return $self->_copy($snap, $clone) }
sub rollback ($self, $ds, $snap)    { return $self->_copy($snap, $ds) }

sub resize ($self, $ds) {
    return unless $self->_exists($ds);
    my $path = $self->path($ds);
    truncate $path, $ds->{volsize} or die "cannot size $path: $!\n";
    return;
}

sub drop ($self, $object) {
    unlink $self->path($object);
    return;
}

# Bytes on disk, as a volume's own use of the pool.
sub allocated ($self, $ds) {
    my @stat = stat $self->path($ds);
    return @stat ? ($stat[12] // 0) * 512 : 0;
}

sub stop ($self) { return }

1;
