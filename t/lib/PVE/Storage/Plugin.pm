# SPDX-License-Identifier: Apache-2.0
# Stand-in for the base class of storage plugins: what a block storage inherits.
package PVE::Storage::Plugin;

use v5.36;

use Fcntl qw(:flock);
use PVE::SectionConfig;

use base qw(PVE::SectionConfig);

our @SHARED_STORAGE = ('iscsi', 'nfs', 'cifs', 'rbd', 'cephfs', 'iscsidirect', 'zfs', 'pbs');
our $LOCK_DIR = '/tmp';

my $text = { type => 'string' };
my $boolean = { type => 'boolean' };
my $base = {
    type => $text, storage => $text, nodes => $text, content => $text, disable => $boolean,
    options => $text, port => { type => 'integer' }, shared => $boolean, subdir => $text,
    format => $text, preallocation => $text, 'max-protected-backups' => { type => 'integer' },
    'prune-backups' => $text, 'content-dirs' => $text, 'snapshot-as-volume-chain' => $boolean,
    # of other plugins: a clash with one of these would stop all of PVE::Storage
    map { $_ => $text }
        qw(bwlimit path export server domain password share smbversion portal target base saferemove
        vgname thinpool blocksize mountpoint sparse pool username keyring krbd monhost namespace fuse
        datastore fingerprint nocow mkdir is_mountpoint iscsiprovider),
};

sub base_properties ($class) { return $base }

sub decode_value ($class, $type, $name, $value) {
    return $value if $name ne 'content' && $name ne 'nodes';
    return { map { $_ => 1 } split(/[,;\s]+/, $value) };
}

sub api { return 15 }
sub plugindata { return {} }
sub properties { return {} }
sub options { return {} }

sub on_add_hook { return }
sub on_update_hook { return }

sub on_update_hook_full {
    my ($class, $storeid, $scfg, $update, $delete, $sensitive) = @_;
    return $class->on_update_hook($storeid, $update, %$sensitive);
}

sub on_delete_hook { return }

sub cluster_lock_storage {
    my ($class, $storeid, $shared, $timeout, $func, @param) = @_;

    open(my $fh, '>', "$LOCK_DIR/pve-storage-$storeid.lock") or die "can't open lock: $!\n";
    my $got = eval {
        local $SIG{ALRM} = sub { die "can't lock storage '$storeid' - got timeout\n" };
        alarm($timeout // 10);
        flock($fh, LOCK_EX);
        alarm(0);
        1;
    };
    die $@ if !$got;
    return $func->(@param);
}

sub find_free_diskname {
    my ($class, $storeid, $scfg, $vmid, $fmt, $add_fmt_suffix) = @_;
    my %taken = map { $_->{volid} =~ s/\A.*[:\/]//r => 1 }
        $class->list_images($storeid, $scfg, $vmid, undef, {})->@*;
    for my $n (0 .. 1023) {
        return "vm-$vmid-disk-$n" if !$taken{"vm-$vmid-disk-$n"} && !$taken{"base-$vmid-disk-$n"};
    }
    die "unable to allocate an image name for VM $vmid in storage '$storeid'\n";
}

sub list_volumes {
    my ($class, $storeid, $scfg, $vmid, $content_types) = @_;
    my $images = $class->list_images($storeid, $scfg, $vmid, undef, {});
    return [map { { %$_, content => 'images' } } @$images];
}

sub path { die "not implemented\n" }

sub write_common_header ($fh, $size) {
    (syswrite($fh, pack('Q<', $size), 8) // 0) == 8 or die "write error: $!\n";
    return;
}

sub read_common_header ($fh) {
    my $got = sysread($fh, my $header, 8);
    die "short read\n" if ($got // 0) != 8;
    return unpack('Q<', $header);
}

1;
