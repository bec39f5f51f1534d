# SPDX-License-Identifier: Apache-2.0
# iscsi.initiator.*: groups of initiator names; an empty list admits everyone.
package TNSim::Methods::ISCSI::Initiator;
use v5.36;
use TNSim::Model::Crud    qw(readers found);
use TNSim::Model::Handler qw(methods_of);

my $CLASS = 'iSCSITargetAuthorizedInitiator';

sub methods {
    my %all = (
        readers('initiator', $CLASS, \&_row),
        create => { code => \&create }, update => { code => \&update },
        delete => { code => \&delete },
    );
    return methods_of(map { ("iscsi.initiator.$_" => $all{$_}) } keys %all);
}

sub _row ($call, $row) {
    return {
        id         => $row->{id} + 0, comment => $row->{comment},
        initiators => [@{ $row->{initiators} }],
    };
}

sub create ($call) {
    my $data  = $call->args->[0] // {};
    my $iscsi = $call->world->iscsi;
    my $row   = $iscsi->insert(
        'initiator',
        {
            comment    => $data->{comment} // '',
            initiators => [@{ $data->{initiators} // [] }],
        }
    );
    $iscsi->reload;
    return _row($call, $row);
}

sub update ($call) {
    my ($id, $data) = @{ $call->args };
    my $iscsi = $call->world->iscsi;
    my $row   = found($call, 'initiator', $CLASS, $id);
    my %change =
        map { $_ => $data->{$_} } grep { exists $data->{$_} } qw(comment initiators);
    $iscsi->update('initiator', $id, \%change);
    $iscsi->reload;
    return _row($call, $row);
}

# A target's group that used it admits everyone from then on: the reference becomes null.
sub delete ($call) {
    my $id    = $call->args->[0];
    my $iscsi = $call->world->iscsi;
    found($call, 'initiator', $CLASS, $id);
    $iscsi->remove('initiator', $id);
    for my $target ($iscsi->rows('target')) {
        my @groups = map {
            defined $_->{initiator} && $_->{initiator} == $id
                ? { %$_, initiator => undef }
                : $_
        } @{ $target->{groups} };
        $iscsi->update('target', $target->{id}, { groups => \@groups });
    }
    $iscsi->reload;
    return JSON::PP::true();
}

1;
