#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# pvesm export and import: every byte, the size that was announced, and nothing left of what was cut short.

use v5.36;
no warnings qw(once);

use POSIX ();
use Test::More;
use Time::HiRes qw(ualarm);
use lib 't/perl/lib';
use TNSTest;
use TNSKernel;

my $plugin = plugin();
my $sim = start_sim();
plug_in($sim);
my $cfg = new_storage($sim, tn_initiator => 'kernel', content => 'images,rootdir');
my $scfg = $cfg->{ids}->{nas};
my $MIB = 1024 * 1024;

my sub t ($value) { return tainted_copy($value) }

my sub volids () { return [map { $_->{volid} } PVE::Storage::vdisk_list($cfg, 'nas')->{nas}->@*] }

my sub zvols () { return [sort map { $_->{name} } grep { $_->{type} eq 'VOLUME' } $sim->world()->{dataset}->@*] }

# What a volume of the storage holds.
my sub content ($volid) {
    PVE::Storage::activate_volumes($cfg, [$volid]);
    my $bytes = device_read($cfg, scalar PVE::Storage::path($cfg, $volid));
    PVE::Storage::deactivate_volumes($cfg, [$volid]);
    return $bytes;
}

# Runs the code with the writing end of a pipe; gives what came out of the other one.
my sub exported (@how) {
    pipe(my $from, my $to) or die "pipe: $!\n";
    my $pid = fork() // die "cannot fork: $!\n";
    if (!$pid) {
        close($from);
        my $right = eval { PVE::Storage::volume_export($cfg, $to, @how); 1 };
        print STDERR $@ if !$right;
        close($to);
        POSIX::_exit($right ? 0 : 1);
    }
    close($to);
    local $/ = undef;
    my $stream = readline($from) // '';
    waitpid($pid, 0);
    die "export failed\n" if $?;
    return $stream;
}

# Imports a stream that comes in pieces; under -T, what is read from a pipe is tainted.
my sub import_of ($volid, $allow_rename, @pieces) {
    pipe(my $from, my $to) or die "pipe: $!\n";
    my $pid = fork() // die "cannot fork: $!\n";
    if (!$pid) {
        close($from);
        local $SIG{PIPE} = 'IGNORE';
        syswrite($to, $_) for @pieces;
        close($to);
        POSIX::_exit(0);
    }
    close($to);
    my $new = eval { PVE::Storage::volume_import($cfg, $from, t($volid), t('raw+size'), undef, undef, 0, $allow_rename) };
    my $error = $@;
    close($from);
    waitpid($pid, 0);
    die $error if $error;
    return $new;
}

my sub header ($size) { return pack('Q<', $size) }

# Pieces as a pipe takes them whole.
my sub pieces ($bytes) { return unpack('(a4096)*', $bytes) }

my $data = join('', "\1" x 65536, "\0" x (3 * $MIB), "\2" x 512, "\0" x ($MIB - 66048));
my $source = PVE::Storage::vdisk_alloc($cfg, 'nas', 100, 'raw', undef, 4096);
PVE::Storage::activate_volumes($cfg, [$source]);
device_write($cfg, scalar PVE::Storage::path($cfg, $source), 0, $data);
PVE::Storage::deactivate_volumes($cfg, [$source]);
my $stream = header(4 * $MIB) . $data;

subtest 'raw with its size is the one format, without snapshots' => sub {
    for my $formats (\&PVE::Storage::volume_export_formats, \&PVE::Storage::volume_import_formats) {
        is_deeply([&$formats($cfg, $source, undef, undef, 0)], ['raw+size'], 'a volume');
        is_deeply([&$formats($cfg, $source, 's1', undef, 0)], ['raw+size'], 'one snapshot of it');
        is_deeply([&$formats($cfg, $source, 's1', 's0', 0)], [], 'what lies between two');
        is_deeply([&$formats($cfg, $source, 's1', undef, 1)], [], 'with all its snapshots');
    }
    for my $wrong (['qcow2+size', undef, undef, 0], ['raw+size', 's1', 's0', 0], ['raw+size', 's1', undef, 1]) {
        my $error = error_of(sub { PVE::Storage::volume_export($cfg, \*STDERR, $source, @$wrong) });
        like($error, qr/\Astorage 'nas': [^\n]*only raw\+size[^\n]*\n\z/, 'another one is refused');
    }
    my $of_qemu = { %$scfg, tn_initiator => 'qemu' };
    is_deeply([$plugin->volume_export_formats($of_qemu, 'nas', 'vm-100-disk-0', undef, undef, 0)], [], 'none with tn_initiator qemu');
};

