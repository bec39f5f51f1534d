# SPDX-License-Identifier: Apache-2.0
# A refusal by ZFS itself: an errno name and libzfs' own text, which each release wraps its way.
package TNSim::Model::Refusal;
use v5.36;

sub throw ($class, $errname, $text, %more) {
    die bless { errname => $errname, text => $text, %more }, $class;
}

# The refusal in $@, or undef when that is something else.
sub caught ($class, $thing) {
    return ref $thing && eval { $thing->isa($class) } ? $thing : undef;
}

sub errname ($self) { return $self->{errname} }
sub text    ($self) { return $self->{text} }

1;
