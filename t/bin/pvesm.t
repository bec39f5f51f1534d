#!/usr/bin/perl -T
# SPDX-License-Identifier: Apache-2.0
# t/bin/pvesm: each verb once, what it says when something is wrong, and the generations of the storage API.

use v5.36;
no warnings qw(once);

use Test::More;
use lib 't/perl/lib';
use TNSTest;

my $sim = start_sim();
my $node = TNSTest::node();
my $cfg = "$node/storage.cfg";
start_holder("$node/run"); # so many processes are more logins than the NAS accepts

# Exit status, standard output, error output.
my sub pvesm (@args) {
    my $complaints = "$node/stderr";
    ($_) = m/\A(.*)\z/s for @args; # the test's own
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    if (!$pid) {
        open(STDERR, '>', $complaints) or die "cannot write: $!\n";
        exec(top() . '/t/bin/pvesm', '--cfg', $cfg, '--priv', "$node/priv", '--run-dir', "$node/run", '--sysroot',
            "$node/root", '--holder', build_dir() . '/bin/tnsessiond', @args) or die "exec: $!\n";
    }
    my @lines = readline($out);
    close($out);
    my $status = $? >> 8;
    open(my $fh, '<', $complaints) or die "cannot read: $!\n";
    return ($status, join('', @lines), join('', readline($fh)));
}

my sub says ($what, $pattern, @args) {
    my ($status, $said, $complaints) = pvesm(@args);
    is($status, 0, "$what: done") or diag($complaints);
    like($said, $pattern, "$what: what it says");
    is($complaints, '', "$what: without complaints");
    return;
}

my sub refuses ($what, $pattern, @args) {
    my ($status, $said, $complaints) = pvesm(@args);
    is($status, 1, "$what: refused");
    is($said, '', "$what: nothing on standard output");
    like($complaints, $pattern, "$what: why");
    return;
}

my sub text_of ($file) {
    open(my $fh, '<', $file) or return '';
    return join('', readline($fh));
}

my @add = ('--api_host', $sim->{host}, '--api_port', $sim->{port}, '--tn_fingerprint', $sim->{fingerprint}, '--dataset',
    'tank/vm', '--tn_initiator', 'qemu', '--content', 'images', '--discovery_portal', $sim->{iscsi_portals}->[0]);

my @versions = $ENV{TNS_PVE_LIB} ? ('real') : (10 .. 15);
for my $version (@versions) {
    subtest "storage API $version: add, set and remove keep the key out of storage.cfg" => sub {
        local $ENV{TNS_TEST_APIVER} = $version;
        says('add', qr/\A\z/, 'add', 'nas', '--api_key', $sim->{api_key}, @add);
        like(text_of($cfg), qr/^truenasplugin: nas$/m, 'the section is there');
        like(text_of($cfg), qr/^\s+target_iqn iqn\./m, 'with the target that was made');
        unlike(text_of($cfg), qr/api_key|\Q$sim->{api_key}\E/, 'without the key');
        is(text_of("$node/priv/nas.pw"), "api_key=$sim->{api_key}\n", 'which is in the file of secrets');

        says('set', qr/\A\z/, 'set', 'nas', '--tn_status_cache', '60', '--api_key', $sim->{api_key});
        like(text_of($cfg), qr/^\s+tn_status_cache 60$/m, 'an option is set');
        unlike(text_of($cfg), qr/api_key|\Q$sim->{api_key}\E/, 'the key is not there either');
        refuses('set of a wrong key', qr/\Astorage 'nas': [^\n]+\n\z/, 'set', 'nas', '--api_key', '1-' . 'w' x 64);
        is(text_of("$node/priv/nas.pw"), "api_key=$sim->{api_key}\n", 'which changes nothing');
        says('set with --delete', qr/\A\z/, 'set', 'nas', '--debug', 1, '--delete', 'tn_status_cache');
        unlike(text_of($cfg), qr/tn_status_cache/, 'an option is deleted');
        says('status', qr/^nas +truenasplugin +active/m, 'status');
        says('remove', qr/\A\z/, 'remove', 'nas');
        unlike(text_of($cfg), qr/nas/, 'no section stays');
        ok(!-e "$node/priv/nas.pw", 'no secret stays');
    };
}

