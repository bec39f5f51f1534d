# SPDX-License-Identifier: Apache-2.0
# iscsi.target.*: names that initiators log in to, and who may.
package TNSim::Methods::ISCSI::Target;
use v5.36;
use TNSim::Error;
use TNSim::Model::Crud    qw(readers found);
use TNSim::Model::Handler qw(methods_of);

my $CLASS = 'iSCSITarget';
my $BAD_NAME =
      'Only lowercase alphanumeric characters plus dot (.), dash (-), and colon (:) '
    . 'are allowed.';

sub methods {
    my %all = (
        readers('target', $CLASS, \&_row, name => 'target_name'),
        create        => { code => \&create }, update => { code => \&update },
        delete        => { code => \&delete },
        validate_name => { code => \&validate_name, from => '23.10' },
    );
    return methods_of(map { ("iscsi.target.$_" => $all{$_}) } keys %all);
}

sub _row ($call, $row) {
    my $world = $call->world;
    my %shown = (
        id            => $row->{id} + 0, name => $row->{name}, alias => $row->{alias},
        mode          => $row->{mode} // 'ISCSI',
        auth_networks => [@{ $row->{auth_networks} // [] }],
        groups        => [
            map {
                { %$_ }
            } @{ $row->{groups} }
        ],
    );
    $shown{rel_tgt_id} = ($row->{rel_tgt_id} // $row->{id}) + 0
        if $world->is_at_least('23.10');
    $shown{iscsi_parameters} = $row->{iscsi_parameters} if $world->is_at_least('25.04');
    return \%shown;
}

sub _same_name ($world) {
    return $world->is_at_least('23.10')
        ? 'Target with this name already exists'
        : 'Target name already exists';
}

# undef: the name is fine.
sub _name_error ($world, $name, $own) {
    return $BAD_NAME if $name !~ /\A[a-z0-9.:-]+\z/;
    my @others = grep { !defined $own || $_->{id} != $own }
        $world->iscsi->rows_by('target_name', $name);
    return @others ? _same_name($world) : undef;
}

sub validate_name ($call) {
    my ($name, $own) = @{ $call->args };
    return _name_error($call->world, $name, $own);
}

sub _alias_errors ($world, $at, $alias, $own) {
    return unless defined $alias;
    my @bad;
    push @bad, ["$at.alias", 'target is a reserved word']     if lc $alias eq 'target';
    push @bad, ["$at.alias", 'Double quotes are not allowed'] if $alias =~ /"/;
    push @bad, ["$at.alias", 'Alias already exists']
        if grep { defined $_->{alias} && $_->{alias} eq $alias && $_->{id} != ($own // 0) }
        $world->iscsi->rows('target');
    return @bad;
}

sub _auth_errors ($iscsi, $at, $group) {
    my $method = $group->{authmethod} // 'NONE';
    my $tag    = $group->{auth};
    if (!defined $tag) {
        return $method eq 'NONE'
            ? ()
            : ["$at.auth", 'Authentication group is required for CHAP and CHAP Mutual'];
    }
    my @auth = grep { $_->{tag} == $tag } $iscsi->rows('auth');
    return ["$at.auth", 'Authentication group not found', 'ENOENT'] unless @auth;
    return ["$at.auth", "Authentication group $tag does not support CHAP Mutual"]
        if $method eq 'CHAP_MUTUAL' && !grep { ($_->{peeruser} // '') ne '' } @auth;
    return;
}

sub _group_errors ($iscsi, $at, $groups) {
    my (@bad, %seen);
    for my $i (0 .. $#$groups) {
        my $group = $groups->[$i];
        my $here  = "$at.groups.$i";
        push @bad, ["$here.portal", "$group->{portal} Portal not found in database"]
            unless $iscsi->row('portal', $group->{portal});
        push @bad,
            ["$here.portal", "Portal $group->{portal} cannot be duplicated on a target"]
            if $seen{ $group->{portal} }++;
        push @bad,
            ["$here.initiator", "$group->{initiator} Initiator not found in database"]
            if defined $group->{initiator}
            && !$iscsi->row('initiator', $group->{initiator});
        push @bad, _auth_errors($iscsi, $here, $group);
    }
    return @bad;
}

sub _network_errors ($at, $networks) {
    return map {
        [
            "$at.auth_networks.$_",
            "Auth network \"$networks->[$_]\" is not a valid IPv4 or IPv6 network"
        ]
    } grep {
        $networks->[$_] !~ m{\A(?:\d{1,3}(?:\.\d{1,3}){3}/\d{1,2}|[0-9A-Fa-f:]+/\d{1,3})\z}
    } 0 .. $#$networks;
}

sub _check ($call, $schema, $data, $own = undef) {
    my $world = $call->world;
    my $at    = "iscsi_target_$schema";
    my @bad;
    if (defined $data->{name}) {
        my $text = _name_error($world, $data->{name}, $own);
        push @bad, ["$at.name", $text] if defined $text;
    }
    push @bad, _alias_errors($world, $at, $data->{alias}, $own);
    push @bad, ["$at.mode", 'Fibre Channel not enabled']
        if ($data->{mode} // 'ISCSI') ne 'ISCSI' && $world->is_at_least('25.04');
    push @bad, _group_errors($world->iscsi, $at, $data->{groups} // []);
    push @bad, _network_errors($at, $data->{auth_networks}       // []);
    die TNSim::Error->validation(@bad) if @bad;
    return;
}

sub _groups ($groups) {
    return [
        map {
            {
                portal     => $_->{portal} + 0,           initiator => $_->{initiator},
                authmethod => $_->{authmethod} // 'NONE', auth      => $_->{auth},
            }
        } @$groups
    ];
}

sub create ($call) {
    my $data  = $call->args->[0];
    my $iscsi = $call->world->iscsi;
    _check($call, 'create', $data);
    my %taken = map { $_->{rel_tgt_id} => 1 } $iscsi->rows('target');
    my $free  = 1;
    $free++ while $taken{$free};
    my $row = $iscsi->insert(
        'target',
        {
            name             => $data->{name}, alias => $data->{alias},
            mode             => $data->{mode} // 'ISCSI',
            groups           => _groups($data->{groups} // []), rel_tgt_id => $free,
            auth_networks    => $data->{auth_networks} // [],
            iscsi_parameters => $data->{iscsi_parameters},
        }
    );
    $iscsi->reload;
    return _row($call, $row);
}

sub update ($call) {
    my ($id, $data) = @{ $call->args };
    my $iscsi = $call->world->iscsi;
    my $row   = found($call, 'target', $CLASS, $id);
    _check($call, 'update', $data, $id);
    my %change = map { $_ => $data->{$_} }
        grep { exists $data->{$_} } qw(name alias mode auth_networks iscsi_parameters);
    $change{groups} = _groups($data->{groups}) if $data->{groups};
    $iscsi->update('target', $id, \%change);
    $iscsi->reload;
    return _row($call, $row);
}

sub delete ($call) {
    my ($id, $force, $with_extents) = @{ $call->args };
    my $iscsi = $call->world->iscsi;
    my $row   = found($call, 'target', $CLASS, $id);
    die TNSim::Error->call('EFAULT', "Target $row->{name} is in use.")
        if !$force && $iscsi->target_in_use($row);
    $iscsi->remove_target($id, $with_extents);
    $iscsi->sync;
    return JSON::PP::true();
}

1;
