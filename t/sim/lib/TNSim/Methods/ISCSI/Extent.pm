# SPDX-License-Identifier: Apache-2.0
# iscsi.extent.*: what is shown as a disk, and the identity it shows.
package TNSim::Methods::ISCSI::Extent;
use v5.36;
use TNSim::Error;
use TNSim::Model::Crud    qw(readers found);
use TNSim::Model::Handler qw(methods_of bool);

my $CLASS = 'iSCSITargetExtent';

sub methods {
    my %all = (
        readers(
            'extent', $CLASS, \&_row,
            name   => 'extent_name', disk => 'extent_disk', path => 'extent_disk',
            serial => 'extent_serial'
        ),
        create       => { code => \&create },
        update       => { code => \&update },
        delete       => { code => \&delete },
        disk_choices => { code => \&disk_choices },
    );
    return methods_of(map { ("iscsi.extent.$_" => $all{$_}) } keys %all);
}

sub _row ($call, $row) {
    my $world = $call->world;
    my %shown = (
        %$row{qw(name type disk path serial naa rpm comment avail_threshold)},
        id        => $row->{id} + 0, filesize => "$row->{filesize}", vendor => 'TrueNAS',
        blocksize => $row->{blocksize} + 0, locked => bool($world->iscsi->is_locked($row)),
        map { $_ => bool($row->{$_}) } qw(pblocksize insecure_tpc xen ro enabled),
    );
    $shown{product_id} = $row->{product_id} // 'iSCSI Disk' if $world->is_at_least('25.10');
    @shown{qw(dataset relative_path)} = (undef, undef)
        if $world->is_at_least('26');
    return \%shown;
}

sub _flat ($name) { return $name =~ tr{./}{_-}r }

