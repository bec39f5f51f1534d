# SPDX-License-Identifier: Apache-2.0
# api_key.*: the keys as the API shows them.
package TNSim::Core::ApiKey;
use v5.36;
use MIME::Base64 qw(encode_base64);
use TNSim::Error;
use TNSim::Json qw(bool date true);

sub methods () {
    return {
        'api_key.query' => {
            code => sub ($call) {
                $call->rows_query([map { _row($call, $_) } _all($call)]);
            }
        },
        'api_key.my_keys' => { code => \&_my_keys },
        'api_key.create'  => { code => \&_create },
        'api_key.delete'  => { code => \&_delete },
        'api_key.update'  => { code => \&_update },
    };
}

sub _all ($call) { return $call->server->keys->all }

sub _row ($call, $key) {
    my $release = $call->release;
    my %row = (id => $key->{id}, name => $key->{name}, created_at => date($key->{created}));
    return { %row, allowlist => $key->{full} ? [{ method => '*', resource => '*' }] : [] }
        if $release->before('25.04');
    %row = (
        %row, username => $key->{user},
        user_identifier => $key->{user} eq 'root' ? 1 : $key->{user},
        local           => true, revoked => bool($key->{revoked}),
        expires_at      => date($key->{expires}),
        $release->at_least('25.10') ? (revoked_reason => $key->{revoked_reason}) : (),
    );
    return { %row, keyhash => '********' } if $release->before('26');
    my $scram = $call->server->keys->scram($key);
    return {
        %row, iterations => $scram->{iterations}, salt => $scram->{salt},
        stored_key => encode_base64($scram->{stored_key}, ''),
        server_key => encode_base64($scram->{server_key}, ''),
    };
}

sub _my_keys ($call) {
    return [map { _row($call, $_) } grep { $_->{user} eq $call->user->{name} } _all($call)];
}

sub _create ($call) {
    my $spec = $call->arg(0);
    my $keys = $call->server->keys;
    if ($keys->find($spec->{name})) {
        die TNSim::Error->validation(
            ['api_key_create.name', 'name must be unique', 'EEXIST']);
    }
    my $expires = $spec->{expires_at};
    my $text    = $keys->add(
        name    => $spec->{name}, user => $spec->{username} // 'root', full => 1,
        expires => ref $expires ? $expires->{'$date'} / 1000 : undef
    );
    my %row = (%{ _row($call, $keys->match($text)) }, key => $text);
    $row{client_key} = '' if $call->release->at_least('26');
    return \%row;
}

sub _one ($call) {
    my $id = $call->arg(0);
    return $call->server->keys->get($id)
        // die TNSim::Error->not_found("APIKey $id does not exist");
}

sub _delete ($call) {
    $call->server->keys->remove(_one($call)->{id});
    return true;
}

sub _update ($call) {
    my ($key, $changes) = (_one($call), $call->arg(1));
    $key->{name} = $changes->{name} if defined $changes->{name};
    my %new;
    if ($changes->{reset}) { $new{key} = $call->server->keys->renew($key) }
    $call->server->keys->save;
    return { %{ _row($call, $key) }, %new };
}

1;
