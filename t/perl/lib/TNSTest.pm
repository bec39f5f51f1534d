# SPDX-License-Identifier: Apache-2.0
# For tests of the plugin: a simulated NAS, a storage on it, and PVE's modules, real or stand-ins.
package TNSTest;

use v5.36;
no warnings qw(once);

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Select;
use JSON::PP qw(decode_json encode_json);
use Scalar::Util qw(tainted);

use Exporter qw(import);
our @EXPORT = qw(top build_dir pve_lib scratch start_sim start_holder new_storage plugin tainted_copy error_of);

my ($top) = abs_path(dirname(abs_path(__FILE__)) . '/../../..') =~ m/\A(.*)\z/s;
my ($build) = ($ENV{TNS_BUILD} // "$top/build") =~ m/\A(.*)\z/s;

$ENV{PATH} = '/usr/sbin:/usr/bin:/sbin:/bin';
delete @ENV{qw(IFS CDPATH ENV BASH_ENV)};

my ($owner, @sims, @scratch) = ($$);

sub top () { return $top }
sub build_dir () { return $build }

# A directory that goes away with the test.
sub scratch () {
    my ($dir) = tempdir('tnstor-perl-XXXXXX', TMPDIR => 1) =~ m/\A(.*)\z/s;
    push @scratch, $dir;
    return $dir;
}

END {
    if ($$ == $owner) {
        my $status = $?;
        $_->stop() for @sims;
        remove_tree($_) for @scratch;
        $? = $status;
    }
}

# ---- the NAS -----------------------------------------------------------------------------

sub start_sim (%param) {
    my $sim = bless { dir => scratch() }, 'TNSTest::Sim';
    my $iscsi = delete $param{iscsi} // 1;
    my @options = map { my $value = $param{$_}; ("--$_", defined($value) ? $value : ()) } sort keys %param;
    push @options, '--no-iscsi' if !$iscsi;
    unshift @options, '--release', $ENV{TNS_TEST_RELEASE} // '25.10' if !exists($param{release});
    $sim->{pid} = open($sim->{out}, '-|', "$top/t/sim/tnsim", '--listen', '127.0.0.1:0', '--state',
        $sim->{dir}, '--parent-pid', "$$", @options) // die "cannot start tnsim: $!\n";
    push @sims, $sim;
    IO::Select->new($sim->{out})->can_read(120) or die "tnsim does not start\n";
    my $line = readline($sim->{out}) // die "tnsim ended\n";
    my $told = decode_json($line);
    $sim->{$_} = $told->{$_} for keys %$told;
    # what is read from a pipe is tainted; here it is the test's own
    ($sim->{$_}) = $sim->{$_} =~ m/\A(.*)\z/s for qw(host port url api_key fingerprint control);
    $sim->post('/world', { limiter => { calls => 10_000 } });
    return $sim;
}

# The holder of the node's sessions, there until the end of the test.
sub start_holder ($run_dir) {
    my $pid = open(my $out, '-|', "$build/bin/tnsessiond", '--foreground', '--run-dir', $run_dir)
        // die "cannot start tnsessiond: $!\n";
    push @sims, bless({ pid => $pid, out => $out }, 'TNSTest::Sim');
    my $until = time() + 120;
    until (-e "$run_dir/holder.sock") {
        die "tnsessiond does not start\n" if time() > $until;
        select(undef, undef, undef, 0.01);
    }
    return;
}

package TNSTest::Sim {
    my $http = HTTP::Tiny->new(timeout => 60);

    my sub answer ($response) {
        die "tnsim: $response->{status} $response->{content}\n" if !$response->{success};
        return length($response->{content}) ? JSON::PP::decode_json($response->{content}) : undef;
    }

    sub get ($self, $path) { return answer($http->get("$self->{control}$path")) }

    sub post ($self, $path, $body = {}) {
        my $content = JSON::PP::encode_json($body);
        return answer($http->post("$self->{control}$path", { content => $content }));
    }

    sub stats ($self) { return $self->get('/stats') }
    sub world ($self) { return $self->get('/world') }
    sub fault ($self, %fault) { return $self->post('/fault', \%fault) }
    sub reset ($self) { return $self->post('/reset') }

    # The names of the methods that a piece of code called, logins left out.
    sub calls_of ($self, $code) {
        my $before = $self->stats()->{by_method};
        $code->();
        my $after = $self->stats()->{by_method};
        my %count = map { $_ => $after->{$_} - ($before->{$_} // 0) } grep { !m/^auth\./ } keys %$after;
        return { map { $_ => $count{$_} } grep { $count{$_} } keys %count };
    }

    # Calls and trips of a piece of code.
    sub cost ($self, $code) {
        my $before = $self->stats();
        $code->();
        my $after = $self->stats();
        return map { $after->{$_} - $before->{$_} } qw(calls trips);
    }

    sub stop ($self) {
        my $pid = delete $self->{pid} // return;
        kill('TERM', $pid);
        close($self->{out});
        return;
    }
}

package TNSTest;

# ---- PVE and a storage on that NAS -------------------------------------------------------

# Where PVE's modules are: real ones where they are named (TNS_PVE_LIB=dir:dir) or installed, else the stand-ins
# of t/lib. Real ones come with stand-ins for the cluster, which the tests have none of.
sub pve_lib () {
    my ($named) = ($ENV{TNS_PVE_LIB} // '') =~ m/\A(.*)\z/s;
    return ("$top/t/lib-node", split(/:/, $named)) if length($named);
    return ("$top/t/lib-node") if grep { -f "$_/PVE/Storage.pm" } '/usr/share/perl5';
    return ("$top/t/lib");
}

sub plugin () {
    state $plugin = do {
        unshift @INC, "$top/perl", "$build/xs", pve_lib();
        require PVE::Storage::Custom::TrueNASPlugin;
        PVE::Storage::Custom::TrueNASPlugin->register();
        require PVE::Storage;
        'PVE::Storage::Custom::TrueNASPlugin';
    };
    return $plugin;
}

# A node's directories, as much of them as the plugin looks at.
sub node () {
    my $dir = scratch();
    mkdir("$dir/$_") or die "cannot make $dir/$_: $!\n" for qw(run priv root root/etc root/etc/iscsi);
    chmod(0700, "$dir/run", "$dir/priv");
    open(my $fh, '>', "$dir/root/etc/iscsi/initiatorname.iscsi") or die "cannot write: $!\n";
    say {$fh} 'InitiatorName=iqn.1993-08.org.debian:01:tnstor-test';
    close($fh);
    return $dir;
}

# The options that reach the simulated NAS.
sub options_for ($sim, %more) {
    return {
        api_host => $sim->{host},
        api_port => $sim->{port},
        tn_fingerprint => $sim->{fingerprint},
        dataset => 'tank/vm',
        tn_initiator => 'qemu',
        content => 'images',
        discovery_portal => $sim->{iscsi_portals}->[0] // '127.0.0.1:3260',
        %more,
    };
}

# A run directory of its own, so that the limit on logins is not shared by a file's many storages.
my sub run_dir ($dir) {
    state $count = 0;
    my $run = "$dir/run/" . ++$count;
    mkdir($run, 0700) or die "cannot make $run: $!\n";
    return $run;
}

# Adds a storage through the plugin's own hook; gives the configuration that PVE would have.
sub new_storage ($sim, %more) {
    my $plugin = plugin();
    my $dir = delete $more{node_dir} // node();
    my $storeid = delete $more{storeid} // 'nas';
    my $key = delete $more{api_key} // $sim->{api_key};
    require TNStor::Handles;
    require TNStor::Secrets;
    $TNStor::Secrets::DIR = "$dir/priv";
    %TNStor::Handles::NODE = (
        tn_run_dir => run_dir($dir),
        tn_sysroot => "$dir/root",
        tn_holder => delete $more{tn_holder} // '',
    );
    my $options = options_for($sim, %more);
    delete $options->@{ grep { !defined($options->{$_}) } keys %$options };
    my $scfg = $plugin->check_config($storeid, $options, 1, 1);
    $plugin->on_add_hook($storeid, $scfg, api_key => $key);
    $scfg->{shared} = 1;
    return { ids => { $storeid => $scfg }, order => { $storeid => 1 }, dir => $dir };
}

# ---- taint -------------------------------------------------------------------------------

my $taint = substr("$0$^X", 0, 0);

sub tainted_copy ($value) { return defined($value) ? "$value$taint" : undef }

# What a piece of code dies with; undef if it does not.
sub error_of ($code) {
    return eval { $code->(); 1 } ? undef : "$@";
}

1;
