#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What .ci/setup asks of apt, on a machine where other packages are installed than here.
use v5.36;

use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use Test::More;

my $top = abs_path(__FILE__ =~ s{/?[^/]+\z}{}r . '/../..');
my $bin = tempdir(CLEANUP => 1);

sub stand_in ($name, $script) {
    open my $fh, '>', "$bin/$name" or die "cannot write $bin/$name: $!\n";
    print {$fh} "#!/bin/sh\n$script\n";
    close $fh or die "cannot write $bin/$name: $!\n";
    chmod 0755, "$bin/$name" or die "$bin/$name: $!\n";
    return;
}

# Exit status and words of a run by nobody in particular, who is told what root should do.
sub setup ($group) {
    local $ENV{PATH} = "$bin:$ENV{PATH}";
    my $pid = open(my $fh, '-|') // die "cannot fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die;
        exec {"$top/.ci/setup"} "$top/.ci/setup", $group or die "cannot run .ci/setup: $!\n";
    }
    local $/ = undef;
    my $said = readline($fh) // '';
    close $fh;
    return ($? >> 8, $said);
}

stand_in('id', 'echo 1000');
stand_in('dpkg-query', 'exit 1');

subtest 'what a node needs holds nothing that Proxmox VE has of its own' => sub {
    my ($status, $said) = setup('build');
    is($status, 1, 'it says what is missing');
    like($said, qr/libwebsockets-dev/, 'the libraries are among it');
    unlike($said, qr/qemu|tgt|libiscsi-bin/, 'nothing of QEMU, no target');
};

subtest 'a check needs that and more' => sub {
    my (undef, $build) = setup('build');
    my (undef, $check) = setup('check');
    my (undef, $ci) = setup('ci');
    my %in_check = map { $_ => 1 } split(' ', $check);
    is(join(' ', grep { !$in_check{$_} } split(' ', $build)), '', 'all of build');
    like($check, qr/qemu-utils/, 'and QEMU');
    like($ci, qr/qemu-utils.*valgrind/s, 'ci has all');
};

subtest 'apt may remove nothing for it' => sub {
    my (undef, $said) = setup('build');
    like($said, qr/apt-get install .*--no-remove/, 'it is told so');
};

subtest 'on a node of Proxmox VE nothing but build is installed' => sub {
    stand_in('dpkg-query', q{case $* in *pve-qemu-kvm*) echo 'install ok installed' ;; *) exit 1 ;; esac});
    for my $group (qw(check ci)) {
        my ($status, $said) = setup($group);
        is($status, 1, "$group is refused");
        like($said, qr/Proxmox VE node/, 'and why');
        unlike($said, qr/apt-get/, 'without a word of apt');
    }
    like((setup('build'))[1], qr/apt-get install/, 'build is not');
};

subtest 'a group that is not there is an error' => sub {
    is((setup('bild'))[0], 2, 'exit 2');
};

done_testing;
