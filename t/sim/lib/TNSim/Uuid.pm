# SPDX-License-Identifier: Apache-2.0
# Random identifiers.
package TNSim::Uuid;
use v5.36;

sub random () {
    my @word = map { int rand 65_536 } 1 .. 8;
    $word[3] = $word[3] & 0x0fff | 0x4000;
    $word[4] = $word[4] & 0x3fff | 0x8000;
    return sprintf '%04x%04x-%04x-%04x-%04x-%04x%04x%04x', @word;
}

1;
