# SPDX-License-Identifier: Apache-2.0
# query, get_instance and the not-found errors that all iscsi.* namespaces share.
package TNSim::Model::Crud;
use v5.36;
use Exporter 'import';
use TNSim::Error;
use TNSim::Model::Handler qw(simple_filter);

our @EXPORT_OK = qw(readers found);

# The row of this id, or the error of get_instance, update and delete.
sub found ($call, $table, $class, $id) {
    return $call->world->iscsi->row($table, $id)
        // die TNSim::Error->not_found("$class $id does not exist");
}

# query and get_instance: $show makes the answer's row; %by maps a field to an index of the
# model, so that a lone filter on it costs one look-up.
sub readers ($table, $class, $show, %by) {
    my $query = sub ($call) {
        my $iscsi   = $call->world->iscsi;
        my $filters = $call->args->[0] // [];
        my @rows;
        my ($field) = grep { defined simple_filter($filters, $_) } 'id', keys %by;
        if    (!defined $field) { @rows = $iscsi->rows($table) }
        elsif ($field eq 'id')  { @rows = $iscsi->row($table, $filters->[0][2]) // () }
        else                    { @rows = $iscsi->rows_by($by{$field}, $filters->[0][2]) }
        return $call->rows_query([map { $show->($call, $_) } @rows]);
    };
    my $get = sub ($call) {
        return $show->($call, found($call, $table, $class, $call->args->[0]));
    };
    return (query => { code => $query }, get_instance => { code => $get });
}

1;
