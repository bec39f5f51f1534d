# SPDX-License-Identifier: Apache-2.0
# The switches for what one release does and another does not: QUIRKS.md lists them for
# people.
package TNSim::Quirks;
use v5.36;

# name => [first release, last release] that does it by itself; undef is an open end, and an
# empty list means that no release does it unless told so. The model's own switches come
# from
# TNSim::Model::Quirks::table(), in the same form.
my %TABLE = (
    login_limiter            => ['24.10', undef],
    limiter_counts_logged_in => ['24.10', '24.10'],
    limiter_table_full       => ['24.10', undef],
    revoke_on_insecure       => ['25.04', undef],
    loopback_insecure        => [],
    ping_needs_login         => ['22.12', '25.04'],
    legacy_pong              => ['22.12', '24.10'],
    message_limits           => ['24.10', undef],
    concurrency_limit        => ['22.12', undef],
    trace_frames             => ['22.12', '25.10'],
    mechanism_choices_broken => ['25.10', '25.10'],
    cancel_on_close          => ['26',    undef],
    rest_full_admin_only     => ['24.04', '25.10'],
    missing_args_type_error  => ['25.04', undef],
    core_bulk_job_id         => ['25.10', undef],
    old_versions_broken      => ['25.10', '25.10'],
    scram                    => ['26',    undef],
    filter_ignored           => [],
    reply_extra_fields       => [],
);

sub table ($class) {
    my %all = %TABLE;
    if (eval { require TNSim::Model::Quirks; 1 }) {
        my $model = TNSim::Model::Quirks::table();
        $all{$_} = $model->{$_} for keys %$model;
    }
    return \%all;
}

# Every switch and its state on this release (TNSim::Releases).
sub defaults ($class, $release) {
    my $table = $class->table;
    my %on;
    for my $name (keys %$table) {
        my $range = $table->{$name};
        $on{$name} = @$range && $release->between(@$range) ? 1 : 0;
    }
    return \%on;
}

1;
