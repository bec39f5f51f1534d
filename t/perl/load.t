#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# PVE::Storage finds the plugin, of every version of its API, and loads whatever is broken about us: a node whose
# storage layer does not load can start no guest at all.

use v5.36;
no warnings qw(once);

use File::Path qw(make_path);
use Test::More;
use lib 't/perl/lib';
use TNSTest;

my $top = top();
my @pve = pve_lib();
my $is_real = join(':', @pve) ne "$top/t/lib";
my $PLUGIN = 'PVE::Storage::Custom::TrueNASPlugin';

# Text of a file, and a file of text.
my sub slurp ($file) {
    open(my $fh, '<', $file) or die "cannot read $file: $!\n";
    local $/ = undef;
    return readline($fh) =~ m/\A(.*)\z/s ? $1 : '';
}

my sub spew ($file, $text) {
    make_path($file =~ s{/[^/]+\z}{}r);
    open(my $fh, '>', $file) or die "cannot write $file: $!\n";
    print {$fh} $text;
    close($fh) or die "cannot write $file: $!\n";
    return;
}

# Real modules look for plugins in one directory of the system: here, in ours.
my sub loader_of_ours () {
    return () if !$is_real;
    my $dir = scratch();
    my ($storage) = grep { -f } map { "$_/PVE/Storage.pm" } @pve, @INC;
    spew("$dir/PVE/Storage.pm", slurp($storage) =~ s{/usr/share/perl5/(PVE/Storage/Custom)}{$top/perl/$1}gr);
    return $dir;
}

my @loader = loader_of_ours();

# Runs Perl with these directories before PVE's; gives what it printed, and what it complained of.
my sub perl_says ($code, @dirs) {
    my ($complaints) = scratch() . '/stderr';
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    if (!$pid) {
        open(STDERR, '>', $complaints) or die "cannot write: $!\n";
        exec($^X =~ m/\A(.*)\z/ ? $1 : '', '-T', (map { "-I$_" } @loader, @dirs, @pve), '-e', $code) or die "exec: $!\n";
    }
    local $/ = undef;
    my $said = readline($out) // '';
    close($out);
    return ($said, slurp($complaints), $?);
}

my @ours = ("$top/perl", build_dir() . '/xs');

