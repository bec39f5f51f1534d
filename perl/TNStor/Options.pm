# SPDX-License-Identifier: Apache-2.0
# The options of a storage section: their schema, and which of them the library is told.
package TNStor::Options;

use v5.36;

my sub text ($description, %more) {
    return { type => 'string', maxLength => 4096, description => $description, %more };
}

my sub flag ($description, $default) {
    return { type => 'boolean', description => $description, default => $default };
}

my sub number ($description, %more) {
    return { type => 'integer', description => $description, %more };
}

# Names and meanings of the first truenasplugin, so that its sections stay valid.
my $inherited = {
    api_host => text('Host name or address of the NAS; several with commas for a pair.'),
    api_key => text('API key, kept under /etc/pve/priv/storage and not in storage.cfg.'),
    api_transport => text(
        'How the API is reached: ws (websocket) or rest.',
        enum => ['ws', 'rest'],
        default => 'ws',
    ),
    api_scheme => text(
        'Scheme of the API: wss or https; ws and http only to loopback.',
        enum => ['wss', 'ws', 'https', 'http'],
    ),
    api_port => number('Port of the API.', minimum => 1, maximum => 65535),
    api_insecure => flag('Accept any certificate. Prefer tn_fingerprint.', 0),
    prefer_ipv4 => flag('Use an IPv4 address of the NAS when it has both.', 1),
    dataset => text('Dataset that holds the volumes, for example tank/vm.'),
    target_iqn => text('iSCSI target, its full IQN. Found or created when absent.'),
    discovery_portal => text('iSCSI portal, address[:port]. Found when absent.'),
    portals => text('Further iSCSI portals, with commas.'),
    use_multipath => flag('Put the paths of a volume under multipathd.', 1),
    use_by_path => flag('No meaning here: every path is verified by identity.', 0),
    ipv6_by_path => flag('No meaning here: every path is verified by identity.', 0),
    force_delete_on_inuse => flag('No meaning here: a shared target is never logged out.', 0),
    logout_on_free => flag('Log out of a target when no LUN of it is left on this node.', 0),
    zvol_blocksize => text('Block size of new volumes, for example 16K.'),
    tn_sparse => flag('Thin volumes.', 1),
    chap_user => text('CHAP user of the target.'),
    chap_password => text('CHAP secret, kept under /etc/pve/priv/storage.'),
    vmstate_storage => text('No meaning here: state volumes live where PVE puts them.'),
    enable_live_snapshots => flag('Allow volumes for the RAM of live snapshots.', 1),
    snapshot_volume_chains => flag('No meaning here: snapshots are those of ZFS.', 1),
    enable_bulk_operations => flag('Send groups of deletions to the NAS as one job.', 1),
    debug => number('Log more to syslog.', minimum => 0, maximum => 2, default => 0),
    api_retry_max => number('Attempts to connect.', minimum => 0, maximum => 10, default => 3),
    api_retry_delay => { type => 'number', description => 'No meaning here: waits grow by themselves.' },
    transport_mode => text(
        'Only iscsi is usable; nvme-tcp sections are kept and refused.',
        enum => ['iscsi', 'nvme-tcp'],
        default => 'iscsi',
    ),
    subsystem_nqn => text('Kept for nvme-tcp sections.'),
    hostnqn => text('Kept for nvme-tcp sections.'),
    nvme_dhchap_secret => text('Kept for nvme-tcp sections, under /etc/pve/priv/storage.'),
    nvme_dhchap_ctrl_secret => text('Kept for nvme-tcp sections, under /etc/pve/priv/storage.'),
};

my $new = {
    tn_owner => text('Id that tags the volumes; by default the one in /etc/pve/priv/tnstor/owner.'),
    tn_fingerprint => text('SHA-256 of the certificate in colon-hex; several with commas.'),
    tn_user => text('User that the API key belongs to: needed for SCRAM on 26.'),
    tn_initiator => text(
        'Who opens the volumes: the kernel, or QEMU itself.',
        enum => ['kernel', 'qemu'],
        default => 'kernel',
    ),
    tn_rollback_removes_newer => flag('Let a rollback remove newer snapshots.', 0),
    tn_compression => text('Compression of new volumes, as ZFS names it.'),
    tn_sync => text('sync of new volumes.', enum => ['standard', 'always', 'disabled']),
    tn_chap_mutual_user => text('Name with which the target authenticates itself.'),
    tn_chap_mutual_password => text('Its secret, kept under /etc/pve/priv/storage.'),
    tn_status_cache => number(
        'Seconds for which the last known status stands in for a NAS that is away.',
        minimum => 0,
        maximum => 3600,
        default => 30,
    ),
};

my $secret = {
    map { $_ => 1 }
        qw(api_key chap_password tn_chap_mutual_password nvme_dhchap_secret nvme_dhchap_ctrl_secret)
};

my $required = { api_host => {}, dataset => { fixed => 1 } };

# What only this side needs to know.
my $not_for_library = { map { $_ => 1 } qw(tn_status_cache enable_live_snapshots debug) };

# What the NAS has no part in: set while it is away, too.
my $local = {
    %$not_for_library,
    map { $_ => 1 }
        qw(api_retry_max api_retry_delay use_by_path ipv6_by_path force_delete_on_inuse vmstate_storage
        snapshot_volume_chains logout_on_free enable_bulk_operations tn_rollback_removes_newer)
};

sub properties () { return { %$inherited, %$new } }

sub secrets () { return { %$secret } }

sub concerns_nas ($name) { return exists(properties()->{$name}) && !$local->{$name} }

sub options () {
    my $own = { map { $_ => $required->{$_} // { optional => 1 } } keys properties()->%* };
    return { %$own, map { $_ => { optional => 1 } } qw(nodes shared disable content bwlimit) };
}

# The part of a section that the library is told, with the secrets in it.
sub for_library ($storeid, $scfg, $secrets) {
    my %all = (%$scfg, %$secrets);
    my @names = grep { defined($all{$_}) && !$not_for_library->{$_} } keys properties()->%*;
    return { storeid => $storeid, map { $_ => $all{$_} } @names };
}

1;
