# SPDX-License-Identifier: Apache-2.0
# Stand-in for the cluster file system, for real modules of PVE::Storage outside a node.
package PVE::Cluster;

use v5.36;

use Exporter qw(import);
use Fcntl qw(:flock);

our @EXPORT_OK = qw(cfs_register_file cfs_read_file cfs_write_file cfs_lock_file);
our $LOCK_DIR = '/tmp';
our %files; # name => parsed content

sub cfs_register_file { return }
sub cfs_read_file ($name) { return $files{$name} // { ids => {}, order => {} } }
sub cfs_write_file ($name, $content, @) { $files{$name} = $content; return }
sub cfs_update { return }
sub check_cfs_quorum { return 1 }
sub get_vmlist { return { ids => {} } }
sub get_nodelist { return ['localhost'] }

sub cfs_lock_file ($name, $timeout, $code, @param) { return $code->(@param) }

sub cfs_lock_storage ($storeid, $timeout, $code, @param) {
    open(my $fh, '>', "$LOCK_DIR/cfs-storage-$storeid.lock") or die "can't open lock: $!\n";
    flock($fh, LOCK_EX);
    return $code->(@param);
}

1;
