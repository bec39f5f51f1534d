# SPDX-License-Identifier: Apache-2.0
# iscsi.portal.*: addresses to listen on; the port is the service's.
package TNSim::Methods::ISCSI::Portal;
use v5.36;
use TNSim::Error;
use TNSim::Model::Crud    qw(readers found);
use TNSim::Model::Handler qw(methods_of);

my $CLASS = 'ISCSIPortal';

sub methods {
    my %all = (
        readers('portal', $CLASS, \&_row),
        create            => { code => \&create }, update => { code => \&update },
        delete            => { code => \&delete },
        listen_ip_choices => { code => \&listen_ip_choices },
    );
    return methods_of(map { ("iscsi.portal.$_" => $all{$_}) } keys %all);
}

sub _row ($call, $row) {
    my $world = $call->world;
    my $port  = $world->iscsi->global->{listen_port} + 0;
    my %shown = (
        id     => $row->{id} + 0, tag => $row->{tag} + 0, comment => $row->{comment},
        listen => [map { { ip => $_, port => $port } } @{ $row->{listen} }],
    );
    @shown{qw(discovery_authmethod discovery_authgroup)} =
        ($row->{discovery_authmethod} // 'NONE', $row->{discovery_authgroup})
        unless $world->is_at_least('25.04');
    return \%shown;
}

sub listen_ip_choices ($call) {
    return { map { $_ => $_ } '0.0.0.0', '::', $call->world->addresses };
}

sub _listen ($call, $schema, $data, $own = undef) {
    my $iscsi = $call->world->iscsi;
    my @ips   = map { $_->{ip} } @{ $data->{listen} };
    my $at    = "iscsiportal_$schema.listen";
    die TNSim::Error->validation([$at, 'At least one listen entry is required.'])
        unless @ips;
    my %known = %{ listen_ip_choices($call) };
    my %used;
    for my $row ($iscsi->rows('portal')) {
        next if defined $own && $row->{id} == $own;
        $used{$_} = 1 for @{ $row->{listen} };
    }
    my @bad = map { [$at, "'$_' IP is already in use."] } grep { $used{$_} } @ips;
    push @bad,
        map { [$at, "IP $_ not configured on this system."] } grep { !$known{$_} } @ips;
    die TNSim::Error->validation(@bad) if @bad;
    return \@ips;
}

sub create ($call) {
    my $data  = $call->args->[0];
    my $iscsi = $call->world->iscsi;
    my $ips   = _listen($call, 'create', $data);
    my $row   = $iscsi->insert(
        'portal',
        {
            comment              => $data->{comment} // '', listen => $ips,
            discovery_authmethod => $data->{discovery_authmethod} // 'NONE',
            discovery_authgroup  => $data->{discovery_authgroup},
        }
    );
    $iscsi->update('portal', $row->{id}, { tag => $row->{id} });
    $iscsi->reload;
    return _row($call, $row);
}

sub update ($call) {
    my ($id, $data) = @{ $call->args };
    my $iscsi  = $call->world->iscsi;
    my $row    = found($call, 'portal', $CLASS, $id);
    my %change = map { $_ => $data->{$_} }
        grep { exists $data->{$_} } qw(comment discovery_authmethod discovery_authgroup);
    $change{listen} = _listen($call, 'update', $data, $id) if $data->{listen};
    $iscsi->update('portal', $id, \%change);
    $iscsi->reload;
    return _row($call, $row);
}

# The rows of the targets that used it go with it, as the database cascades.
sub delete ($call) {
    my $id    = $call->args->[0];
    my $iscsi = $call->world->iscsi;
    found($call, 'portal', $CLASS, $id);
    $iscsi->remove('portal', $id);
    for my $target ($iscsi->rows('target')) {
        my @left = grep { $_->{portal} != $id } @{ $target->{groups} };
        $iscsi->update('target', $target->{id}, { groups => \@left })
            if @left != @{ $target->{groups} };
    }
    my $tag = 0;
    $iscsi->update('portal', $_->{id}, { tag => ++$tag }) for $iscsi->rows('portal');
    $iscsi->reload;
    return JSON::PP::true();
}

1;
