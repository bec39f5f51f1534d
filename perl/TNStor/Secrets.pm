# SPDX-License-Identifier: Apache-2.0
# The secrets of a storage: one file below /etc/pve/priv/storage, lines of "name=value".
package TNStor::Secrets;

use v5.36;

use Time::HiRes ();

# pmxcfs gives everything below priv to root alone. Tests look elsewhere.
our $DIR = '/etc/pve/priv/storage';

my sub file ($storeid) {
    $storeid =~ m/\A([a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9])\z/ # untaint
        or die "invalid storage id '$storeid'\n";
    return "$DIR/$1.pw";
}

sub read ($storeid) {
    my $file = file($storeid);
    open(my $fh, '<', $file) or return $!{ENOENT} ? {} : die "cannot read $file: $!\n";
    my %secrets;
    while (my $line = <$fh>) {
        $secrets{$1} = $2 if $line =~ m/\A([a-z_]+)=([^\r\n]*)\n?\z/; # untaint
    }
    close($fh);
    return \%secrets;
}

# Differs after each change, so that a cached session notices a new key: every change is a file of its
# own, put in place of the other, and times are those of the file system, which may be whole seconds.
sub changed ($storeid) {
    my @stat = Time::HiRes::stat(file($storeid));
    return @stat ? join('-', @stat[1, 7, 9]) : '';
}

sub write ($storeid, $secrets) {
    for my $name (sort keys %$secrets) {
        die "$name: a secret is one line\n" if $secrets->{$name} =~ m/[\r\n\0]/;
    }
    my $file = file($storeid);
    return remove($storeid) if !%$secrets;
    if (!-d $DIR) {
        mkdir($DIR, 0700) or die "cannot make $DIR: $!\n";
    }
    require PVE::Tools;
    my $text = join('', map { "$_=$secrets->{$_}\n" } sort keys %$secrets);
    PVE::Tools::file_set_contents($file, $text, 0600);
    return;
}

# Merges changes into the file: an undefined value removes that secret.
sub update ($storeid, $changes) {
    return if !%$changes;
    my $secrets = { &read($storeid)->%*, %$changes };
    delete $secrets->@{ grep { !defined($secrets->{$_}) } keys %$secrets };
    &write($storeid, $secrets);
    return;
}

sub remove ($storeid) {
    my $file = file($storeid);
    unlink($file) or $!{ENOENT} or die "cannot remove $file: $!\n";
    return;
}

1;
