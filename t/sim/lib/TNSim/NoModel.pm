# SPDX-License-Identifier: Apache-2.0
# A NAS without pools, for as long as the model is being built.
package TNSim::NoModel;
use v5.36;

sub new           ($class) { return bless {}, $class }
sub save          ($self)  { return }
sub shutdown      ($self)  { return }
sub dump          ($self)  { return {} }
sub apply         ($self, $spec) { return {} }
sub iscsi_portals ($self)  { return [] }

1;
