# SPDX-License-Identifier: Apache-2.0
# One call of a method as its handler sees it: arguments, who asks, and which release
# answers.
package TNSim::Call;
use v5.36;
use TNSim::Query;

# A method module (TNSim::Methods::*, TNSim::Core::*) has a function methods() that returns
#   { 'pool.dataset.query' => {
#         code => sub ($call) { ... },    # returns the result, or a Mojo::Promise of it, or
#                                         # dies with a TNSim::Error
#         job  => 0|1,                    # answers a job id; code runs as the job
#         from => '22.12', to => '25.10', # where the method exists; either may be left out
#         private => sub ($release) {..}, # true: exists, for full administrators only
#         roles => [...],                 # only for what t/sim/data does not know
#         schema => 0,                    # do not validate: there is no schema for it
#     }, ... }
# The arguments are already validated by the release's schema and have its defaults.

sub new ($class, %field) { return bless {%field}, $class }

sub method  ($self)     { return $self->{method} }
sub args    ($self)     { return $self->{args} }       # array reference
sub arg     ($self, $i) { return $self->{args}[$i] }
sub release ($self)     { return $self->{release} }    # TNSim::Releases
sub world   ($self)     { return $self->{world} }      # TNSim::Model::World
sub user    ($self)     { return $self->{user} }       # undef before login; TNSim::User
sub server  ($self)     { return $self->{server} }     # TNSim::Server
sub conn    ($self)     { return $self->{conn} }       # TNSim::Conn
sub job     ($self)     { return $self->{job} }        # TNSim::Job, in job methods

# A switch of QUIRKS.md as it stands now.
sub quirk ($self, $name) { return $self->{server}->quirk($name) }

# Filters and options of a *.query call, applied to rows; $self->args is [filters, options].
sub rows_query ($self, $rows) {
    my ($filters, $options) = @{ $self->{args} };
    $filters = [] if $self->quirk('filter_ignored');
    return TNSim::Query::run($rows, $filters // [], $options // {});
}

# Percent and text of the running job; harmless in other calls.
sub progress ($self, $percent, $text = '') {
    $self->{job}->progress($percent, $text) if $self->{job};
    return;
}

# Another method, with the same caller and without its roles and schema being asked again.
sub call ($self, $method, @args) {
    return $self->{server}->call_inside($self, $method, \@args);
}

1;
