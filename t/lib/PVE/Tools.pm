# SPDX-License-Identifier: Apache-2.0
# Stand-in for the few helpers of PVE::Tools that the plugin and its tests use.
package PVE::Tools;

use v5.36;

use Exporter qw(import);
our @EXPORT_OK = qw(run_command file_set_contents file_get_contents);

sub file_set_contents ($file, $text, $perm = 0644) {
    my $tmp = "$file.tmp.$$";
    open(my $fh, '>', $tmp) or die "unable to open '$tmp': $!\n";
    chmod($perm, $fh) or die "unable to change mode of '$tmp': $!\n";
    print {$fh} $text or die "unable to write '$tmp': $!\n";
    close($fh) or die "unable to close '$tmp': $!\n";
    rename($tmp, $file) or die "unable to rename '$tmp': $!\n";
    return;
}

sub file_get_contents ($file) {
    open(my $fh, '<', $file) or die "can't open '$file' - $!\n";
    local $/ = undef;
    return scalar <$fh>;
}

my sub redirect ($target, $spec) {
    my ($mode, $fd) = $spec =~ m/\A([<>]&)(\d+)\z/ or die "unsupported redirection '$spec'\n";
    open($target, $mode, $fd) or die "cannot redirect: $!\n";
    return;
}

# An argv, with input and output handed on as descriptors.
sub run_command ($argv, %param) {
    local $ENV{PATH} = '/sbin:/bin:/usr/sbin:/usr/bin';
    my $pid = fork() // die "cannot fork: $!\n";
    if (!$pid) {
        redirect(*STDIN, $param{input}) if $param{input};
        redirect(*STDOUT, $param{output}) if $param{output};
        exec { $argv->[0] } @$argv or POSIX::_exit(127);
    }
    waitpid($pid, 0);
    die "command '" . join(' ', @$argv) . "' failed: exit code " . ($? >> 8) . "\n" if $?;
    return 0;
}

require POSIX;

1;
