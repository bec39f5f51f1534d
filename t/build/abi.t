#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The library as others get it: header, exported symbols, hardening, installed files.
use v5.36;

use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use Test::More;

my $top   = abs_path(__FILE__ =~ s{/?[^/]+\z}{}r . '/../..');
my $build = $ENV{TNS_BUILD} // "$top/build";
my $so    = "$build/libtnstor.so.0";
my $dir   = tempdir(CLEANUP => 1);

chdir $top or die "cannot enter $top: $!\n";
plan skip_all => "$so is not built" if !-f $so;

# Standard output of a command, or undef with its error output shown.
sub output (@cmd) {
    my $pid = open(my $fh, '-|') // die "cannot fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die;
        exec { $cmd[0] } @cmd or die "cannot run $cmd[0]: $!\n";
    }
    local $/ = undef;
    my $text = readline($fh) // '';
    return $text if close $fh;
    diag("@cmd: $text");
    return;
}

sub write_file ($path, $text) {
    open my $fh, '>', $path or die "cannot write $path: $!\n";
    print {$fh} $text;
    close $fh or die "cannot write $path: $!\n";
    return $path;
}

subtest 'the public header compiles alone' => sub {
    my $c   = write_file("$dir/alone.c",  qq(#include "tnstor.h"\n#include "tnstor.h"\n));
    my $cpp = write_file("$dir/alone.cc", qq(#include "tnstor.h"\n#include "tnstor.h"\n));
    my @opt = qw(-Wall -Wextra -Wpedantic -Wundef -Wstrict-prototypes -Werror -fsyntax-only -Ilib/include);

    ok(defined output('gcc', '-std=c11', @opt, $c), 'as C11');
    ok(defined output('g++', '-std=c++17', grep({ $_ ne '-Wstrict-prototypes' } @opt), $cpp), 'as C++17');
};

subtest 'exported symbols, version script and header name the same functions' => sub {
    my @exported = sort map { /^[0-9a-f]+ [A-Z] (\w+)@@[\w.]+$/ ? $1 : () } split /\n/,
        output('nm', '-D', '--defined-only', '--with-symbol-versions', $so) // '';
    my @declared = split /\n/, output('.ci/symbols', '--list') // '';

    cmp_ok(scalar @declared, '>', 2, 'the header declares functions');
    is_deeply(\@exported, \@declared, 'exported are those that the header declares');
    is_deeply([grep { !/^tns_[a-z]/ } @exported], [], 'all begin with tns_');
    ok(defined output('.ci/symbols', '--check'), 'lib/libtnstor.map is up to date');
};

subtest 'the shared object is hardened and needs only what it names' => sub {
    my $dynamic  = output('readelf', '-dW', $so) // '';
    my $segments = output('readelf', '-lW', $so) // '';

    like($dynamic, qr/SONAME.*\[libtnstor\.so\.0\]/, 'soname');
    like($dynamic, qr/\bBIND_NOW\b|FLAGS_1.*\bNOW\b/, 'no lazy binding');
    like($segments, qr/^\s*GNU_RELRO\b/m, 'relocations are read-only');
    like($segments, qr/^\s*GNU_STACK\s.*\sRW\s/m, 'the stack is not executable');
    unlike($dynamic, qr/\b(?:RPATH|RUNPATH|TEXTREL)\b/, 'no search path and no text relocations');
    my @foreign = grep { !/^lib(?:c|m|jansson|websockets|ssl|crypto|iscsi|pthread)\.so/ }
        $dynamic =~ /\(NEEDED\).*\[(\S+)\]/g;
    is_deeply(\@foreign, [], 'nothing else is needed');
};

subtest 'what is installed is enough to build and run a program' => sub {
    my $root = "$dir/root";
    delete local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
    my $make = output('make', '-s', '--no-print-directory', "O=$build", "DESTDIR=$root", 'PREFIX=/usr',
        'LIBDIR=/usr/lib/tns', 'install');

    ok(defined $make, 'make install') or return;
    local $ENV{PKG_CONFIG_PATH}        = "$root/usr/lib/tns/pkgconfig";
    local $ENV{PKG_CONFIG_SYSROOT_DIR} = $root;
    my $flags = output('pkg-config', '--cflags', '--libs', 'libtnstor') // '';
    my $c     = write_file("$dir/prog.c", <<'C');
#include <stdio.h>
#include <tnstor.h>
int main(void)
{
    return puts(tns_version_string()) < 0;
}
C
    ok(defined output('gcc', $c, '-o', "$dir/prog", split ' ', $flags), 'pkg-config knows the flags');
    local $ENV{LD_LIBRARY_PATH} = "$root/usr/lib/tns";
    my $version = output('pkg-config', '--modversion', 'libtnstor');
    is(output("$dir/prog"), $version, 'and the version is one');

    my $writable = output('find', $root, qw(-type f -perm /022));
    is($writable, '', 'nothing is writable by others');
};

done_testing();