sub _name_errors ($world, $at, $name, $own) {
    my @bad;
    my $other = sub (@rows) {
        return grep { $_->{id} != ($own // 0) } @rows;
    };
    push @bad, ["$at.name", 'Extent name must be unique']
        if $other->($world->iscsi->rows_by('extent_name', $name));
    push @bad, ["$at.name", 'Double quotes are not allowed'] if $name =~ /"/;
    if (!@bad && $world->quirk('extent_name_flattened')) {
        my ($same) = $other->($world->iscsi->rows_by('extent_flat', _flat($name)));
        push @bad, ["$at.name", "Extent name must be unique when flattened ($same->{name})"]
            if $same;
    }
    return @bad;
}

sub _serial_errors ($world, $at, $serial, $own) {
    return if !defined $serial || !$world->is_at_least('23.10');
    my @bad;
    push @bad, ["$at.serial", 'Double quotes are not allowed'] if $serial =~ /"/;
    push @bad, ["$at.serial", 'Extent serial can not exceed 20 characters']
        if length $serial > 20;
    push @bad, ["$at.serial", 'Serial number must be unique']
        if grep { $_->{id} != ($own // 0) }
        $world->iscsi->rows_by('extent_serial', $serial);
    return @bad;
}

sub _disk_errors ($world, $at, $row) {
    my $disk = $row->{disk} // '';
    return ["$at.disk", 'This field is required']            if $disk eq '';
    return ["$at.disk", 'Disk name must start with "zvol/"'] if $disk !~ m{\Azvol/(.+)\z}s;
    my $zvol = $1;
    my ($dataset, $snap) = split /\@/, $zvol, 2;
    return ["$at.disk", "Device '/dev/zvol/$zvol' for volume '$zvol' does not exist"]
        if !$world->zfs->has_device($dataset)
        || defined $snap && !$world->zfs->find_snapshot($zvol);
    return ["$at.ro", 'Must be set when disk is a ZFS Snapshot']
        if defined $snap && !$row->{ro};
    return unless $world->quirk('one_extent_per_zvol');
    my ($other) =
        grep { $_->{id} != ($row->{id} // 0) } $world->iscsi->rows_by('extent_disk', $disk);
    return $other ? ["$at.disk", "Disk currently in use by extent $other->{name}"] : ();
}

sub _file_errors ($at, $row) {
    my $path = $row->{path} // '';
    return ["$at.path", 'This field is required'] if $path eq '';
    return ["$at.path", 'You need to specify a filepath not a directory']
        if $path =~ m{/\z};
    return ["$at.path", 'The file must exist if the extent size is set to auto (0)']
        if !$row->{filesize};
    return ["$at.filesize",
              "File size ($row->{filesize}) must be a multiple of block size "
            . "($row->{blocksize})"]
        if $row->{filesize} % $row->{blocksize};
    return;
}

sub _check ($world, $schema, $row) {
    my $at  = "iscsi_extent_$schema";
    my @bad = (
        _name_errors($world, $at, $row->{name}, $row->{id}),
        _serial_errors($world, $at, $row->{serial}, $row->{id}),
        $row->{type} eq 'DISK' ? _disk_errors($world, $at, $row) : _file_errors($at, $row),
    );
    die TNSim::Error->validation(@bad) if @bad;
    return;
}

my %DEFAULT = (
    type         => 'DISK', disk => undef,   path => undef, serial => undef, filesize => 0,
    blocksize    => 512,    pblocksize => 0, avail_threshold => undef, comment => '',
    insecure_tpc => 1, xen => 0, rpm => 'SSD', ro => 0, enabled => 1, product_id => undef,
);

sub _given ($data) {
    my %given = map { $_ => $data->{$_} } grep { exists $data->{$_} } 'name', keys %DEFAULT;
    $given{$_} = $given{$_} ? 1 : 0
        for grep { exists $given{$_} } qw(pblocksize insecure_tpc xen ro enabled);
    return %given;
}

sub create ($call) {
    my $data  = $call->args->[0];
    my $world = $call->world;
    my $iscsi = $world->iscsi;
    my %row   = (%DEFAULT, _given($data));
    _check($world, 'create', \%row);
    $row{serial} //= $iscsi->new_serial;
    $row{naa} = $iscsi->new_naa($row{serial});
    _set_path(\%row);
    $row{flat} = _flat($row{name});
    _set_readonly($world, \%row);
    return _row($call, $iscsi->insert('extent', \%row));
}

# From 24.10 on the zvol itself becomes read-only, or writable again, with its extent.
sub _set_readonly ($world, $row) {
    my $zvol = $world->iscsi->zvol_of($row) // return;
    return if $zvol =~ /\@/ || !$world->quirk('extent_sets_zvol_readonly');
    $world->zfs->set_property($zvol, 'readonly', $row->{ro} ? 'on' : 'off');
    return;
}

# A disk extent's path is its disk; a file extent has no disk.
sub _set_path ($row) {
    if   ($row->{type} eq 'DISK') { $row->{path} = $row->{disk} }
    else                          { $row->{disk} = undef }
    return;
}

sub update ($call) {
    my ($id, $data) = @{ $call->args };
    my $world  = $call->world;
    my $iscsi  = $world->iscsi;
    my $row    = found($call, 'extent', $CLASS, $id);
    my %given  = _given($data);
    my %change = (%$row, %given);
    $change{serial} //= $row->{serial};
    die TNSim::Error->validation(
        [
            'iscsi_extent_update.filesize',
            'Shrinking an extent is not allowed. This can lead to data loss.'
        ]
    ) if $change{type} eq 'FILE' && $change{filesize} < $row->{filesize};
    _check($world, 'update', \%change);
    _set_path(\%change);
    $change{flat} = _flat($change{name});
    _set_readonly($world, \%change);
    $iscsi->update('extent', $id, \%change);
    $iscsi->touched(mapping => $_) for $iscsi->rows_by('mapping_extent', $id);
    $iscsi->sync;
    return _row($call, $row);
}

sub delete ($call) {
    my ($id, $remove, $force) = @{ $call->args };
    my $iscsi = $call->world->iscsi;
    found($call, 'extent', $CLASS, $id);
    my %target = map  { $_->{target} => 1 } $iscsi->rows_by('mapping_extent', $id);
    my @busy   = grep { $iscsi->target_in_use($_) }
        grep { defined } map { $iscsi->row('target', $_) } sort keys %target;
    die TNSim::Error->call('EFAULT',
              'Associated target(s) '
            . join(',', map { $iscsi->iqn($_) } @busy)
            . (@busy > 1 ? ' are in use.' : ' is in use.'))
        if @busy && !$force && $call->world->quirk('in_use_per_target');
    $iscsi->remove_extent($id);
    $iscsi->sync;
    return JSON::PP::true();
}

# Only volumes that no extent has.
sub disk_choices ($call) {
    my $world = $call->world;
    my %choice;
    for my $name ($world->zfs->names) {
        next unless $world->zfs->has_device($name);
        next if $world->iscsi->rows_by('extent_disk', "zvol/$name");
        my $size = $world->rows->size_text($world->zfs->find($name)->{volsize}, 1);
        $choice{"zvol/$name"} = "$name ($size)";
    }
    return \%choice;
}

1;
