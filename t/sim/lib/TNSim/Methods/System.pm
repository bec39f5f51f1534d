# SPDX-License-Identifier: Apache-2.0
# failover.config: a NAS alone, unless /world made it one of two.
package TNSim::Methods::System;
use v5.36;
use TNSim::Model::Handler qw(methods_of bool);

sub methods { return methods_of('failover.config' => { code => \&failover_config }) }

sub failover_config ($call) {
    my $licensed = ref $call->server && $call->server->{licensed};
    return { id => 1, disabled => bool(!$licensed), master => bool(1), timeout => 0 };
}

1;
