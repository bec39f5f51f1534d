# SPDX-License-Identifier: Apache-2.0
# How each validation engine of the NAS words a refusal, and what it calls the place.
package TNSim::Words;
use v5.36;

my %PYDANTIC = (
    string  => 'Input should be a valid string',
    integer => 'Input should be a valid integer',
    boolean => 'Input should be a valid boolean',
    number  => 'Input should be a valid number',
    object => 'Input should be a valid dictionary', array => 'Input should be a valid list',
    null   => 'Input should be None',
);
my %ACCEPTS = (
    string => 'Not a string', integer => 'Not an integer',      boolean => 'Not a boolean',
    number => 'Not a number', object  => 'A dict was expected', array   => 'Not a list',
    null   => 'null expected',
);

sub of ($class, $engine, $release) {
    return bless { engine => $engine, old => $engine ne 'pydantic', release => $release },
        $class;
}

# The argument as the engine calls it.
sub argument ($self, $entry, $i) {
    my $kind = $entry->{args}[$i]{'x-type'} // '';
    return $kind if $self->{old} && $kind;
    return $entry->{names}[$i] || "arg$i";
}

sub missing ($self) { return $self->{old} ? 'attribute required' : 'Field required' }

# 26 looks at the branch that the discriminator names, earlier releases report every one.
sub narrows ($self) { return $self->{old} || $self->{release}->at_least('26') }

# How a branch of a union is called: data.PoolDatasetCreateVolume, on 26 data.VOLUME.
sub branch ($self, $method, $branch) {
    my ($const) =
        map { $branch->{properties}{$_}{const} // () } sort keys %{ $branch->{properties} };
    $const //= $branch->{properties} ? 'dict' : $branch->{type} // 'any';
    return $const if $self->{release}->at_least('26');
    return join '', (map {ucfirst} split /[._]/, $method), map { ucfirst lc } split /_/,
        $const;
}

sub _place ($name, @keys) {
    return join '.', $name, map { s/~1/\//gr =~ s/~0/~/gr } @keys;
}

sub _choices (@values) {
    my @quoted = map { defined $_ ? "'$_'" : 'None' } @values;
    return $quoted[0] if @quoted == 1;
    my $last = pop @quoted;
    return join(', ', @quoted) . " or $last";
}

sub _type_text ($self, $want, $got) {
    return 'null not allowed' if $self->{old} && $got eq 'null';
    my ($first) = grep { $_ ne 'null' } split m{/}, $want;
    my $table   = $self->{old} ? \%ACCEPTS : \%PYDANTIC;
    return $table->{ $first // 'null' }
        // ($self->{old} ? 'Invalid value' : 'Input is not valid');
}

sub _limit_text ($self, $rule, @numbers) {
    my %text = (
        maxLength => [
            "Value greater than %2 not allowed", 'String should have at most %2 characters'
        ],
        minLength => [
            'Should be at least %2 characters', 'String should have at least %2 character'
        ],
        maximum =>
            ['Should be less or equal than %2', 'Input should be less than or equal to %2'],
        minimum => [
            'Should be greater or equal than %2',
            'Input should be greater than or equal to %2'
        ],
        pattern     => ['Pattern mismatch',   'String should match pattern'],
        uniqueItems => ['List is not unique', 'Items are not unique'],
    );
    my $pair = $text{$rule} // return $self->{old} ? 'Invalid value' : 'Value error';
    return $pair->[$self->{old} ? 0 : 1] =~ s/%(\d)/$numbers[$1 - 1] \/\/ ''/ger;
}

# The value's place inside the schema, for the choices of an enum or a const.
sub _schema_at ($schema, @keys) {
    for my $key (@keys) {
        return undef if ref $schema ne 'HASH';
        $schema = $schema->{properties}{$key}
            // (ref $schema->{items} eq 'HASH' ? $schema->{items} : undef);
    }
    return $schema;
}

# One error of JSON::Validator as [attribute, text] items of this engine.
sub items ($self, $name, $schema, $error) {
    my @keys = grep {length} split m{/}, $error->path;
    my ($kind, $rule, @more) = @{ $error->details };
    if ($rule eq 'required') { return [_place($name, @keys), $self->missing] }
    if ($rule eq 'additionalProperties') {
        my $text =
            $self->{old} ? 'Field was not expected' : 'Extra inputs are not permitted';
        return map { [_place($name, @keys, $_), $text] } split /, /, $more[0];
    }
    my $place = _place($name, @keys);
    my $at    = _schema_at($schema, @keys) // {};
    if ($rule eq 'enum' || $rule eq 'const') {
        return [$place, 'Invalid choice'] if $self->{old};
        my @choices = $rule eq 'const' ? ($at->{const}) : @{ $at->{enum} // [] };
        return [
            $place,
            @choices ? 'Input should be ' . _choices(@choices) : 'Input is not valid'
        ];
    }
    if ($rule eq 'type') {
        my ($want, $got) = @more > 1 ? @more : ($kind, $more[0]);
        return [$place, $self->_type_text($want, $got // '')];
    }
    return [$place, $self->_limit_text($rule, @more)];
}

1;
