# SPDX-License-Identifier: Apache-2.0
# iscsi.targetextent.*: which extent a target shows at which LUN.
package TNSim::Methods::ISCSI::Mapping;
use v5.36;
use TNSim::Error;
use TNSim::Model::Crud    qw(readers found);
use TNSim::Model::Handler qw(methods_of);

my $CLASS       = 'iSCSITargetToExtent';
my $FOREIGN_KEY = '(sqlite3.IntegrityError) FOREIGN KEY constraint failed';

sub methods {
    my %all = (
        readers(
            'mapping', $CLASS, \&_row,
            extent => 'mapping_extent', target => 'mapping_target'
        ),
        create => { code => \&create },
        update => { code => \&update },
        delete => { code => \&delete },
    );
    return methods_of(map { ("iscsi.targetextent.$_" => $all{$_}) } keys %all);
}

sub _row ($call, $row) {
    return { map { $_ => $row->{$_} + 0 } qw(id target extent lunid) };
}

# First a query, then an insert: two calls at once can both pass, and "race_lun" plays that.
sub _check ($call, $schema, $row) {
    my $world = $call->world;
    my $iscsi = $world->iscsi;
    my $at    = "iscsi_targetextent_$schema";
    my $own   = $row->{id} // 0;
    my @bad;
    push @bad, ["$at.lunid", 'LUN ID must be a positive integer and lower than 16382']
        if $row->{lunid} < 0 || $row->{lunid} > 16382;
    push @bad, ["$at.lunid", 'LUN ID is already being used for this target.']
        if $iscsi->lun_taken($row->{target}, $row->{lunid})
        && !$world->take_knob('race_lun')
        && !grep { $_->{id} == $own && $_->{lunid} == $row->{lunid} }
        $iscsi->rows_by('mapping_target', $row->{target});
    push @bad, ["$at.extent", 'Extent is already in use.']
        if grep { $_->{id} != $own } $iscsi->rows_by('mapping_extent', $row->{extent});
    die TNSim::Error->validation(@bad) if @bad;
    _check_references($world, $at, $row);
    return;
}

sub _check_references ($world, $at, $row) {
    for my $field (qw(target extent)) {
        next if $world->iscsi->row($field, $row->{$field});
        die TNSim::Error->bare('IntegrityError', $FOREIGN_KEY)
            if $world->quirk('unknown_id_is_database_text');
        die TNSim::Error->validation(
            ["$at.$field", "$field $row->{$field} does not exist"]);
    }
    return;
}

sub _reload ($call) {
    my $world = $call->world;
    $world->iscsi->sync;
    die TNSim::Error->call('ESERVICESTARTFAILURE',
        'The iscsitarget service failed to start')
        if $world->service('iscsitarget')->{running} && $world->take_knob('reload_fails');
    return;
}

sub create ($call) {
    my $data  = $call->args->[0];
    my $iscsi = $call->world->iscsi;
    my %row   = (
        target => $data->{target} + 0, extent => $data->{extent} + 0,
        lunid  => $data->{lunid} // $iscsi->lowest_free_lun($data->{target}),
    );
    _check($call, 'create', \%row);
    my $row = $iscsi->insert('mapping', \%row);
    $iscsi->touched(mapping => $row);
    _reload($call);
    return _row($call, $row);
}

sub update ($call) {
    my ($id, $data) = @{ $call->args };
    my $iscsi = $call->world->iscsi;
    my $row   = found($call, 'mapping', $CLASS, $id);
    my %new   = (%$row,
        map { $_ => $data->{$_} + 0 } grep { defined $data->{$_} } qw(target extent lunid));
    _check($call, 'update', \%new);
    $iscsi->touched(mapping => $row);
    $iscsi->touched(mapping => $iscsi->update('mapping', $id, \%new));
    _reload($call);
    return _row($call, $row);
}

sub delete ($call) {
    my ($id, $force) = @{ $call->args };
    my $iscsi  = $call->world->iscsi;
    my $row    = found($call, 'mapping', $CLASS, $id);
    my $target = $iscsi->row('target', $row->{target});
    die TNSim::Error->call('EFAULT',
        'Associated target ' . $iscsi->iqn($target) . ' is in use.')
        if $target
        && !$force
        && $call->world->quirk('in_use_per_target')
        && $iscsi->target_in_use($target);
    $iscsi->remove_mapping($id);
    _reload($call);
    return JSON::PP::true();
}

1;
