# SPDX-License-Identifier: Apache-2.0
# pool.query and pool.get_instance.
package TNSim::Methods::Pool;
use v5.36;
use TNSim::Error;
use TNSim::Model::Handler qw(methods_of bool);

sub methods {
    return methods_of(
        'pool.query'        => { code => \&query },
        'pool.get_instance' => { code => \&get_instance },
    );
}

sub _row ($world, $pool) {
    my $zfs       = $world->zfs;
    my $gone      = $pool->{exported};
    my $allocated = $gone ? undef : $zfs->pool_allocated($pool->{name});
    my $free      = $gone ? undef : $pool->{size} - $allocated;
    my $text      = sub ($n) { return defined $n ? "$n" : undef };
    my $kind      = $pool->{draid} ? 'DRAID' : 'MIRROR';
    return {
        id          => $pool->{id} + 0, name => $pool->{name}, guid => "$pool->{guid}",
        path        => "/mnt/$pool->{name}", status => $gone ? 'OFFLINE' : $pool->{status},
        status_code => $gone ? undef : 'OK', status_detail => undef,
        healthy     => bool(!$gone && $pool->{status} eq 'ONLINE'), warning => bool(0),
        is_upgraded => bool(1),                                     expand  => undef,
        size        => $gone ? undef : $pool->{size} + 0,
        size_str    => $gone ? undef : "$pool->{size}",
        allocated   => $allocated, allocated_str => $text->($allocated),
        free        => $free, free_str => $text->($free), freeing => $gone ? undef : 0,
        freeing_str => $gone ? undef : '0', fragmentation => $gone ? undef : '3',
        autotrim    => {
            parsed => 'off', rawvalue => 'off', source => 'DEFAULT', value => 'off',
        },
        dedup_table_size => 0, dedup_table_quota => 'auto',
        $world->is_at_least('26') ? (all_sed => bool(0)) : (),
        scan => $gone || $world->is_at_least('26') ? undef : {
            map { $_ => undef }
                qw(bytes_issued bytes_processed bytes_to_process end_time errors
                function pause percentage start_time state total_secs_left)
        },
        topology => $gone ? undef : {
            cache => [], dedup => [], log => [], spare => [], special => [],
            data  => [
                {
                    children => [], guid => '1188', name => lc($kind) . '-0', path => undef,
                    stats    => {}, status => $pool->{status}, type => $kind,
                }
            ],
        },
    };
}

sub query ($call) {
    my $world = $call->world;
    my $pools = $world->store->table('pool');
    return $call->rows_query(
        [map { _row($world, $_) } sort { $a->{id} <=> $b->{id} } values %$pools]);
}

sub get_instance ($call) {
    my $id     = $call->args->[0];
    my $world  = $call->world;
    my ($pool) = grep { $_->{id} eq $id } values %{ $world->store->table('pool') };
    die TNSim::Error->not_found("Pool $id does not exist") unless $pool;
    return _row($world, $pool);
}

1;
