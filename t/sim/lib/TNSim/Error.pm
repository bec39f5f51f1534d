# SPDX-License-Identifier: Apache-2.0
# The errors a method can die with; what they look like on the wire is decided per dialect.
package TNSim::Error;
use v5.36;

my %ERRNO = (
    EPERM => 1, ENOENT => 2, EIO => 5, ENXIO => 6, EAGAIN => 11, ENOMEM => 12, EACCES => 13,
    EFAULT => 14, EBUSY  => 16, EEXIST => 17, EXDEV => 18, ENODEV => 19, ENOTDIR      => 20,
    EISDIR => 21, EINVAL => 22, ENOSPC => 28, EROFS => 30, EDOM   => 33, ENAMETOOLONG => 36,
    ENOTEMPTY => 39, EBADMSG => 74, EOPNOTSUPP => 95, ECONNREFUSED => 111, ECANCELED => 125,
    ETIMEDOUT => 110, ECONNRESET => 104, EHOSTDOWN => 112, ETOOMANYREFS => 109,
    EDQUOT    => 122,
    ENOMETHOD        => 201, ESERVICESTARTFAILURE => 202, EREMOTENODEERROR => 204,
    EDATASETISLOCKED => 205, ENOTAUTHENTICATED    => 207, EREBOOTREQUIRED  => 209,
    EHAUNAVAILABLE   => 210,
);
my %NAME = reverse %ERRNO;

sub errno_of ($name) {
    return $name =~ /\A[0-9]+\z/ ? $name + 0 : $ERRNO{$name} // $ERRNO{EINVAL};
}
sub name_of ($no) { return $NAME{$no} // "E$no" }

# CallError: what a method raises for anything but bad arguments.
# TNSim::Error->call('EBUSY', 'dataset is busy'); extra is rarely used.
sub call ($class, $errname, $text, $extra = undef) {
    return bless {
        kind  => 'call', class => 'CallError', errno => errno_of($errname), text => $text,
        extra => $extra,
    }, $class;
}

# ValidationErrors: items [attribute, text, errno name (EINVAL when left out)], ...
sub validation ($class, @items) {
    my @list = map { [$_->[0], $_->[1], errno_of($_->[2] // 'EINVAL')] } @items;
    return bless { kind => 'validation', class => 'ValidationErrors', items => \@list },
        $class;
}

# InstanceNotFound, of get_instance, update and delete: "PoolDataset tank/x does not exist".
sub not_found ($class, $text) {
    return bless {
        kind  => 'not_found', class => 'InstanceNotFound', text => $text,
        items => [[undef, $text, $ERRNO{ENOENT}]],
    }, $class;
}

# A query with get:true that matched nothing.
sub match_not_found ($class) {
    return bless { kind => 'bare', class => 'MatchNotFound', errno => 22, text => '' },
        $class;
}

# An exception the middleware did not expect: EINVAL, the bare text, no "[ERRNAME]" before
# it.
# TNSim::Error->bare('ValueError', 'Cannot rollback: ...').
sub bare ($class, $python_class, $text) {
    return bless { kind => 'bare', class => $python_class, errno => 22, text => $text },
        $class;
}

sub is ($thing) {
    return ref $thing && eval { $thing->isa(__PACKAGE__) } ? 1 : 0;
}

# Whatever a handler died with, as one of ours.
sub from ($class, $thing) {
    return $thing if is($thing);
    my $text = "$thing";
    $text =~ s/ at \S+ line \d+\.?\n\z//;
    chomp $text;
    return $class->bare('Exception', $text);
}

sub text    ($self) { return $self->{text} }
sub extra   ($self) { return $self->{extra} }
sub kind    ($self) { return $self->{kind} }
sub items   ($self) { return $self->{items} // [] }
sub class   ($self) { return $self->{class} }
sub errno   ($self) { return $self->{errno} // 22 }
sub errname ($self) { return name_of($self->errno) }

# The exception's own text: str(e) in the middleware's words.
sub reason ($self) {
    my $kind = $self->{kind};
    return '[' . $self->errname . "] $self->{text}" if $kind eq 'call';
    return "[ENOENT] None: $self->{text}"           if $kind eq 'not_found';
    if ($kind eq 'validation') {
        return join '',
            map { '[' . name_of($_->[2]) . '] ' . ($_->[0] // 'None') . ": $_->[1]\n" }
            @{ $self->items };
    }
    return $self->{text} ne '' ? $self->{text} : "$self->{class}()";
}

# repr(e), as jobs show it.
sub repr ($self) {
    my $kind = $self->{kind};
    return "CallError('$self->{text}')"                      if $kind eq 'call';
    return "$self->{class}('" . ($self->{text} // '') . "')" if $kind ne 'validation';
    return 'ValidationErrors(' . scalar(@{ $self->items }) . ')';
}

1;
