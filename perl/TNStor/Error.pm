# SPDX-License-Identifier: Apache-2.0
# What a call of the library dies with: a code to decide by, a text for people.
package TNStor::Error;

use v5.36;

use overload
    '""' => sub ($self, @) { "$self->{text}\n" },
    'bool' => sub ($self, @) { 1 },
    'fallback' => 1;

# The word for the code: notfound, identity, busy, ...
sub name ($self) { return $self->{name} }

sub text ($self) { return $self->{text} }

# Repeating the same call cannot harm.
sub retryable ($self) { return $self->{retryable} }

# It may have happened: look before doing anything else.
sub outcome_unknown ($self) { return $self->{outcome_unknown} }

# True when $thing is such an error, with one of these names if any are given.
sub is ($class, $thing, @names) {
    return 0 if !ref($thing) || !eval { $thing->isa(__PACKAGE__) };
    return 1 if !@names;
    return scalar grep { $_ eq $thing->{name} } @names;
}

1;
