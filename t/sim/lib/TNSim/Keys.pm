# SPDX-License-Identifier: Apache-2.0
# The API keys of the NAS: who they belong to, what they allow, and whether they still
# count.
package TNSim::Keys;
use v5.36;
use Cpanel::JSON::XS;
use Digest::SHA  qw(sha512 hmac_sha512);
use MIME::Base64 qw(encode_base64);
use Time::HiRes  qw(time);
use TNSim::Roles;

my @ALPHABET = ('A' .. 'Z', 'a' .. 'z', 0 .. 9);

sub new ($class, %field) {    # file, or none to keep them in memory only
    my $self = bless { keys => {}, next_id => 1, iterations => 4096, %field }, $class;
    $self->_load;
    $self->add(name => 'tnsim', user => 'root', full => 1) if !%{ $self->{keys} };
    return $self;
}

sub _random ($count) {
    open my $fh, '<:raw', '/dev/urandom' or die "cannot open /dev/urandom: $!\n";
    read($fh, my $bytes, $count) == $count or die "cannot read /dev/urandom\n";
    return $bytes;
}

sub _new_secret () {
    return join '', map { $ALPHABET[$_ % @ALPHABET] } unpack 'C*', _random(64);
}

sub _load ($self) {
    my $file = $self->{file} // return;
    open my $fh, '<:raw', $file or return;
    local $/;
    my $saved = decode_json(scalar <$fh>);
    @$self{qw(keys next_id)} = @$saved{qw(keys next_id)};
    return;
}

sub save ($self) {
    my $file = $self->{file} // return;
    my %plain;
    for my $id (keys %{ $self->{keys} }) {
        my %key = %{ $self->{keys}{$id} };
        delete @key{qw(scram)};
        $plain{$id} = \%key;
    }
    my $mask = umask 0077;
    open my $fh, '>:raw', "$file.new" or die "cannot write $file.new: $!\n";
    umask $mask;
    print $fh encode_json({ keys => \%plain, next_id => $self->{next_id} });
    close $fh or die "cannot write $file.new: $!\n";
    rename "$file.new", $file or die "cannot rename $file.new: $!\n";
    return;
}

# name, user, full or roles or read_only, expires (seconds from now, or an absolute time),
# secret (else random). Returns the whole key, "<id>-<64 characters>".
sub add ($self, %spec) {
    my $id = $spec{id} // $self->{next_id};
    $self->{next_id} = $id + 1 if $id >= $self->{next_id};
    my @roles  = $spec{read_only} ? ('READONLY_ADMIN') : @{ $spec{roles} // [] };
    my $secret = $spec{secret} // _new_secret();
    $self->{keys}{$id} = {
        id   => $id + 0, name => $spec{name} // "key$id", user    => $spec{user} // 'root',
        full => @roles ? 0 : 1,  role_names => \@roles,   secret  => $secret, revoked => 0,
        revoked_reason => undef, created    => int time,  expires => $spec{expires},
        salt           => encode_base64(_random(16), ''),
    };
    $self->save;
    return "$id-$secret";
}

sub get ($self, $id) { return $self->{keys}{$id} }

sub all ($self) {
    return map { $self->{keys}{$_} } sort { $a <=> $b } keys %{ $self->{keys} };
}

sub find ($self, $name) {
    my ($hit) = grep { $_->{name} eq $name || $_->{id} eq $name } $self->all;
    return $hit;
}

# Another secret for the same key.
sub renew ($self, $key) {
    @$key{qw(secret revoked revoked_reason)} = (_new_secret(), 0, undef);
    delete $key->{scram};
    return $self->text($key);
}

sub remove ($self, $id) {
    my $gone = delete $self->{keys}{$id};
    $self->save;
    return $gone;
}

sub text ($self, $key) { return "$key->{id}-$key->{secret}" }

sub _alike ($x, $y) { return sha512($x) eq sha512($y) }

# The key that the text is, whatever its state; undef for a wrong one.
sub match ($self, $text) {
    my ($id, $secret) = $text =~ /\A([0-9]+)-([A-Za-z0-9]+)\z/ or return undef;
    my $key = $self->{keys}{$id} // return undef;
    return _alike($secret, $key->{secret}) ? $key : undef;
}

sub expired ($self, $key) { return defined $key->{expires} && $key->{expires} <= time }

sub usable ($self, $key) { return $key && !$key->{revoked} && !$self->expired($key) }

sub revoke ($self, $key, $reason) {
    @$key{qw(revoked revoked_reason)} = (1, $reason);
    $self->save;
    return;
}

# Knobs of POST /world {"keys": [...]}: an entry with an id or a known name changes that
# key.
sub apply ($self, $spec) {
    my $key =
        defined $spec->{id} ? $self->get($spec->{id}) : $self->find($spec->{name} // '');
    return $self->add(%$spec)                 if !$key;
    return $self->remove($key->{id}) && undef if $spec->{delete};
    if (exists $spec->{roles} || exists $spec->{read_only} || exists $spec->{full}) {
        my @roles =
              $spec->{full}      ? ()
            : $spec->{read_only} ? ('READONLY_ADMIN')
            :                      @{ $spec->{roles} // [] };
        @$key{qw(full role_names)} = (@roles ? 0 : 1, \@roles);
    }
    if (exists $spec->{revoked}) {
        $key->{revoked} = $spec->{revoked} ? 1 : 0;
        $key->{revoked_reason} =
              $spec->{revoked}
            ? $spec->{reason} // 'Revoked by a test'
            : undef;
    }
    $key->{expires} = $spec->{expires} if exists $spec->{expires};
    $key->{user}    = $spec->{user}    if exists $spec->{user};
    $self->save;
    return $self->text($key);
}

# PBKDF2 with HMAC-SHA-512, the one block that a 64 byte key needs.
sub _pbkdf2 ($secret, $salt, $count) {
    my $block = hmac_sha512($salt . pack('N', 1), $secret);
    my $sum   = $block;
    for (2 .. $count) {
        $block = hmac_sha512($block, $secret);
        $sum ^.= $block;
    }
    return $sum;
}

# What SCRAM keeps of a key; computed once.
sub scram ($self, $key) {
    return $key->{scram} //= do {
        my $salt   = MIME::Base64::decode_base64($key->{salt});
        my $salted = _pbkdf2($key->{secret}, $salt, $self->{iterations});
        {
            iterations => $self->{iterations}, salt => $key->{salt},
            stored_key => sha512(hmac_sha512('Client Key', $salted)),
            server_key => hmac_sha512('Server Key', $salted),
        };
    };
}

# The caller that a key stands for, as calls see it.
sub user ($self, $key) {
    return {
        name       => $key->{user}, key => $key->{id}, key_name => $key->{name},
        full       => $key->{full},
        role_names => $key->{full} ? ['FULL_ADMIN'] : $key->{role_names},
        roles      => TNSim::Roles::expand(@{ $key->{role_names} }),
    };
}

1;
