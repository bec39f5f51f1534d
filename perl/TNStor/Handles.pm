# SPDX-License-Identifier: Apache-2.0
# Open storages, one a process and section, and calls on them that die with one line.
package TNStor::Handles;

use v5.36;

use TNStor::Options;
use TNStor::Secrets;

# PVE ends what runs under a cluster lock after 60 s; a poll must not hold pvestatd up.
our $TIMEOUT_MS = 45_000;
my %TIMEOUT_MS = (status => 1_500, check => 20_000, setup => 40_000);

# Where things are on this node, for tests: tn_run_dir, tn_sysroot, tn_holder, tn_node.
our %NODE;

my %open; # storeid => { pid, digest, storage }
my %warned; # what was said once

my @SYSLOG = qw(emerg alert crit err warning notice info debug);

my sub log_line ($level, $component, $message) {
    require PVE::SafeSyslog;
    PVE::SafeSyslog::syslog($SYSLOG[$level] // 'info', '%s', "tnstor $component: $message");
    return;
}

sub warn_once ($text) {
    warn "$text\n" if !$warned{$text}++;
    return;
}

# What moves a secret out of storage.cfg: only from API 13 on does PVE let the hook take it out.
my sub way_out ($storeid, $name) {
    my $set = "pvesm set $storeid --$name ...";
    my $version = PVE::Storage::APIVER();
    return "'$set' moves it" if $version >= 13;
    return "'$set --delete $name' moves it" if $version >= 11;
    return "'$set', and then 'pvesm set $storeid --delete $name', move it";
}

sub secrets ($storeid, $scfg) {
    my $secrets = TNStor::Secrets::read($storeid);
    for my $name (grep { defined($scfg->{$_}) } sort keys TNStor::Options::secrets()->%*) {
        warn_once("storage '$storeid': $name stands in storage.cfg, readable for many; "
            . way_out($storeid, $name)
            . ' to a file for root alone');
        $secrets->{$name} //= $scfg->{$name};
    }
    return $secrets;
}

# Loaded at the first use: without it PVE::Storage still loads, and other storages work.
sub load_library () {
    return if eval { require TNStor; 1 };
    die "the library of the truenasplugin storage type cannot be loaded: " . ($@ =~ s{\s+}{ }gr) . "\n";
}

# Opens without asking the NAS anything. A section that cannot work says why at each use.
sub open_new ($storeid, $scfg, $secrets) {
    die "storage '$storeid': transport_mode nvme-tcp is not supported; only iscsi is\n"
        if ($scfg->{transport_mode} // 'iscsi') ne 'iscsi';
    load_library();
    my $level = $scfg->{debug} ? 7 : 6;
    my $options = TNStor::Options::for_library($storeid, $scfg, $secrets);
    return TNStor::Storage->open({ %$options, %NODE }, \&log_line, $level);
}

my sub digest ($storeid, $scfg) {
    my @scalars = grep { defined($scfg->{$_}) && !ref($scfg->{$_}) } sort keys %$scfg;
    return join("\0", TNStor::Secrets::changed($storeid), map { "$_=$scfg->{$_}" } @scalars);
}

my sub handle ($storeid, $scfg) {
    my $digest = digest($storeid, $scfg);
    my $known = $open{$storeid};
    return $known->{storage} if $known && $known->{pid} == $$ && $known->{digest} eq $digest;
    delete $open{$storeid};
    my $storage = open_new($storeid, $scfg, secrets($storeid, $scfg));
    $open{$storeid} = { pid => $$, digest => $digest, storage => $storage };
    return $storage;
}

sub forget ($storeid) {
    delete $open{$storeid};
    return;
}

# The error as PVE shows it: one line that names the storage. What is not ours stays as it is.
sub rethrow ($storeid, $error) {
    die $error if !ref($error);
    die "storage '$storeid': " . ($error->{text} // "$error") . "\n";
}

# Runs one method of the library's.
sub call ($storeid, $scfg, $method, @args) {
    my $result = eval {
        my $storage = handle($storeid, $scfg);
        $storage->set_timeout($TIMEOUT_MS{$method} // $TIMEOUT_MS);
        $storage->$method(@args);
    };
    rethrow($storeid, $@) if $@;
    return $result;
}

1;