subtest 'an export is the size and the bytes' => sub {
    ok(exported($source, 'raw+size', undef, undef, 0) eq $stream, 'all of them');
};

subtest 'an import is the same volume again, as thin as it was' => sub {
    my $new = import_of('nas:vm-200-disk-0', 0, pieces($stream));
    is($new, 'nas:vm-200-disk-0', 'under the name asked for');
    ok(content($new) eq $data, 'every byte');
    is(device_of($cfg, '/dev/tnstor/nas/vm-200-disk-0'), undef, 'not left mapped');
    my ($zvol) = grep { $_->{name} eq 'tank/vm/vm-200-disk-0' } $sim->world()->{dataset}->@*;
    cmp_ok($zvol->{written}, '<', $MIB, 'zeroes were not written');
};

subtest 'a header that arrives byte by byte is a header' => sub {
    my $new = import_of('nas:vm-201-disk-0', 0, split(//, header($MIB)), pieces("\3" x $MIB));
    ok(content($new) eq "\3" x $MIB, 'every byte');
};

subtest 'a snapshot is exported as it was, also when the volume has grown since' => sub {
    PVE::Storage::volume_snapshot($cfg, $source, 's1');
    PVE::Storage::volume_resize($cfg, $source, 8 * $MIB, 0);
    PVE::Storage::activate_volumes($cfg, [$source]);
    device_write($cfg, scalar PVE::Storage::path($cfg, $source), 0, "\7" x $MIB);
    PVE::Storage::deactivate_volumes($cfg, [$source]);
    my $before = zvols();
    ok(exported($source, 'raw+size', 's1', undef, 0) eq $stream, 'size and bytes of then');
    is_deeply(zvols(), $before, 'what it was read through is gone');
    is(length(exported($source, 'raw+size', undef, undef, 0)), 8 * $MIB + 8, 'the volume itself is longer');
    like(error_of(sub { PVE::Storage::volume_export($cfg, \*STDERR, $source, 'raw+size', 's9', undef, 0) }),
        qr/\Astorage 'nas': [^\n]*s9[^\n]*\n\z/, 'one that is not there');
};

subtest 'a name that is taken: refused, or another one where that is allowed' => sub {
    my $before = volids();
    like(error_of(sub { import_of('nas:vm-200-disk-0', 0, pieces($stream)) }), qr/\Astorage 'nas': [^\n]*vm-200-disk-0[^\n]*\n\z/, 'refused');
    is_deeply(volids(), $before, 'nothing was made');
    ok(content('nas:vm-200-disk-0') eq $data, 'nor was the other one written to');
    my @warnings;
    local $SIG{__WARN__} = sub ($line) { push @warnings, $line };
    my $new = import_of('nas:vm-200-disk-0', 1, pieces($stream));
    is($new, 'nas:vm-200-disk-1', 'the next free name');
    ok(content($new) eq $data, 'every byte');
    is_deeply(\@warnings, ["volume nas:vm-200-disk-0 exists already, importing under another name\n"], 'one is told');
};

subtest 'a name is taken by a linked clone, too' => sub {
    my $base = PVE::Storage::vdisk_create_base($cfg, PVE::Storage::vdisk_alloc($cfg, 'nas', 210, 'raw', undef, 1024));
    my $clone = PVE::Storage::vdisk_clone($cfg, $base, 211);
    like($clone, qr!/vm-211-disk-0\z!, 'it has its template in front');
    local $SIG{__WARN__} = sub ($line) { };
    my $new = import_of('nas:vm-211-disk-0', 1, pieces($stream));
    is($new, 'nas:vm-211-disk-1', 'the next free name');
    PVE::Storage::vdisk_free($cfg, $_) for $new, $clone, $base;
};

subtest 'with another name allowed, a failure of another kind is no reason for a second attempt' => sub {
    my $before = volids();
    my $costs = $sim->calls_of(sub {
        $sim->fault(match => 'pool.dataset.create', do => 'fail', count => 10);
        ok(error_of(sub { import_of('nas:vm-202-disk-0', 1, pieces($stream)) }), 'it fails');
    });
    $sim->reset();
    is($costs->{'pool.dataset.create'}, 1, 'after one attempt');
    is_deeply(volids(), $before, 'nothing was made');
};

subtest 'a stream that is not what its header says leaves nothing behind' => sub {
    my $before = volids();
    my $zvols = zvols();
    my %wrong = (
        'no header at all' => [[], qr/before it has told a size/],
        'half a header' => [['abcd'], qr/before it has told a size/],
        'nothing after the header' => [[header($MIB)], qr/ends after 0 of the 1048576 bytes/],
        'too short' => [[pieces(substr($stream, 0, $MIB))], qr/ends after \d+ of the 4194304 bytes/],
        'a sector too short' => [[header($MIB), pieces('x' x ($MIB - 512))], qr/ends after 1048064 of/],
        'too long' => [[header($MIB), pieces($data)], qr/goes on after the 1048576 bytes/],
        'a size of nothing' => [[header(0)], qr/0 bytes/],
        'a size beyond all pools' => [[header(2**62)], qr/\S/],
        'the largest of all numbers' => [["\xff" x 8], qr/\S/],
    );
    for my $what (sort keys %wrong) {
        my ($pieces, $pattern) = $wrong{$what}->@*;
        my $error = error_of(sub { import_of('nas:vm-203-disk-0', 0, @$pieces) }) // 'imported';
        like($error, qr/\Astorage 'nas': [^\n]+\n\z/, "$what: one line");
        like($error, $pattern, "$what: the reason");
    }
    is_deeply(volids(), $before, 'no volume');
    is_deeply(zvols(), $zvols, 'no zvol');
};

subtest 'an image whose last sector is broken off is taken, as QEMU takes it' => sub {
    my $new = import_of('nas:vm-204-disk-0', 0, header(1024), 'y' x 700);
    ok(content($new) eq 'y' x 700 . "\0" x 324, 'zeroes for the rest');
};

subtest 'a signal in the middle leaves nothing behind' => sub {
    my $before = zvols();
    pipe(my $from, my $to) or die "pipe: $!\n";
    syswrite($to, header($MIB) . 'z' x 4096);
    my $error = error_of(sub {
        local $SIG{ALRM} = sub ($name) { die "stop\n" };
        no warnings qw(redefine);
        my $receive = \&TNStor::Stream::receive_device;
        local *TNStor::Stream::receive_device = sub (@args) { ualarm(200_000); $receive->(@args) };
        PVE::Storage::volume_import($cfg, $from, 'nas:vm-205-disk-0', 'raw+size', undef, undef, 0, 0);
    });
    ualarm(0);
    like($error, qr/stop\n\z/, 'it ended it');
    is_deeply(zvols(), $before, 'no zvol');
};

subtest 'a reader that goes away ends the export with one line' => sub {
    local $SIG{PIPE} = 'IGNORE';
    pipe(my $from, my $to) or die "pipe: $!\n";
    close($from);
    like(error_of(sub { PVE::Storage::volume_export($cfg, $to, $source, 'raw+size', undef, undef, 0) }),
        qr/\Astorage 'nas': export of 'vm-100-disk-0': [^\n]+\n\z/, 'told');
};

subtest 'a volume that a guest has open stays mapped through its export' => sub {
    PVE::Storage::activate_volumes($cfg, [$source]);
    exported($source, 'raw+size', undef, undef, 0);
    ok(defined(device_of($cfg, '/dev/tnstor/nas/vm-100-disk-0')), 'there');
    PVE::Storage::deactivate_volumes($cfg, [$source]);
};

done_testing();
