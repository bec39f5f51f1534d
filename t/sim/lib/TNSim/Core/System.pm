# SPDX-License-Identifier: Apache-2.0
# system.* and failover.*: what the NAS says of itself.
package TNSim::Core::System;
use v5.36;
use TNSim::Json qw(bool date false true);
use TNSim::Uuid;

my $BOOT_ID = TNSim::Uuid::random();
my $BOOTED  = time;

sub methods () {
    return {
        'system.version'       => { code => sub ($call) { _version($call->release) } },
        'system.version_short' => { code => sub ($call) { $call->release->full } },
        'system.product_type'  => { code => \&_product_type },
        'system.ready'         => { code => sub ($call) { bool($call->server->ready) } },
        'system.state'         =>
            { code => sub ($call) { $call->server->ready ? 'READY' : 'BOOTING' } },
        'system.boot_id'    => { code => sub ($call) {$BOOT_ID} },
        'system.host_id'    => { code => \&_host_id },
        'system.info'       => { code => \&_info },
        'failover.status'   => { code => sub ($call) { $call->server->failover_status } },
        'failover.licensed' => { code => sub ($call) { bool($call->server->{licensed}) } },
        'failover.node'     =>
            { code => sub ($call) { $call->server->{licensed} ? 'A' : 'MANUAL' } },
        'failover.get_ips'          => { code => sub ($call) { [] } },
        'failover.disabled.reasons' => { code => sub ($call) { ['NO_LICENSE'] } },
    };
}

sub _version ($release) {
    return ($release->before('25.04') ? 'TrueNAS-SCALE-' : 'TrueNAS-') . $release->full;
}

sub _product_type ($call) {
    my $licensed = $call->server->{licensed};
    return $licensed ? 'SCALE_ENTERPRISE' : 'SCALE' if $call->release->before('25.04');
    return $licensed ? 'ENTERPRISE'       : 'COMMUNITY_EDITION';
}

sub _host_id ($call) {
    my $world = $call->world;
    return $world && $world->can('host_id') ? $world->host_id : '0' x 64;
}

sub _info ($call) {
    my $release = $call->release;
    my $up      = time - $BOOTED;
    my %info    = (
        version   => $release->at_least('25.10') ? $release->full : _version($release),
        buildtime => date(1_762_000_000), hostname => 'truenas', physmem => 67_430_649_856,
        model  => 'tnsim', cores => 16, physical_cores => 8, loadavg => [0.12, 0.2, 0.25],
        uptime => sprintf('%d:%02d:%02d', int($up / 3600), $up / 60 % 60, $up % 60),
        uptime_seconds => $up + 0.5,     system_serial => undef, system_product => undef,
        system_product_version => undef, license       => undef, boottime => date($BOOTED),
        datetime => date(time + ($call->server->{clock_offset} // 0)), timezone   => 'UTC',
        system_manufacturer => undef,                                  ecc_memory => true,
    );
    $info{birthday} = date(1_700_000_000) if !$release->at_least('24.04');
    return \%info;
}

1;
