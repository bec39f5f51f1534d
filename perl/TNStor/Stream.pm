# SPDX-License-Identifier: Apache-2.0
# The bytes of a volume between its device and a stream, exactly as many as were announced.
package TNStor::Stream;

use v5.36;

use IO::Handle;

my $CHUNK = 128 * 1024;
my $ZEROES = "\0" x $CHUNK;
my $SECTOR = 512;

# What is there, at most $want bytes; '' at the end. A signal whose handler does not die is no end.
my sub take ($from, $want, $what) {
    while (1) {
        my $got = sysread($from, my $buffer, $want < $CHUNK ? $want : $CHUNK);
        return $buffer if defined($got);
        die "cannot read $what: $!\n" if !$!{EINTR};
    }
}

my sub put ($to, $buffer, $what) {
    my $done = 0;
    while ($done < length($buffer)) {
        my $put = syswrite($to, $buffer, length($buffer) - $done, $done);
        die "cannot write $what: $!\n" if !defined($put) && !$!{EINTR};
        $done += $put // 0;
    }
    return;
}

# A pipe may give the header in pieces.
sub read_size ($from) {
    my $header = '';
    while (length($header) < 8) {
        my $more = take($from, 8 - length($header), 'the stream');
        die "the stream ends before it has told a size\n" if !length($more);
        $header .= $more;
    }
    my ($size) = unpack('Q<', $header) =~ m/\A(\d+)\z/; # untaint
    return int($size);
}

# From a device that is at least so large.
sub send_device ($path, $to, $size) {
    open(my $device, '<:raw', $path) or die "cannot open $path: $!\n";
    for (my $done = 0; $done < $size;) {
        my $buffer = take($device, $size - $done, $path);
        die "$path ends after $done of $size bytes\n" if !length($buffer);
        put($to, $buffer, 'the stream');
        $done += length($buffer);
    }
    return;
}

# Onto a device that reads as zeroes: what is zero stays unwritten, so that a thin volume stays thin.
sub receive_device ($from, $path, $size) {
    open(my $device, '+<:raw', $path) or die "cannot open $path: $!\n";
    my $done = 0;
    while ($done < $size && length(my $buffer = take($from, $size - $done, 'the stream'))) {
        if ($buffer ne substr($ZEROES, 0, length($buffer))) {
            defined(sysseek($device, $done, 0)) or die "cannot seek on $path: $!\n";
            put($device, $buffer, $path);
        }
        $done += length($buffer);
    }
    # other storages announce an image with a broken last sector as QEMU sees it, rounded up
    die "the stream ends after $done of the $size bytes that it announced\n" if $size - $done >= $SECTOR;
    die "the stream goes on after the $size bytes that it announced\n" if length(take($from, 1, 'the stream'));
    $device->sync() or die "cannot write $path: $!\n";
    close($device) or die "cannot write $path: $!\n";
    return;
}

1;