subtest 'what add refuses leaves nothing behind' => sub {
    refuses('no key', qr/api_key is missing/, 'add', 'nas', @add);
    my @with_key = ('--api_key', $sim->{api_key}, @add);
    refuses('a wrong dataset', qr/\Astorage 'nas': [^\n]*dataset[^\n]*\n\z/, 'add', 'nas', @with_key, '--dataset', 'no/pool');
    refuses('an unknown option', qr/colour/, 'add', 'nas', @with_key, '--colour', 'red');
    unlike(text_of($cfg), qr/nas/, 'no section');
    is_deeply([glob("$node/priv/*")], [], 'no secret');
};

subtest 'the verbs of a volume' => sub {
    says('add', qr/\A\z/, 'add', 'nas', '--api_key', $sim->{api_key}, @add);
    refuses('add again', qr/exists already/, 'add', 'nas', '--api_key', $sim->{api_key}, @add);
    says('identity', qr/\A\S+\n\z/, 'identity', 'nas');
    says('alloc', qr/\Anas:vm-100-disk-0\n\z/, 'alloc', 'nas', 100, '', '8M');
    says('alloc by name', qr/\Anas:vm-101-disk-7\n\z/, 'alloc', 'nas', 101, 'vm-101-disk-7', '4096');
    says('list', qr/^nas:vm-100-disk-0 +raw +8388608 +100\nnas:vm-101-disk-7 +raw +4194304 +101\n\z/m, 'list', 'nas');
    says('list of a guest', qr/\A[^\n]+\nnas:vm-101-disk-7[^\n]+\n\z/, 'list', 'nas', '--vmid', 101);
    says('path', qr{\A/dev/tnstor/nas/vm-100-disk-0\n\z}, 'path', 'nas:vm-100-disk-0');
    says('activate', qr/\A\z/, 'activate', 'nas:vm-100-disk-0');
    says('path when active', qr{\Aiscsi://\S+/\d+\n\z}, 'path', 'nas:vm-100-disk-0');
    says('blockdev', qr/\Adriver=iscsi,initiator-name=iqn\.\S+,lun=\d+,portal=\S+,target=iqn\.\S+,transport=tcp\n\z/,
        'blockdev', 'nas:vm-100-disk-0');
    says('deactivate', qr/\A\z/, 'deactivate', 'nas:vm-100-disk-0');
    says('resize', qr/\A\z/, 'resize', 'nas:vm-100-disk-0', '16M');
    says('snapshot', qr/\A\z/, 'snapshot', 'nas:vm-100-disk-0', $_) for qw(one two);
    says('listsnapshot', qr/\Aone\ntwo\n\z/, 'listsnapshot', 'nas:vm-100-disk-0');
    refuses('rollback past a newer one', qr/newer snapshots exist: two/, 'rollback', 'nas:vm-100-disk-0', 'one');
    says('rollback', qr/\A\z/, 'rollback', 'nas:vm-100-disk-0', 'two');
    says('delsnapshot', qr/\A\z/, 'delsnapshot', 'nas:vm-100-disk-0', $_) for qw(two one);
    says('rename', qr/\Anas:vm-102-disk-0\n\z/, 'rename', 'nas:vm-100-disk-0', 102);
    says('template', qr/\Anas:base-102-disk-0\n\z/, 'template', 'nas:vm-102-disk-0');
    says('clone', qr{\Anas:base-102-disk-0/vm-103-disk-0\n\z}, 'clone', 'nas:base-102-disk-0', 103);
    refuses('free of a template in use', qr/in use/, 'free', 'nas:base-102-disk-0');
    says('free', qr/\A\z/, 'free', "nas:$_") for qw(base-102-disk-0/vm-103-disk-0 base-102-disk-0 vm-101-disk-7);
    says('list of nothing', qr/\A[^\n]+\n\z/, 'list', 'nas');
    says('remove', qr/\A\z/, 'remove', 'nas');
};

subtest 'what is no use at all' => sub {
    refuses('no verb', qr/\Ausage: /);
    refuses('an unknown verb', qr/\Ausage: /, 'frobnicate');
    refuses('too few arguments', qr/\Ausage: /, 'alloc', 'nas');
    refuses('an unknown storage', qr/'other'/, 'list', 'other');
    refuses('a volume id that is none', qr/unable to parse/, 'path', '/etc/passwd');
    refuses('a size that is none', qr/'big' is not a size/, 'alloc', 'nas', 100, '', 'big');
};

done_testing();
