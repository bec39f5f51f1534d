#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Every published example of a release is accepted by tnsim playing it, and answered in its
# form.
use v5.36;
use Test::More;
use FindBin ();
use lib "$FindBin::Bin/../lib";
use TNSim::Data;
use TNSim::Json qw(decode encode);
use TNSim::Releases;
use TNSim::Schema;
use TNSim::Test;

my $KEY      = '7-' . 'x' x 64;
my $true     = TNSim::Test::true;
my @examples = map { decode($_) } TNSim::Data::lines('examples.jsonl');
my $zvol     = 'tank/vm/vm-101-disk-0';

# Results that were invented with 25.10 in mind and lack (or have) fields of other releases:
# the
# schemas, which running servers printed, are right there.
my $on26  = sub ($release) { $release->at_least('26') };
my %OTHER = (
    'iscsi.global.sessions' => sub ($release) { $release->before('25.04') },
    'core.get_jobs'         => sub ($release) { $release->before('25.10') },
    'auth.sessions'         => sub ($release) { $release->at_least('25.10') },
    'core.set_options'      => sub ($release) { $release->at_least('25.10') },
    map { $_ => $on26 } qw(auth.login_ex pool.query iscsi.global.config iscsi.global.update
        iscsi.extent.create nvmet.namespace.create sharing.nfs.create),
);

