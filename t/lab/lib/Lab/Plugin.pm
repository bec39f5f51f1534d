# SPDX-License-Identifier: Apache-2.0
# The plugin inside this very process and its children, as in a daemon of Proxmox VE: what many do at once,
# and what is killed in the middle.
package Lab::Plugin;

use v5.36;
no warnings qw(once);

use POSIX ();
use Time::HiRes qw(time);
use lib qw(/job/perl /job/build/xs /job/t/lib);
use Lab;
use Lab::Node qw(on_all_paths);

use Exporter qw(import);
our @EXPORT = qw(plugin_up section refused volume_new volume_free volume_on volume_off volume_on_all_paths workers killed_after);

my $cfg;

# After the storage was added: reads its section. Many things at once take long on an emulated processor, and how long
# is not what is checked: they get more seconds than a node has.
sub plugin_up ($seconds = 45) {
    require PVE::Storage::Custom::TrueNASPlugin;
    PVE::Storage::Custom::TrueNASPlugin->register();
    require PVE::Storage;
    require TNStor::Handles;
    require TNStor::Secrets;
    $TNStor::Secrets::DIR = '/etc/pve/priv/storage';
    $TNStor::Handles::TIMEOUT_MS = $seconds * 1000;
    %TNStor::Handles::NODE = (tn_holder => '/job/build/bin/tnsessiond');
    $cfg = $PVE::Storage::config
        = PVE::Storage::Plugin->parse_config('/etc/pve/storage.cfg', read_file('/etc/pve/storage.cfg'));
    return;
}

# The configuration, for everything else in PVE::Storage.
sub section () { return $cfg }

sub volume_new ($vmid, $mib = 32) { return PVE::Storage::vdisk_alloc($cfg, 'nas', $vmid, 'raw', undef, $mib * 1024) }
sub volume_free ($vol) { return PVE::Storage::vdisk_free($cfg, $vol) }

sub volume_on ($vol) { PVE::Storage::activate_volumes($cfg, [$vol]); return 1 }
sub volume_off ($vol) { PVE::Storage::deactivate_volumes($cfg, [$vol]); return 1 }

# Maps it until every portal has a session.
sub volume_on_all_paths ($vol, $paths = 2) {
    return on_all_paths(sub { volume_on($vol) }, $paths);
}

# That a piece of code dies and says why.
sub refused ($pattern, $code) {
    die "it did not fail\n" if eval { $code->(); 1 };
    die "it said: $@" if $@ !~ $pattern;
    return 1;
}

# A child that does something and ends; what went wrong goes into a pipe.
my sub child ($code) {
    my $pid = open(my $out, '-|') // die "cannot fork: $!\n";
    return ($pid, $out) if $pid;
    my $ok = eval { $code->(); 1 };
    syswrite(STDOUT, $@) if !$ok;
    POSIX::_exit($ok ? 0 : 1);
}

# So many processes at once, each with its number; all of them must end well.
sub workers ($count, $code) {
    my @running = map { my $n = $_; [$n, child(sub { $code->($n) })] } 0 .. $count - 1;
    my @failed;
    for my $one (@running) {
        my ($n, $pid, $out) = @$one;
        my $said = do { local $/ = undef; readline($out) } // '';
        close($out);
        push @failed, "process $n: $said" if $?;
    }
    die join('', @failed) if @failed;
    return 1;
}

# Kills the code's process after so many seconds, with a signal that it cannot see. True when it was in the
# middle, false when it had come to its end.
sub killed_after ($seconds, $code) {
    my ($pid, $out) = child($code);
    select(undef, undef, undef, $seconds);
    kill('KILL', $pid);
    my $said = do { local $/ = undef; readline($out) } // '';
    close($out);
    die $said if $? >> 8;
    return ($? & 127) == 9;
}

1;
