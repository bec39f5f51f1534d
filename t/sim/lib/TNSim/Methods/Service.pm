# SPDX-License-Identifier: Apache-2.0
# service.*: the verbs up to 25.10, and the job service.control from there on.
package TNSim::Methods::Service;
use v5.36;
use TNSim::Error;
use TNSim::Model::Handler qw(methods_of bool);

sub methods {
    my %verb = map {
        my $verb = uc;
        "service.$_" => {
            to => '25.10', code => sub ($call) { _control($call, $verb, @{ $call->args }) },
        }
    } qw(start stop restart reload);
    return methods_of(
        %verb,
        'service.query'        => { code => \&query },
        'service.get_instance' => { code => \&get_instance },
        'service.started'      => { code => \&started },
        'service.update'       => { code => \&update },
        'service.control'      => {
            from => '25.10', job => 1,
            code => sub ($call) { _control($call, @{ $call->args }) },
        },
    );
}

sub _row ($world, $service) {
    my @pids =
           $service->{running}
        && $service->{service} eq 'iscsitarget'
        && $world->{tgt} ? ($world->{tgt}{pid} + 0) : ();
    return {
        id     => $service->{id} + 0, service => $service->{service},
        enable => bool($service->{enable}),
        state  => $service->{running} ? 'RUNNING' : 'STOPPED',
        pids   => \@pids,
    };
}

sub _find ($world, $id) {
    my $all = $world->store->table('service');
    return $all->{$id} // (grep { $_->{id} eq $id } values %$all)[0];
}

sub query ($call) {
    my $world = $call->world;
    my $all   = $world->store->table('service');
    return $call->rows_query(
        [map { _row($world, $_) } sort { $a->{id} <=> $b->{id} } values %$all]);
}

sub get_instance ($call) {
    my $id      = $call->args->[0];
    my $service = _find($call->world, $id)
        // die TNSim::Error->not_found("Service $id does not exist");
    return _row($call->world, $service);
}

sub started ($call) {
    my $service = $call->world->service($call->args->[0]);
    return bool($service && $service->{running});
}

sub update ($call) {
    my ($id, $change) = @{ $call->args };
    my $world   = $call->world;
    my $service = _find($world, $id)
        // die TNSim::Error->call('ENOENT', "Service $id not found.");
    $service->{enable} = $change->{enable} ? 1 : 0;
    $world->store->touch('service', $service->{service});
    return $service->{id} + 0;
}

# True: it does what the verb asks for. A failed start is false, or an error when not silent.
sub _control ($call, $verb, $name, $options = {}) {
    my $world   = $call->world;
    my $service = $world->service($name)
        // die TNSim::Error->call('EINVAL', "Service $name is not known");
    return bool(!$world->set_service($name, 0)) if $verb eq 'STOP';
    if (!$world->knob('service_start_fails')) {
        $world->set_service($name, $verb) if $verb ne 'RELOAD' || $service->{running};
        return bool($service->{running});
    }
    $world->set_service($name, 0) unless $verb eq 'RELOAD';
    my $silent = $options->{silent} // 1;
    return bool(0) if $silent && $world->quirk('silent_service_failure');
    die TNSim::Error->call('EFAULT', 'Service not running after start');
}

1;