# The requests fit the schemas as we ship them, and so do the results.
for my $release (map { TNSim::Releases->new($_) } TNSim::Releases->names) {
    my $data   = TNSim::Data->new($release);
    my $schema = TNSim::Schema->new(
        data       => $data, release => $release,
        type_error => sub { $release->at_least('25.04') });
    for my $example (
        grep { $_->{kind} eq 'calls' && $_->{request} && $release->in($_->{versions}) }
        @examples) {
        my ($method, $response) = @$example{qw(method response)};
        my $title = join ' ', $release->name, $method,
            $example->{title} // $example->{request}{id};
        ok defined $data->method($method), "$title: the method exists" or next;
        my $args  = eval { $schema->check($method, $example->{request}{params}) };
        my $extra = $response->{error} ? $response->{error}{data}{extra} : undef;
        my $form  = $extra && grep { ($_->[0] // '') =~ /\Adata\./ } @$extra;
        if   ($form) { ok !defined $args, "$title: refused for its form" }
        else         { ok defined $args,  "$title: the arguments" or diag $@->reason }
        next if !exists $response->{result} || $data->method($method)->{job};
        next if $OTHER{$method} && $OTHER{$method}->($release);
        is join('; ', $schema->check_result($method, $response->{result})), '',
            "$title: the result";
    }
}

# The state that the examples speak of.
sub furnish ($nas) {
    $nas->world(
        keys => [{
            id => 7, name => 'pve', user => 'svc_storage', secret => 'x' x 64, full => 1
        }],
        users => [
            { name => 'truenas_admin', password => 'pw' },
            { name => 'otpuser', password => 'pw', otp => 1 }
        ],
        limiter         => { calls => 1000, sleep => 0 },
        wrong_key_delay => 0,
        dataset         => [map { { name => $_, create => {} } } qw(tank/nfs tank/vm)],
    );
    return;
}

# Objects with the ids that the examples use.
sub iscsi ($nas, $mapped = 1) {
    $nas->world(session => undef);
    my $world = $nas->dump;
    for my $table (qw(mapping extent target)) {
        my $rows = $world->{$table};
        $nas->world(remove => [map { { table => $table, id => $_->{id} } } @$rows])
            if @$rows;
    }
    $nas->world(dataset => { name => $zvol, create => { volsize => 10 << 30 } });
    my %id;
    ($id{5}, $id{31}) = map { $_->{id} } @{
        $nas->world(
            insert => [{
                    table => 'target',
                    row   => {
                        name   => 'pve', alias => undef, mode => 'ISCSI', rel_tgt_id => 1,
                        groups => [],    auth_networks => [] }
                },
                {
                    table => 'extent',
                    row   => { name => 'vm-101-disk-0', disk => "zvol/$zvol" }
                },
            ]
        )->{insert} };
    $id{12} = 999_999;
    $id{12} = $nas->world(
        insert => {
            table => 'mapping',
            row   => { target => $id{5}, extent => $id{31}, lunid => 0 } }
    )->{insert}{id}
        if $mapped;
    $nas->{id} = \%id;
    return;
}

# The ids of the examples, as this world has them.
sub translated ($nas, $value) {
    return [map { translated($nas, $_) } @$value] if ref $value eq 'ARRAY';
    return { map { $_ => translated($nas, $value->{$_}) } keys %$value }
        if ref $value eq 'HASH';
    return defined $value && !ref $value ? $nas->{id}{$value} // $value : $value;
}

sub zvol ($nas, @snapshots) {
    for my $name ("tank/vm/clone-102", 'tank/vm/vm-102-disk-0', $zvol) {
        $nas->world(destroy => $name)
            if grep { $_->{name} eq $name } @{ $nas->dump->{dataset} };
    }
    $nas->world(dataset  => { name => $zvol, create => { volsize => 10 << 30 } });
    $nas->world(snapshot => [map {"$zvol\@$_"} @snapshots]) if @snapshots;
    return;
}

sub prepare_iscsi ($nas, $method, $error, $about) {
    my $unmapped =
           $method eq 'iscsi.extent.disk_choices'
        || $method eq 'iscsi.extent.create'       && !$error
        || $method eq 'iscsi.targetextent.create' && !$error;
    iscsi($nas, $unmapped ? 0 : 1);
    if ($unmapped && $method !~ /targetextent/) {
        $nas->world(remove => { table => 'extent', id => $nas->{id}{31} });
    }
    if ($method eq 'iscsi.target.create' && !$error) {
        $nas->world(remove => { table => 'target', id => $nas->{id}{5} });
        $nas->{ws}->call('iscsi.portal.create',    { listen => [{ ip => '127.0.0.1' }] });
        $nas->{ws}->call('iscsi.initiator.create', {});
    }
    $nas->world(session => { target => 'pve' })
        if $about =~ /in use\.\z/ && $error->{code} == -32_001;
    return;
}

sub prepare_job ($nas, $method, $text) {
    my $ws = $nas->{ws};
    $ws->call('core.set_options', { legacy_jobs => $true });
    return                       if $method eq 'core.bulk';
    $nas->world(job_delay => 10) if $method eq 'core.job_abort';
    my $id = $ws->result('core.bulk', $text =~ /813/ ? 'no.such' : 'core.ping', [[], [1]]);
    $nas->{id} = { 812 => $id, 813 => $id, 815 => $id };
    $nas->world(job_delay => 0);
    return;
}

sub prepare_zfs ($nas, $method, $text, $error, $about) {
    my $clone = { snapshot => "$zvol\@snap1", name => 'tank/vm/clone-102' };
    if ($method =~ /snapshot\.create\z/) {
        return zvol($nas, $about =~ /exists/ ? 'snap1' : ());
    }
    if ($method =~ /snapshot\./) {
        zvol($nas, 'snap1', $about =~ /snap2/ ? 'snap2' : ());
        $nas->world(clone => $clone) if $about =~ /clones/;
        return;
    }
    zvol($nas, $method =~ /promote/ || $about =~ /has snapshots/ ? 'snap1' : ());
    $nas->world(clone   => $clone) if $method =~ /promote/;
    $nas->world(destroy => $zvol)
        if $method eq 'pool.dataset.create' && $text =~ /\Q$zvol\E/ && !$error;
    return;
}

sub prepare_foreign ($nas, $method) {
    my $ws = $nas->{ws};
    if (   $method eq 'nvmet.namespace.delete'
        || $method =~ /\Asharing.*(?:delete|query)/ && !$nas->{shares}++) {
        $ws->call(
            'nvmet.namespace.create',
            { subsys_id => 1, device_type => 'ZVOL', device_path => "zvol/$zvol" });
        $ws->call('sharing.nfs.create', { path => '/mnt/tank/nfs' }) for 1 .. 3;
    }
    if ($method =~ /\Anvmet\.(?:port|host)_subsys\.create/) {
        $ws->call('nvmet.subsys.create', { name => 'pve' });
        $ws->call(
            'nvmet.port.create',
            { addr_trtype => 'TCP', addr_traddr => '192.0.2.20' });
        $ws->call('nvmet.host.create', { hostnqn => 'nqn.2014-08.org.nvmexpress:uuid:1' });
    }
    $ws->call('nvmet.subsys.create', { name => 'pve' })
        if $method eq 'nvmet.namespace.create';
    return;
}

# What has to be there (or not) before an example is played.
sub prepare ($nas, $example) {
    my ($method, $error) = ($example->{method}, $example->{response}{error});
    my $text  = encode($example->{request}{params} // []);
    my $about = $error ? $error->{data}{reason} // '' : '';
    if ($method =~ /\Aiscsi\.(?:extent|targetextent|target)\./) {
        return prepare_iscsi($nas, $method, $error, $about);
    }
    return prepare_job($nas, $method, $text) if $method =~ /\Acore\.(?:get_jobs|job_|bulk)/;
    return prepare_zfs($nas, $method, $text, $error, $about)
        if $method =~ /\A(?:pool\.dataset|pool\.snapshot|zfs)\./;
    return prepare_foreign($nas, $method);
}

# Examples that need a fault, another key, or another moment: they are played in auth.t and
# transport-jsonrpc.t, by their words.
my $ELSEWHERE = qr/Rate Limit|Not authenticated|Not authorized|dataset is busy|after start/;
my $STATE     = qr/plain ws|standby|job event/;

sub same_form ($got, $want, $title) {
    if (ref $want eq 'HASH') {
        my @missing = grep { !exists $got->{$_} } sort keys %$want;
        is "@missing", '', "$title: every field of the example is there";
    } elsif (ref $want eq 'ARRAY' && ref $want->[0] eq 'HASH' && @$want) {
        is ref $got, 'ARRAY', "$title: a list";
        same_form($got->[0], $want->[0], $title) if @$got;
    } elsif (!ref $want) {
        is ref $got, ref $want, "$title: a plain value";
    } else {
        is ref $got, ref $want, "$title: a value of the kind";
    }
    return;
}

sub play ($nas, $release, $example) {
    my ($request, $want) = @$example{qw(request response)};
    my $title = join ' ', $release->name, 'plays', $example->{method},
        $example->{title} // $request->{id};
    prepare($nas, $example);
    my $ws =
        $example->{method} =~ /\Aauth\.login/
        ? ($release->before('25.04') ? $nas->ddp(undef) : $nas->rpc(undef))
        : $nas->{ws};
    my $params = $request->{params};
    $nas->{id}{'192.0.2.20'} = '127.0.0.1';
    $params = translated($nas, $params) if $example->{method} eq 'iscsi.portal.create';
    $params = translated($nas, $params)
        if $example->{method} =~ /\A(?:iscsi\.(?:extent|target)|core\.(?:get_jobs|job_))/;
    my $got = $ws->call($example->{method}, @$params);

    if (!$want->{error}) {
        ok exists $got->{result}, "$title: a result"
            or return diag substr encode($got), 0, 400;
        my $other = $OTHER{ $example->{method} };
        my $meant = $want->{result};
        if ($example->{method} eq 'pool.dataset.query' && $release->at_least('25.10')) {
            # The trees of 25.10 and 26 show these only with their properties.
            delete @$_{qw(encrypted encryption_root key_loaded locked)} for @$meant;
        }
        return $other
            && $other->($release) ? undef : same_form($got->{result}, $meant, $title);
    }
    ok $got->{error}, "$title: an error" or return diag substr encode($got), 0, 400;
    my $data  = $release->before('25.04') ? $got->{error} : $got->{error}{data};
    my $meant = $want->{error}{data};
    if ($title =~ /model union/ && $release->at_least('26')) {
        # API.md 7, seen on the running server: 26 reports the branch that the type names.
        $meant = {
            error  => 22, extra => [['data.VOLUME.volsize', 'Field required', 22]],
            reason => "[EINVAL] data.VOLUME.volsize: Field required\n"
        };
    }
    if ($release->at_least('25.04')) {
        is $got->{error}{code}, $want->{error}{code}, "$title: the code";
        is $data->{error},      $meant->{error},      "$title: the errno";
    }
    # The example's namespace was deleted by the example before it: ours has the next
    # number.
    $meant = decode(encode($meant) =~ s/1 namespace: 1/1 namespace: 2/gr);
    is $data->{reason}, $meant->{reason}, "$title: the words";
    is_deeply $data->{extra}, $meant->{extra}, "$title: the places" if $meant->{extra};
    return;
}

# REST: what the example's path and verb ask for, by method.
my %VERB = (POST => 'create', PUT => 'update', DELETE => 'delete');

sub method_of ($request) {
    my ($path) = $request->{path} =~ m{\A/api/v2\.0/([^?]+)};
    my ($space, $item) = $path =~ m{\A(.*?)(/id/[^/]+)?(?:/promote)?\z};
    my $name = $space =~ tr{/}{.}r;
    return "$name.promote" if $path =~ /promote/;
    return $name
        if $name =~ /\.(?:rollback|clone|recommended_zvol_blocksize|start|get_jobs|bulk)\z/;
    my $verb = $VERB{ $request->{verb} } // ($item ? 'get_instance' : 'query');
    return "$name.$verb";
}

sub play_rest ($nas, $release, $example) {
    my ($request, $want) = @$example{qw(request response)};
    my $method = method_of($request);
    my $title  = join ' ', $release->name, 'plays', @$request{qw(verb path)};
    my $body   = $request->{body};
    my $error =
        $want->{status} == 422
        ? { code => 0, data => { reason => encode($want->{body}) } }
        : undef;
    return if $want->{status} == 401 || $want->{status} == 403;
    prepare(
        $nas,
        {
            method   => $method, request => { params => [$body] },
            response => $error ? { error => $error } : { result => $want->{body} } });
    $nas->world(dataset => { name => $zvol, busy => 1 })
        if encode($want->{body}) =~ /is busy/;
    my $path = $request->{path} =~ s{\A/api/v2\.0/}{}r;
    $path =~ s{/id/([0-9]+)\z}{'/id/' . ($nas->{id}{$1} // $1)}e if $method =~ /\Aiscsi/;
    $path =~ s{\?id=812\z}{"?id=$nas->{id}{812}"}e if $method eq 'core.get_jobs';
    $body = translated($nas, $body) if $method =~ /\Aiscsi/;
    my $got = $nas->rest($request->{verb}, $path, defined $body ? \$body : undef, $KEY);
    $nas->world(dataset => { name => $zvol, busy => 0 })
        if encode($want->{body}) =~ /is busy/;
    is $got->{status}, $want->{status}, "$title: the status"
        or return diag substr $got->{body}, 0, 300;
    return is_deeply $got->{json}, $want->{body}, "$title: the error"
        if $want->{status} != 200 && $want->{body};
    return same_form($got->{json}, $want->{body}, $title) if $method ne 'core.get_jobs';
    return;
}

for my $release (map { TNSim::Releases->new($_) } TNSim::Releases->names) {
    my $nas = TNSim::Test->start($release->name, check_replies => 1);
    furnish($nas);
    $nas->{ws} = $release->before('25.04') ? $nas->ddp($KEY) : $nas->rpc($KEY);
    for my $example (
        grep { $_->{kind} eq 'calls' && $_->{request} && $release->in($_->{versions}) }
        @examples) {
        my $error = $example->{response}{error};
        my $words =
            ($error ? $error->{data}{reason} // '' : '') . ($example->{title} // '');
        next if $words =~ $ELSEWHERE || $words =~ $STATE;
        play($nas, $release, $example);
    }
    for my $example (grep { $_->{kind} eq 'rest' && $release->in($_->{versions}) }
        @examples) {
        play_rest($nas, $release, $example);
    }
    my $stats = $nas->stats;
    is $stats->{reply_violations}, 0,
        $release->name . ': every reply fits its published schema'
        or diag encode($stats->{violations});
}

done_testing;
