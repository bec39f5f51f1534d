# SPDX-License-Identifier: Apache-2.0
# For tests: the kernel's part of a storage with tn_initiator kernel, where there is no such kernel. The library
# maps with its other initiator, so that the NAS is asked and the LUN is proven over the wire; what then stands
# below the node's /dev/tnstor is a link to the file whose bytes the target shows.
package TNSKernel;

use v5.36;
no warnings qw(once redefine);

use Scalar::Util qw(refaddr);

use Exporter qw(import);
our @EXPORT = qw(plug_in device_of device_read device_write device_copy);

my $sim;  # whose storages these are
my %more; # address of a handle => what the stand-in needs to know of it

# From now on every storage of this NAS with tn_initiator kernel has devices.
sub plug_in ($nas) {
    $sim = $nas;
    require TNStor::Handles;
    TNStor::Handles::load_library(); # which would define what is replaced here
    my $open = \&TNStor::Storage::open;
    *TNStor::Storage::open = sub ($class, $options, @hooks) {
        my $storage = $open->($class, $options, @hooks);
        return $storage if ($options->{tn_initiator} // 'kernel') ne 'kernel';
        my $mapper = $open->($class, { %$options, tn_initiator => 'qemu' }, @hooks);
        bless($mapper, 'TNSKernel::Storage');
        $more{ refaddr($mapper) } = { %$options, paths => $storage };
        return $mapper;
    };
    return;
}

# The file that the target shows at this LUN.
my sub backing_file ($url) {
    my ($iqn, $address) = $url =~ m{\Aiscsi://[^/]+/([^/]+)/(\d+)\z} or die "'$url' is no iscsi URL\n";
    my $world = $sim->world();
    my $lun = $address & 0x3fff;
    my ($shown) = grep { $_->{iqn} eq $iqn && $_->{lun} == $lun } $world->{exported}->@*;
    my ($extent) = grep { ($_->{naa} // '') =~ m/\Q$shown->{naa}\E\z/ } $world->{extent}->@*;
    my ($disk) = $extent->{disk} =~ m{\Azvol/(.+)\z};
    my ($zvol) = grep { $_->{name} eq $disk } $world->{dataset}->@*;
    return "$sim->{dir}/data/$1.img" if $zvol->{guid} =~ m/\A(\d+)\z/;
    die "no bytes behind $url\n";
}

package TNSKernel::Storage {
    our @ISA = ('TNStor::Storage');

    use Scalar::Util qw(refaddr);

    my sub more ($self) { return $more{ refaddr($self) } }

    my sub links ($self) {
        my $at = more($self);
        return "$at->{tn_sysroot}/dev/tnstor/$at->{storeid}";
    }

    # A device is there while the library knows of it.
    my sub sweep ($self) {
        my $at = more($self);
        for my $link (glob(links($self) . '/*')) {
            my ($name) = $link =~ m{([^/]+)\z};
            next if -e "$at->{tn_sysroot}$at->{tn_run_dir}/qemu/$at->{storeid}/$name.json";
            unlink($1) if $link =~ m/\A(.*)\z/s;
        }
        return;
    }

    sub volume_path ($self, @args) { return more($self)->{paths}->volume_path(@args) }

    sub volume_map ($self, @args) {
        my $mapped = $self->SUPER::volume_map(@args);
        my ($dir) = links($self) =~ m/\A(.*)\z/s;
        File::Path::make_path($dir);
        my ($link) = (more($self)->{tn_sysroot} . $mapped->{path}) =~ m/\A(.*)\z/s;
        unlink($link);
        symlink(backing_file($mapped->{device}), $link) or die "cannot link $link: $!\n";
        return $mapped;
    }

    for my $method (qw(volume_unmap volume_free volume_rename volume_create_base rollback)) {
        no strict qw(refs);
        *$method = sub ($self, @args) {
            my $call = "SUPER::$method";
            my @result = $self->$call(@args);
            sweep($self);
            return wantarray ? @result : $result[0];
        };
    }

    sub DESTROY ($self) { delete $more{ refaddr($self) } }
}

# ---- what a guest does with a device -----------------------------------------------------

# The device behind a path; undef while there is none.
sub device_of ($cfg, $path) {
    my ($device) = "$cfg->{dir}/root$path" =~ m/\A(.*)\z/s;
    return -e $device ? $device : undef;
}

my sub open_device ($mode, $cfg, $path) {
    my $device = device_of($cfg, $path) // die "$path is not there\n";
    open(my $fh, $mode, $device) or die "cannot open $path: $!\n";
    return $fh;
}

sub device_write ($cfg, $path, $offset, $bytes) {
    my $fh = open_device('+<:raw', $cfg, $path);
    sysseek($fh, $offset, 0) // die "cannot seek: $!\n";
    syswrite($fh, $bytes) == length($bytes) or die "cannot write $path: $!\n";
    return;
}

sub device_read ($cfg, $path) {
    my $fh = open_device('<:raw', $cfg, $path);
    local $/ = undef;
    return readline($fh) // '';
}

# A full clone as qemu-img makes one: zeroes are skipped where the storage says that they are there already.
sub device_copy ($cfg, $from, $to, $target_reads_as_zeroes) {
    my $bytes = device_read($cfg, $from);
    for (my $at = 0; $at < length($bytes); $at += 65536) {
        my $block = substr($bytes, $at, 65536);
        device_write($cfg, $to, $at, $block) if !$target_reads_as_zeroes || $block =~ m/[^\0]/;
    }
    return;
}

1;
