# SPDX-License-Identifier: Apache-2.0
# The tnsim command: options in, one line of JSON out, and an orderly end.
package TNSim::App;
use v5.36;
use File::Path   qw(make_path remove_tree);
use File::Temp   ();
use Getopt::Long qw(GetOptionsFromArray);
use Mojo::IOLoop;
use TNSim::Control;
use TNSim::Front;
use TNSim::Json qw(decode encode);
use TNSim::Releases;
use TNSim::Server;
use TNSim::Wire::Tls;

my $USAGE = <<'END';
usage: tnsim --release R [options]
  --release R        22.12 23.10 24.04 24.10 25.04 25.10 26
  --listen IP:PORT   default 127.0.0.1:0 (0 is any free port)
  --state DIR        keep the state there; without it, it ends with the process
  --world FILE       JSON that POST /world understands, applied to a fresh state
  --rtt MS           delay every reply
  --plain            no TLS
  --no-iscsi         the API only
  --iscsi lio        the kernel's own target over thin volumes, for the lab (WORLD.md)
  --portal IP        where that listens; repeatable, default the address of --listen
  --check-replies    check every reply against the published result schema
  --quirk NAME=0|1   switch a quirk of a release (QUIRKS.md); repeatable
  --fragment BYTES   size of the frames of a reply, 0 for one frame (default 16384)
  --idle SECONDS     cut a connection without traffic (default as the release does)
  --parent-pid N     end when this process is gone
  --cert FILE --key FILE   a certificate of your own
  --cert-name NAME   a name or address in the certificate; repeatable
  --cert-days A,B    valid from A to B days from today (default -1,3650)
END

sub _options (@argv) {
    my %opt = (listen => '127.0.0.1:0', iscsi => 'tgt', portal => [], quirk => {}, 'cert-name' => []);
    my $ok  = do {
        local $SIG{__WARN__} = sub ($text) { print STDERR "tnsim: $text" };
        GetOptionsFromArray(
            \@argv,  \%opt,    'release=s',     'listen=s', 'state=s', 'world=s', 'rtt=f',
            'plain', 'no-iscsi', 'iscsi=s', 'portal=s@', 'check-replies', 'quirk=s%', 'fragment=i', 'idle=f',
            'parent-pid=i',
            'cert=s', 'key=s', 'cert-name=s@', 'cert-days=s', 'help'
        );
    };
    if ($opt{help}) { print $USAGE; exit 0 }
    die $USAGE if !$ok || @argv || !defined $opt{release} || $opt{iscsi} !~ /\A(?:tgt|lio)\z/;
    $opt{iscsi} = undef if $opt{'no-iscsi'};
    return \%opt;
}

sub _listen ($text) {
    my ($host, $port) = $text =~ /\A\[?([^\]]+?)\]?:([0-9]+)\z/
        or die "tnsim: --listen wants IP:PORT\n";
    return ($host, $port);
}

# Without --state a directory of our own, gone at the end.
sub _state_dir ($self) {
    my $dir = $self->{opt}{state};
    if (defined $dir) { make_path($dir, { mode => 0700 }); return $dir }
    $self->{temp} = File::Temp->newdir('tnsim-XXXXXX', TMPDIR => 1);
    return $self->{temp}->dirname;
}

sub _tls ($self, $dir, $host) {
    my $opt = $self->{opt};
    return undef if $opt->{plain};
    my @names = @{ $opt->{'cert-name'} };
    @names = ('localhost', '127.0.0.1', '::1', $host) if !@names;
    my %seen;
    return TNSim::Wire::Tls->new(
        dir => $dir, names => [grep { !$seen{$_}++ } @names], cert => $opt->{cert},
        key => $opt->{key},
        $opt->{'cert-days'} ? (days => [split /,/, $opt->{'cert-days'}]) : (),
    );
}

sub _world ($self, $server, $dir, $host) {
    require TNSim::Model::World;
    return TNSim::Model::World->new(
        release => $server->release, state_dir => $dir, iscsi => $self->{opt}{iscsi},
        listen  => $host,            quirks    => $server->{quirks},
        portals => [@{ $self->{opt}{portal} } ? @{ $self->{opt}{portal} } : $host],
    );
}

sub _slurp ($name) {
    open my $fh, '<:raw', $name or die "tnsim: cannot read $name: $!\n";
    local $/;
    return scalar <$fh>;
}

sub _ready_line ($self) {
    my ($server, $tls)  = @$self{qw(server tls)};
    my ($host,   $port) = ($self->{host}, $self->{front}->port + 0);
    my ($key) = sort { $a->{id} <=> $b->{id} }
        grep { $server->keys->usable($_) && $_->{full} } $server->keys->all;
    return encode({
        release => $server->release->name, host => $host, port => $port,
        url => ($tls ? 'https' : 'http') . '://'
            . ($host =~ /:/ ? "[$host]" : $host)
            . ":$port",
        api_key       => $key ? $server->keys->text($key) : undef,
        fingerprint   => $tls ? $tls->fingerprint         : undef,
        iscsi_portals => $server->world->iscsi_portals // [],
        control       => $self->{control}->url,
    });
}

sub run ($class, @argv) {
    my $opt  = _options(@argv);
    my $self = bless { opt => $opt }, $class;
    my ($host, $port) = _listen($opt->{listen});
    my $dir    = $self->_state_dir;
    my $fresh  = !-e "$dir/keys.json";
    my $server = TNSim::Server->new(
        release => $opt->{release}, dir => $dir, check_replies => $opt->{'check-replies'},
        quirks  => $opt->{quirk},   rtt => $opt->{rtt} // 0,
        map { defined $opt->{$_} ? ($_ => $opt->{$_}) : () } qw(fragment idle),
    );
    @$self{qw(server host)} = ($server, $host);
    $server->{world}        = $self->_world($server, $dir, $host);
    $self->{tls}            = $self->_tls($dir, $host);
    $self->{front}          = TNSim::Front->new(
        server => $server, host => $host, port => $port,
        tls    => $self->{tls});
    $self->{control} = TNSim::Control->new(server => $server, front => $self->{front});
    $self->{control}->_world(decode(_slurp($opt->{world})))
        if defined $opt->{world} && $fresh;
    $self->_watch;
    $| = 1;
    print $self->_ready_line, "\n";
    Mojo::IOLoop->start;
    $self->_end;
    return 0;
}

sub _watch ($self) {
    $SIG{PIPE} = 'IGNORE';
    # A signal before the loop runs must not be lost: the timer looks at the flag, too.
    my $ended = 0;
    my $stop  = sub (@) { $ended = 1; Mojo::IOLoop->stop };
    @SIG{qw(TERM INT HUP)} = ($stop) x 3;
    # A signal is seen between two events, so that there must always be a next one.
    my $parent = $self->{opt}{'parent-pid'};
    Mojo::IOLoop->recurring(
        0.1 => sub ($) { $stop->() if $ended || $parent && !_alive($parent) });
    return;
}

# A process that ended and was not waited for yet is not alive either.
sub _alive ($pid) {
    return 0 if !kill 0, $pid;
    open my $fh, '<', "/proc/$pid/stat" or return 1;
    return (readline($fh) // '') !~ /\A[0-9]+ \(.*\) Z /s;
}

sub _end ($self) {
    $self->{front}->stop;
    $self->{control}->stop;
    $self->{server}->world->save;
    $self->{server}->world->shutdown;
    return;
}

1;
