# SPDX-License-Identifier: Apache-2.0
# The bindings of libtnstor: one object, TNStor::Storage, whose methods are the library's functions.
package TNStor;

use v5.36;

use XSLoader;

use TNStor::Error;

our $VERSION = '0.1.0';

XSLoader::load('TNStor', $VERSION);

1;

__END__

=encoding utf8

=head1 NAME

TNStor - volumes on a TrueNAS system, for Proxmox VE

=head1 SYNOPSIS

    use TNStor;

    my $storage = TNStor::Storage->open({
        storeid => 'nas', api_host => 'nas.example', api_key => $key, dataset => 'tank/vm',
    });
    my $volname = $storage->volume_alloc(100, undef, 32 * 1024**3);
    my $mapped = $storage->volume_map($volname, undef);
    say $mapped->{path};

=head1 DESCRIPTION

Every method of a C<TNStor::Storage> is the function of libtnstor with the same name; results are
plain hashes, arrays and strings. What fails dies with a L<TNStor::Error>.

A storage object belongs to the process that opened it. Used in a child it dies with the code
C<forked>; destroyed there it says nothing to the NAS. A signal among ALRM, INT, TERM and QUIT that
arrives during a call ends it: the handler runs when the library has cleaned up, and may die.

=cut
