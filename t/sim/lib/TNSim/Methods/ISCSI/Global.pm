# SPDX-License-Identifier: Apache-2.0
# iscsi.global.*: the service's own configuration and the sessions that are open.
package TNSim::Methods::ISCSI::Global;
use v5.36;
use TNSim::Error;
use TNSim::Model::Handler qw(methods_of bool);

sub methods {
    return methods_of(
        'iscsi.global.config'       => { code => \&config },
        'iscsi.global.update'       => { code => \&update },
        'iscsi.global.sessions'     => { code => \&sessions },
        'iscsi.global.client_count' => { code => \&client_count },
        'iscsi.global.alua_enabled' =>
            { code => sub ($call) { return bool($call->world->iscsi->global->{alua}) } },
        'iscsi.global.iser_enabled' =>
            { code => sub ($call) { return bool(0) }, from => '25.04' },
    );
}

sub config ($call) {
    my $world = $call->world;
    my $row   = $world->iscsi->global;
    my %shown = (
        %$row{qw(id basename isns_servers pool_avail_threshold listen_port)},
        alua => bool($row->{alua}),
    );
    $shown{iser}                   = bool(0)    if $world->is_at_least('25.04');
    @shown{qw(direct_config mode)} = (undef, 0) if $world->is_at_least('26');
    return \%shown;
}

sub update ($call) {
    my $data  = $call->args->[0] // {};
    my $world = $call->world;
    die TNSim::Error->validation(
        [
            'iscsiglobal_update.iser',
            'This platform cannot support iSER or is missing an RDMA capable NIC.'
        ]
    ) if $data->{iser};
    my ($server) = @{ $data->{isns_servers} // [] };
    die TNSim::Error->validation(
        [
            'iscsiglobal_update.isns_servers',
            "Server \"$server\" could not be contacted."
        ]
    ) if defined $server;
    my %change = map { $_ => $data->{$_} }
        grep { exists $data->{$_} } qw(basename listen_port pool_avail_threshold);
    $change{alua} = $data->{alua} ? 1 : 0 if exists $data->{alua};

    # The real target keeps the port that it listens on.
    delete $change{listen_port} if $world->iscsi_portals->@*;
    $world->iscsi->update('global', 1, \%change);
    $world->iscsi->reload;
    return config($call);
}

sub _session ($world, $session) {
    my ($alias) = $session->{iqn} =~ /:([^:]+)\z/;
    return {
        $world->is_at_least('25.04') ? (max_xmit_data_segment_length => 262144) : (),
        initiator       => $session->{initiator}, initiator_addr => $session->{addr},
        initiator_alias => undef, target => $session->{iqn}, target_alias => $alias // '',
        header_digest   => undef, data_digest => undef, max_data_segment_length => undef,
        max_receive_data_segment_length => 262144,
        max_burst_length => 1048576, first_burst_length => 65536, immediate_data => bool(1),
        iser             => bool(0), offload            => bool(0),
    };
}

sub sessions ($call) {
    my $world = $call->world;
    return $call->rows_query([map { _session($world, $_) } $world->iscsi->sessions]);
}

sub client_count ($call) {
    my %client = map { $_->{addr} => 1 } $call->world->iscsi->sessions;
    return scalar keys %client;
}

1;
