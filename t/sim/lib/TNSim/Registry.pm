# SPDX-License-Identifier: Apache-2.0
# Every method that this release has, with its code and what the published API says of it.
package TNSim::Registry;
use v5.36;
use File::Basename qw(dirname);

my $DIR = dirname(__FILE__);

sub new ($class, %field) {    # release, data
    my $self = bless { method => {}, %field }, $class;
    for my $file (_module_files()) {
        require $file;
        my $package = $file =~ s{\.pm\z}{}r =~ s{/}{::}gr;
        my $code    = $package->can('methods') or next;
        my $methods = $code->();
        $self->_add($_, $methods->{$_}) for keys %$methods;
    }
    return $self;
}

# TNSim/Core/*.pm and TNSim/Methods/**/*.pm
sub _module_files () {
    return map {s{\A\Q$DIR\E/}{TNSim/}r}
        sort map { glob "$DIR/$_" } 'Core/*.pm', 'Methods/*.pm', 'Methods/*/*.pm';
}

sub _add ($self, $name, $method) {
    my $release = $self->{release};
    return if !$release->between($method->{from}, $method->{to});
    my $entry = $self->{data}->method($name);
    my $known = defined $entry || !grep { $_ eq $name } $self->{data}->names;
    return if !$known;
    my $private =
        $entry ? $entry->{private} : $method->{private} && $method->{private}->($release);
    $self->{method}{$name} = {
        name       => $name,
        code       => $method->{code},
        job        => $entry   ? $entry->{job}     : $method->{job} // 0,
        private    => $private ? 1                 : 0,
        nologin    => $entry   ? $entry->{nologin} : $method->{nologin} // 0,
        roles      => $self->_roles($name, $entry, $method),
        schema     => $method->{schema} // 1,
        filterable => $entry ? $entry->{filterable}       : 0,
        rest       => $entry ? $entry->{rest}             : undef,
        names      => $entry ? $entry->{names}            : [],
        min        => $entry ? $entry->{min}              : 0,
        args       => $entry ? scalar @{ $entry->{args} } : 0,
    };
    return;
}

# Releases before 24.04 know no roles; what a restricted key may do there is taken from
# later ones.
sub _roles ($self, $name, $entry, $method) {
    return $method->{roles} // [] if !$entry;
    return $entry->{roles} if $self->{release}->at_least('24.04') || @{ $entry->{roles} };
    return $self->{data}->later_roles($name);
}

sub method ($self, $name) { return $self->{method}{$name} }

sub names ($self) { return sort keys %{ $self->{method} } }

1;
