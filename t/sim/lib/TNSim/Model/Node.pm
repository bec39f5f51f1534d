# SPDX-License-Identifier: Apache-2.0
# What the kernel's own target and volumes are driven with: programs and files of configfs.
package TNSim::Model::Node;
use v5.36;
use Exporter qw(import);
use POSIX    ();

our @EXPORT_OK = qw(run put get make_dir);

# What a program said; its failure is an error that tells why.
sub run (@argv) {
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        open STDIN,  '<',  '/dev/null';
        { no warnings 'exec'; exec { $argv[0] } @argv }
        POSIX::_exit(127);
    }
    my $said = do { local $/ = undef; readline $out }
        // '';
    close $out;
    die "'@argv' failed: " . ($said =~ s/\s+\z//r || "exit code " . ($? >> 8)) . "\n" if $?;
    return $said;
}

# configfs takes a value in one write and compares some of them with everything that came, so that
# there is no newline. The value is never told: it may be a secret.
sub put ($path, $value) {
    open my $fh, '>', $path        or die "cannot open $path: $!\n";
    defined syswrite($fh, $value)  or die "cannot write $path: $!\n";
    close $fh                      or die "cannot write $path: $!\n";
    return;
}

sub get ($path) {
    open my $fh, '<', $path or return '';
    local $/ = undef;
    return readline($fh) // '';
}

sub make_dir ($path) {
    mkdir $path or $!{EEXIST} or die "cannot make $path: $!\n";
    return $path;
}

1;
