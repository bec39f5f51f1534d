# SPDX-License-Identifier: Apache-2.0
# NVMe-oF and NFS objects and quotas of users: kept and shown, without anything behind them.
package TNSim::Core::Foreign;
use v5.36;
use TNSim::Error;
use TNSim::Json qw(false true);
use TNSim::Query;
use TNSim::Uuid;

my %CALLED = (
    'sharing.nfs'     => 'SharingNFS', 'nvmet.subsys' => 'NVMetSubsys',
    'nvmet.namespace' => 'NVMetNamespace'
);
my @PARTS = qw(subsys port host);

sub methods () {
    return { (
            map { ("$_.create" => { code => \&_create }) }
                qw(sharing.nfs nvmet.host nvmet.host_subsys nvmet.namespace nvmet.port
                nvmet.port_subsys nvmet.subsys)
        ),
        (map { ("$_.delete" => { code => \&_delete }) } keys %CALLED),
        'sharing.nfs.query' =>
            { code => sub ($call) { $call->rows_query([_rows($call, 'sharing.nfs')]) } },
        'nvmet.global.config'    => { code => \&_config },
        'pool.dataset.get_quota' => { code => \&_get_quota },
        'pool.dataset.set_quota' => { code => \&_set_quota },
        'nvmet.global.sessions'  => { code => sub ($call) { $call->rows_query([]) } },
    };
}

sub _store ($call, $kind) {
    return $call->server->{foreign}{$kind} //= { next_id => 1, rows => {} };
}

sub _rows ($call, $kind) {
    my $rows = _store($call, $kind)->{rows};
    return map { _shown($call, $kind, $rows->{$_}) } sort { $a <=> $b } keys %$rows;
}

my $BASE = 'nqn.2011-06.com.truenas:uuid:b2b6c9b4-7c2a-4d2e-9f55-0c1f9d7b2a11';

sub _config ($call) {
    return {
        id             => 1, basenqn => $BASE, kernel => true, ana => false, rdma => false,
        xport_referral => true
    };
}

sub _quotas ($call) { return $call->server->{foreign}{quota}{ $call->arg(0) } //= {} }

sub _get_quota ($call) {
    my (undef, $type, $filters, $options) = @{ $call->args };
    my @rows = grep { $_->{quota_type} eq $type } values %{ _quotas($call) };
    return TNSim::Query::run(\@rows, $filters // [], $options // {});
}

sub _set_quota ($call) {
    my $quotas = _quotas($call);
    for my $item (@{ $call->arg(1) }) {
        my $row = $quotas->{"$item->{quota_type} $item->{id}"} //= {
            quota_type => $item->{quota_type} =~ s/OBJ\z//r, id => $item->{id},
            name       => $item->{id},
            quota      => 0, used_bytes => 0, obj_quota => 0, obj_used => 0,
        };
        $row->{ $item->{quota_type} =~ /OBJ\z/ ? 'obj_quota' : 'quota' } =
            $item->{quota_value};
    }
    return undef;
}

# What the server adds to a new row.
sub _completed ($kind, $row) {
    if ($kind eq 'sharing.nfs') { $row->{locked} = false }
    if ($kind eq 'nvmet.subsys') {
        $row->{subnqn} //= "$BASE:$row->{name}";
        $row->{serial} = join '', map { sprintf '%x', int rand 16 } 1 .. 20;
        $row->{$_}     = [] for qw(hosts ports namespaces);
    }
    if ($kind eq 'nvmet.port') {
        $row->{index}       = $row->{id};
        $row->{addr_adrfam} = 'IPV4';
    }
    if ($kind eq 'nvmet.namespace') {
        $row->{device_uuid}  = TNSim::Uuid::random();
        $row->{device_nguid} = $row->{device_uuid} =~ tr/-//dr;
        $row->{nsid} //= $row->{id};
        $row->{locked} = false;
    }
    return $row;
}

# Ids inside, objects outside.
sub _shown ($call, $kind, $row) {
    my %out = %$row;
    for my $part (@PARTS) {
        my $id = delete $out{"${part}_id"} // next;
        $out{$part} = _store($call, "nvmet.$part")->{rows}{$id};
    }
    return \%out;
}

sub _create ($call) {
    my ($kind) = $call->method =~ /\A(.*)\.create\z/;
    my $store  = _store($call, $kind);
    my $row    = { %{ $call->arg(0) } };
    for my $part (@PARTS) {
        my $id = $row->{"${part}_id"} // next;
        next if _store($call, "nvmet.$part")->{rows}{$id};
        die TNSim::Error->validation(
            [($kind =~ tr/./_/r) . "_create.${part}_id", "No $part with id $id"]);
    }
    if ($call->release->at_least('26') && $kind =~ /nfs|namespace/) {
        my $path = $row->{device_path} // $row->{path};
        @$row{qw(dataset relative_path)} = ($path =~ s{\A(?:zvol|/mnt)/}{}r, '');
    }
    $row->{id} = $store->{next_id}++;
    $store->{rows}{ $row->{id} } = _completed($kind, $row);
    if ($kind eq 'nvmet.namespace') {
        push @{ _store($call, 'nvmet.subsys')->{rows}{ $row->{subsys_id} }{namespaces} },
            $row->{id};
    }
    return _shown($call, $kind, $row);
}

sub _delete ($call) {
    my ($kind) = $call->method =~ /\A(.*)\.delete\z/;
    my $store  = _store($call, $kind);
    my $id     = $call->arg(0);
    my $row    = $store->{rows}{$id}
        // die TNSim::Error->not_found("$CALLED{$kind} $id does not exist");
    if ($kind eq 'nvmet.subsys' && @{ $row->{namespaces} } && !$call->arg(1)->{force}) {
        my @ids = @{ $row->{namespaces} };
        my $text =
            'contains ' . @ids . ' namespace' . (@ids > 1 ? 's' : '') . ': ' . join ',',
            @ids;
        die TNSim::Error->validation(
            ['nvmet_subsys_delete.id', "Subsystem $row->{name} $text"]);
    }
    if ($kind eq 'nvmet.namespace') {
        my $subsys = _store($call, 'nvmet.subsys')->{rows}{ $row->{subsys_id} };
        @{ $subsys->{namespaces} } = grep { $_ != $id } @{ $subsys->{namespaces} }
            if $subsys;
    }
    delete $store->{rows}{$id};
    return true;
}

1;
