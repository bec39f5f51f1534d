#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# pvesm add, set and remove: what is asked of the NAS, what is refused, where secrets go.

use v5.36;
no warnings qw(once);

use Test::More;
use lib 't/perl/lib';
use TNSTest;

my $plugin = plugin();
my $sim = start_sim();
my $IQN = 'iqn.2005-10.org.freenas.ctl:tnstor';

# All on one node, and so of one cluster.
my $node = TNSTest::node();

my sub add (%more) { return new_storage($sim, tn_initiator => 'kernel', use_multipath => 0, node_dir => $node, %more) }

my sub add_fails (%more) { return error_of(sub { add(%more) }) // 'added' }

my sub secrets_left () { return [glob("$TNStor::Secrets::DIR/*")] }

subtest 'add makes dataset and target when they are missing' => sub {
    my $cfg = add();
    my $scfg = $cfg->{ids}->{nas};
    like($scfg->{target_iqn}, qr/\Aiqn\.[^:]+:\S+\z/, 'the target stands in the section');
    is_deeply($plugin->list_images('nas', $scfg, undef, undef, {}), [], 'the storage works');
    my $before = $sim->world();
    my $again = add(storeid => 'nas2', target_iqn => $scfg->{target_iqn});
    is_deeply($sim->world()->{target}, $before->{target}, 'a second storage on it makes no target');
    $plugin->on_delete_hook($_->[0], $_->[1]->{ids}->{$_->[0]}) for ['nas', $cfg], ['nas2', $again];
};

subtest 'each wrong option is named, and nothing stays behind' => sub {
    my %wrong = (
        api_key => ['1-' . 'x' x 64, qr/api_key|key/],
        tn_fingerprint => [join(':', ('00') x 32), qr/fingerprint/],
        dataset => ['nopool/vm', qr/dataset|pool/],
        target_iqn => ["iqn.2001-01.org.example:elsewhere", qr/target/],
        api_port => [1, qr/api_host|api_port|connect/],
        api_host => ['no-such-host.invalid', qr/api_host|no-such-host/],
    );
    for my $option (sort keys %wrong) {
        my ($value, $pattern) = $wrong{$option}->@*;
        my $error = add_fails(target_iqn => $IQN, $option => $value);
        like($error, qr/\Astorage 'nas': [^\n]+\n\z/, "$option: one line");
        like($error, $pattern, "$option: named");
        is_deeply(secrets_left(), [], "$option: no secret stays");
    }
};

subtest 'add without a key is refused before anything is asked' => sub {
    my $costs = $sim->calls_of(sub { like(add_fails(api_key => ''), qr/api_key is missing/, 'refused') });
    is_deeply($costs, {}, 'no call');
};

subtest 'tn_initiator qemu is refused with CHAP and with containers' => sub {
    like(add_fails(tn_initiator => 'qemu', chap_user => 'u'), qr/chap_user/, 'CHAP');
    like(add_fails(tn_initiator => 'qemu', content => 'images,rootdir'), qr/rootdir/, 'containers');
};

subtest 'a key that may only read is refused when the storage is added' => sub {
    plan(skip_all => 'keys have roles from 25.04 on') if $sim->{release} =~ m/\A2[2-4]/;
    my $answer = $sim->post('/world', { keys => [{ name => 'reader', read_only => JSON::PP::true() }] });
    my ($reader) = $answer->{keys}->@*;
    $reader = $reader->{key} if ref($reader);
    like(add_fails(api_key => $reader), qr/api_key|role|permission|may not/i, 'refused');
};

subtest 'set: a new key is checked, kept, and used at once' => sub {
    my $cfg = add(target_iqn => undef);
    my $scfg = $cfg->{ids}->{nas};
    my $wrong = error_of(sub {
        $plugin->on_update_hook_full('nas', $scfg, { type => 'truenasplugin' }, undef, { api_key => '1-' . 'y' x 64 });
    });
    like($wrong, qr/\Astorage 'nas': /, 'a wrong key is refused');
    is_deeply($plugin->list_images('nas', $scfg, undef, undef, {}), [], 'the old one still works');
    $plugin->on_update_hook_full('nas', $scfg, { type => 'truenasplugin' }, undef, { api_key => $sim->{api_key} });
    is_deeply($plugin->list_images('nas', $scfg, undef, undef, {}), [], 'the new one works');
};

subtest 'a key that changes twice within a second is noticed each time' => sub {
    my $cfg = add(target_iqn => undef);
    my %seen;
    for my $key ($sim->{api_key}, '1-' . 'y' x 64) {
        TNStor::Secrets::update('nas', { api_key => $key });
        utime(1000, 1000, "$TNStor::Secrets::DIR/nas.pw") or die "utime: $!\n"; # as pmxcfs has times
        $seen{ TNStor::Secrets::changed('nas') } = 1;
    }
    is(scalar(keys %seen), 2, 'another state of the file');
    ok(error_of(sub { $plugin->list_images('nas', $cfg->{ids}->{nas}, undef, undef, {}) }), 'the new key is the one used');
};

subtest 'set: the key cannot be deleted, another secret can' => sub {
    my $cfg = add(target_iqn => undef);
    my $scfg = $cfg->{ids}->{nas};
    TNStor::Secrets::update('nas', { chap_password => 'twelve-or-more' });
    like(error_of(sub {
        $plugin->on_update_hook_full('nas', $scfg, { type => 'truenasplugin' }, ['api_key'], { api_key => undef });
    }), qr/api_key cannot be removed/, 'the key');
    $plugin->on_update_hook_full('nas', $scfg, { type => 'truenasplugin' }, ['chap_password'], { chap_password => undef });
    is_deeply([keys TNStor::Secrets::read('nas')->%*], ['api_key'], 'the other is gone');
};

subtest 'set: turning the storage off asks the NAS nothing' => sub {
    my $cfg = add(target_iqn => undef);
    my $costs = $sim->calls_of(sub {
        $plugin->on_update_hook_full('nas', $cfg->{ids}->{nas}, { type => 'truenasplugin', disable => 1 }, undef, {});
    });
    is_deeply($costs, {}, 'no call');
};

subtest 'storage API 10: the hooks take the key out of what is written' => sub {
    no warnings qw(redefine);
    my $cfg = add(target_iqn => undef);
    local *PVE::Storage::APIVER = sub { 10 };
    my %section = ($cfg->{ids}->{nas}->%*, api_key => $sim->{api_key}, chap_password => 'twelve-or-more');
    TNStor::Secrets::remove('nas');
    $plugin->on_add_hook('nas', \%section);
    ok(!exists($section{api_key}) && !exists($section{chap_password}), 'out of the section');
    is(TNStor::Secrets::read('nas')->{api_key}, $sim->{api_key}, 'into the file');

    local *PVE::Storage::config = sub { return { ids => { nas => \%section } } };
    my %update = (api_key => $sim->{api_key}, debug => 1);
    $plugin->on_update_hook('nas', \%update);
    is_deeply(\%update, { debug => 1 }, 'and out of an update');
};

subtest 'a key that stands in storage.cfg works, and is warned about once' => sub {
    my $cfg = add(target_iqn => undef);
    TNStor::Secrets::remove('nas');
    my $scfg = { $cfg->{ids}->{nas}->%*, api_key => $sim->{api_key} };
    my @warnings;
    local $SIG{__WARN__} = sub ($line) { push @warnings, $line };
    is_deeply($plugin->list_images('nas', { %$scfg, debug => $_ }, undef, undef, {}), [], 'works') for 0 .. 1;
    is(scalar(grep { m/api_key stands in storage\.cfg/ } @warnings), 1, 'one warning');
    is(scalar(grep { m/\Q$sim->{api_key}\E/ } @warnings), 0, 'without the key');
};

subtest 'a key that stands in storage.cfg is moved out as the warning says, and warned about until then' => sub {
    my $cfg = add(target_iqn => undef);
    my $scfg = { $cfg->{ids}->{nas}->%*, api_key => $sim->{api_key} };
    no warnings qw(redefine);
    for ([15, qr/--api_key \.\.\.' moves/], [12, qr/--api_key \.\.\. --delete api_key' moves/], [10, qr/then .*--delete api_key', move/]) {
        my ($version, $pattern) = @$_;
        local *PVE::Storage::APIVER = sub { $version };
        my @warnings;
        local $SIG{__WARN__} = sub ($line) { push @warnings, $line };
        TNStor::Handles::secrets("nas-$version", $scfg);
        like("@warnings", $pattern, "API $version: the command is one that PVE takes");
    }
    my @warnings;
    local $SIG{__WARN__} = sub ($line) { push @warnings, $line };
    ok(length(TNStor::Secrets::read('nas')->{api_key}), 'the file has a key, too');
    $plugin->on_update_hook_full('nas', $scfg, {}, [], { api_key => $sim->{api_key} });
    ok(!exists($scfg->{api_key}), 'and out of the section');
    is(TNStor::Secrets::read('nas')->{api_key}, $sim->{api_key}, 'it is in the file');
    my $both = { $cfg->{ids}->{nas}->%*, api_key => 'old' };
    is(error_of(sub {
        $plugin->on_update_hook_full('nas', $both, {}, ['api_key'], { api_key => $sim->{api_key} });
    }), undef, 'deleted and set at once is set');
    is(TNStor::Secrets::read('nas')->{api_key}, $sim->{api_key}, 'to the new one');
};

subtest 'a key in storage.cfg is warned about although the file has one' => sub {
    my $cfg = add(target_iqn => undef);
    my @warnings;
    local $SIG{__WARN__} = sub ($line) { push @warnings, $line };
    TNStor::Secrets::update('kept', { api_key => $sim->{api_key} });
    my $secrets = TNStor::Handles::secrets('kept', { api_key => 'the-old-one' });
    is(scalar(grep { m/'kept': api_key stands in storage\.cfg/ } @warnings), 1, 'warned');
    is($secrets->{api_key}, $sim->{api_key}, "the file's is used");
    TNStor::Secrets::remove('kept');
};

subtest 'up to API 12, CHAP is removed by one command although the hook is told of the secret alone' => sub {
    no warnings qw(redefine);
    my $cfg = add(target_iqn => undef);
    my %section = ($cfg->{ids}->{nas}->%*, chap_user => 'guest');
    TNStor::Secrets::update('nas', { api_key => $sim->{api_key}, chap_password => 'twelve-or-more' });
    local *PVE::Storage::APIVER = sub { 12 };
    local *PVE::Storage::config = sub { return { ids => { nas => \%section } } };
    is(error_of(sub { $plugin->on_update_hook('nas', {}, chap_password => undef) }), undef, 'not refused');
    is_deeply([keys TNStor::Secrets::read('nas')->%*], ['api_key'], 'the secret is gone');
};

subtest 'what concerns this node alone is set while the NAS is away' => sub {
    my $cfg = add(target_iqn => undef);
    my $scfg = $cfg->{ids}->{nas};
    for my $option (qw(debug tn_status_cache api_retry_max logout_on_free)) {
        my $costs = $sim->calls_of(sub { $plugin->on_update_hook_full('nas', $scfg, { $option => 1 }, [], {}) });
        is_deeply($costs, {}, "$option: no call");
    }
    my $costs = $sim->calls_of(sub { $plugin->on_update_hook_full('nas', $scfg, { tn_sparse => 0 }, [], {}) });
    ok(%$costs, 'an option of the NAS is asked about');
};

subtest 'remove works while the NAS is away, and keeps the data' => sub {
    my $cfg = add(target_iqn => undef);
    my $scfg = $cfg->{ids}->{nas};
    my $volname = $plugin->alloc_image('nas', $scfg, 100, 'raw', undef, 1024);
    $sim->fault(match => '*', do => 'hang', count => 1000);
    is(error_of(sub { $plugin->on_delete_hook('nas', $scfg) }), undef, 'removed');
    $sim->reset();
    is_deeply(secrets_left(), [], 'no secret stays');
    ok(scalar(grep { $_->{name} eq "tank/vm/$volname" } $sim->world()->{dataset}->@*), 'the volume is still there');
};

done_testing();