subtest 'each version of the storage API loads the plugin, without a warning' => sub {
    my @versions = $is_real ? (undef) : (10 .. 15);
    for my $version (@versions) {
        local $ENV{TNS_TEST_APIVER} = $version if defined($version);
        my ($said, $complaints, $status) = perl_says(<<'CODE', @ours);
require PVE::Storage;
my $plugin = PVE::Storage::Plugin->lookup('truenasplugin');
print join(' ', $plugin, PVE::Storage::APIVER(), $plugin->api()), "\n";
CODE
        my $of_pve = (split(/ /, $said))[1] // '';
        is($said, "$PLUGIN $of_pve $of_pve\n", 'version ' . ($version // "$of_pve, real"));
        is($complaints, '', 'nothing is complained of');
        is($status, 0, 'loaded');
    }
};

# What must hold whatever is broken about the library.
my sub is_survived ($what, $pattern, @dirs) {
    my ($said, $complaints, $status) = perl_says(<<'CODE', @dirs);
require PVE::Storage;
my $text = "dir: local\n\tpath /var/lib/vz\n\ntruenasplugin: nas\n\tapi_host nas.example\n\tdataset tank/vm\n";
my $cfg = PVE::Storage::Plugin->parse_config('storage.cfg', $text);
print "section\n" if $cfg->{ids}->{nas}->{dataset} eq 'tank/vm';
my $plugin = PVE::Storage::Plugin->lookup('truenasplugin');
eval { $plugin->list_images('nas', $cfg->{ids}->{nas}, undef, undef, {}) };
print "use: $@";
eval { $plugin->parse_volname('vm-100-disk-0') };
print "name: $@";
my @status = eval { $plugin->status('nas', $cfg->{ids}->{nas}, {}) };
print $status[3] ? "active\n" : "inactive\n";
CODE
    is($status, 0, "$what: PVE::Storage loads");
    like($said, qr/\Asection\n/, "$what: the section stays");
    like($said, qr/^use: [^\n]*cannot be loaded: $pattern[^\n]*$/m, "$what: a use says what is wrong, in one line");
    like($said, qr/^name: [^\n]+$/m, "$what: so does a name");
    like($said, qr/^inactive\n\z/m, "$what: status is inactive");
    unlike($complaints, qr/Error loading storage plugin/, "$what: the plugin is there");
    return;
}

subtest 'without the bindings' => sub {
    is_survived('no TNStor.so', qr/Can't locate loadable object/, "$top/perl");
};

subtest 'with bindings that are none' => sub {
    my $dir = scratch();
    spew("$dir/auto/TNStor/TNStor.so", 'not a shared object');
    is_survived('a broken TNStor.so', qr/Can't load/, "$top/perl", $dir);
};

subtest 'with bindings that do not find the library' => sub {
    my $dir = scratch();
    spew("$dir/auto/TNStor/TNStor.so", slurp(build_dir() . '/xs/auto/TNStor/TNStor.so'));
    delete local $ENV{LD_LIBRARY_PATH};
    plan(skip_all => 'the library is installed on this machine') if grep { -e } glob('/usr/lib/*/libtnstor.so.0 /usr/lib/libtnstor.so.0');
    is_survived('no libtnstor.so.0', qr/Can't load .*libtnstor\.so\.0/, "$top/perl", $dir);
};

subtest 'with bindings of another version' => sub {
    my $dir = scratch();
    spew("$dir/TNStor.pm", slurp("$top/perl/TNStor.pm") =~ s/VERSION = '[^']+'/VERSION = '9.9.9'/r);
    is_survived('TNStor.pm of 9.9.9', qr/TNStor object version/, $dir, @ours);
};

subtest 'a plugin that does not compile is left out, and everything else is there' => sub {
    my $dir = scratch();
    spew("$dir/TNStor/Options.pm", "package TNStor::Options;\nthis is no Perl;\n1;\n");
    my ($said, $complaints, $status) = perl_says(
        q{require PVE::Storage; print "loaded\n" if PVE::Storage::APIVER();
            print "and dropped\n" if !eval { PVE::Storage::Plugin->lookup('truenasplugin') }},
        $dir, @ours,
    );
    is($status, 0, 'PVE::Storage loads');
    is($said, "loaded\nand dropped\n", 'without it');
    like($complaints, qr/Error loading storage plugin "\Q$PLUGIN\E"/, 'which is told');
};

subtest 'loading takes 15 ms and 6 MB at most, above what PVE itself takes' => sub {
    my (@ms, @kib);
    for (1 .. 5) {
        my ($said) = perl_says(<<'CODE', @ours);
use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID);
require PVE::Storage::Plugin;
require PVE::Tools;
sub resident { open(my $fh, '<', '/proc/self/status'); my ($kib) = map { m/\AVmRSS:\s+(\d+)/ ? $1 : () } <$fh>; return $kib }
resident();
my ($kib, $from) = (resident(), clock_gettime(CLOCK_PROCESS_CPUTIME_ID));
require PVE::Storage::Custom::TrueNASPlugin;
printf("%.3f %d\n", (clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $from) * 1000, resident() - $kib);
CODE
        my ($ms, $kib) = split(/\s+/, $said);
        push @ms, $ms;
        push @kib, $kib;
    }
    # the least is what it takes; more is other programs' doing
    my ($ms) = sort { $a <=> $b } @ms;
    my ($kib) = sort { $a <=> $b } @kib;
    cmp_ok($ms, '<=', 15, "$ms ms");
    cmp_ok($kib, '<=', 6 * 1024, "$kib KiB");
    note("$ms ms, $kib KiB");
};

done_testing();
