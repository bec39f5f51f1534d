# SPDX-License-Identifier: Apache-2.0
# For the model's tests: a world in memory, and calls as the server would make them, with the
# release's schema filling in defaults and checking every answer.
package ModelLib;
use v5.36;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Exporter 'import';
use Test::More;
use Cpanel::JSON::XS;
use TNSim::Call;
use TNSim::Data;
use TNSim::Error;
use TNSim::Model::World;
use TNSim::Registry;
use TNSim::Releases;
use TNSim::Schema;

our @EXPORT = qw(world_of releases call_ok call_fails try_call error_of json snapshot_call
    volume publish);

my $JSON = Cpanel::JSON::XS->new->canonical->allow_nonref->convert_blessed;

sub json ($value) { return $JSON->encode($value) }

sub releases { return TNSim::Releases::names() }

# A handler sees the server only through its call.
package ModelLib::Call {
    use v5.36;
    use parent -norequire, 'TNSim::Call';
    require TNSim::Quirks;

    sub quirk ($self, $name) {
        return $self->{world}{quirks}{$name}
            // TNSim::Quirks->defaults($self->{release})->{$name};
    }
}

my %tool;

sub _tools ($release) {
    return $tool{$release} //= do {
        my $r    = TNSim::Releases->new($release);
        my $data = TNSim::Data->new($r);
        {
            registry => TNSim::Registry->new(release => $r, data => $data),
            schema   =>
                TNSim::Schema->new(data => $data, release => $r, type_error => sub { 1 }),
        };
    };
}

# %arg: as for TNSim::Model::World; without a state_dir everything stays in memory.
sub world_of ($release, %arg) { return TNSim::Model::World->new(release => $release, %arg) }

# (result, undef) or (undef, TNSim::Error); an undeclared answer of the model fails the test.
sub try_call ($world, $method, @args) {
    my $tools = _tools($world->release->name);
    my $entry = $tools->{registry}->method($method)
        // return (undef, TNSim::Error->bare('NoMethod', "no $method"));
    my $result;
    my $done = eval {
        my $args = $tools->{schema}
            ->check($method, [map { $JSON->decode($JSON->encode($_)) } @args]);
        my $call = ModelLib::Call->new(
            method  => $method, args => $args, world => $world,
            release => $world->release
        );
        $result = $entry->{code}->($call);
        1;
    };
    if (!$done) {
        my $error = $@;
        die $error unless TNSim::Error::is($error);
        return (undef, $error);
    }
    $result = $JSON->decode($JSON->encode($result));
    my @bad = $tools->{schema}->check_result($method, $result);

    # 26 declares an object here and sends null.
    @bad = () if $method eq 'pool.snapshot.update' && $world->is_at_least('26');
    fail("$method answers what its schema allows: $bad[0]") if @bad;
    return ($result, undef);
}

sub call_ok ($world, $method, @args) {
    my ($result, $error) = try_call($world, $method, @args);
    return $result unless $error;
    fail("$method works: " . $error->reason);
    return undef;
}

sub error_of ($world, $method, @args) { return (try_call($world, $method, @args))[1] }

# The reason that clients see, compared with is() or like().
sub call_fails ($world, $want, $name, $method, @args) {
    my $error = error_of($world, $method, @args);
    my $text  = $error ? $error->reason : 'no error';
    chomp $text;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ref $want ? like($text, $want, $name) : is($text, $want, $name);
}

# The snapshot namespace that clients of this release use.
sub snapshot_call ($world, $verb) {
    return ($world->is_at_least('25.10') ? 'pool' : 'zfs') . ".snapshot.$verb";
}

sub volume ($world, $name, %more) {
    $world->apply(
        {
            dataset => [
                { name => $name =~ s{/[^/]+\z}{}r, create => {} },
                { name => $name, create => { volsize => 1 << 30, %more } },
            ]
        }
    );
    return $name;
}

# An extent and a mapping on the target "pve", all made through the API where it matters.
sub publish ($world, $zvol, %more) {
    if (!$world->iscsi->rows_by('target_name', 'pve')) {
        my $portal =
            call_ok($world, 'iscsi.portal.create', { listen => [{ ip => '127.0.0.1' }] });
        call_ok(
            $world, 'iscsi.target.create',
            { name => 'pve', groups => [{ portal => $portal->{id} }] }
        );
        $world->apply({ service => { name => 'iscsitarget', running => 1 } });
    }
    my ($target) = $world->iscsi->rows_by('target_name', 'pve');
    my $extent = call_ok(
        $world, 'iscsi.extent.create',
        { name => $zvol =~ s{.*/}{}r, type => 'DISK', disk => "zvol/$zvol" }
    );
    my $mapping = call_ok(
        $world, 'iscsi.targetextent.create',
        { target => $target->{id}, extent => $extent->{id}, %more }
    );
    return ($extent, $mapping, $target);
}

$INC{'ModelLib.pm'} = __FILE__;
1;
