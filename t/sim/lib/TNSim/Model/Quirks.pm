# SPDX-License-Identifier: Apache-2.0
# What the state model does on one release and not on another: [first release, last release].
package TNSim::Model::Quirks;
use v5.36;

# undef is an open end; an empty list means that no release does it unless told so.
my %TABLE = (
    create_drops_user_properties     => ['26',    '26'],
    comments_inherit_text            => ['26',    '26'],
    comments_in_user_properties      => ['25.10', undef],
    inherited_shown_local            => ['25.10', undef],
    origin_upper_case                => ['25.10', undef],
    value_text_iec                   => ['25.10', undef],
    count_ignores_filters            => ['25.10', undef],
    children_only_by_id_filter       => ['22.12', '25.04'],
    crypto_only_when_asked           => ['25.10', undef],
    thick_is_exactly_volsize         => ['26',    undef],
    name_limit_200                   => ['22.12', '25.04'],
    sparse_counts_for_80_percent     => ['22.12', undef],
    delete_detaches_extents          => ['22.12', undef],
    delete_swallows_refusal          => ['26',    undef],
    recursive_delete_destroys_clones => ['26',    undef],
    rename_needs_force               => ['25.10', undef],
    rollback_keeps_only_clones       => ['26',    undef],
    snapshot_properties_empty        => ['26',    undef],
    snapshot_update_noop             => ['26',    undef],
    pool_snapshot_rename_broken      => ['26',    undef],
    extent_sets_zvol_readonly        => ['24.10', undef],
    one_extent_per_zvol              => ['25.10', undef],
    extent_name_flattened            => ['25.10', undef],
    in_use_per_target                => ['22.12', undef],
    unknown_id_is_database_text      => ['22.12', undef],
    silent_service_failure           => ['22.12', undef],
);

sub table { return \%TABLE }

1;
