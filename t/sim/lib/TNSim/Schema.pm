# SPDX-License-Identifier: Apache-2.0
# Checks arguments against the schema of the release, and fills in its defaults.
package TNSim::Schema;
use v5.36;
use Cpanel::JSON::XS;
use JSON::Validator;
use Scalar::Util qw(refaddr);
use TNSim::Error;
use TNSim::Words;

# Shared by every query method whose entry in methods.json names only the kind of argument.
my %OPTIONS = (
    count             => ['boolean', Cpanel::JSON::XS::false],
    get               => ['boolean', Cpanel::JSON::XS::false],
    limit             => ['integer', 0],  offset => ['integer', 0], extra => ['object', {}],
    order_by          => ['array',   []], select => ['array',   []],
    force_sql_filters => ['boolean', Cpanel::JSON::XS::false],
);
my $QUERY_OPTIONS = {
    type       => 'object', additionalProperties => Cpanel::JSON::XS::false,
    properties => { (
            map { $_ => { type => $OPTIONS{$_}[0], default => $OPTIONS{$_}[1] } }
                keys %OPTIONS
        ),
        relationships => { type => 'boolean' },
        (map { $_ => { type => ['string', 'null'] } } qw(extend extend_context prefix)),
    },
};
my $QUERY_FILTERS = { type => 'array', items => {} };

# data, release, type_error: whether too few arguments are a type error
sub new ($class, %field) { return bless { compiled => {}, %field }, $class }

sub _copy ($value) {
    return { map { $_ => _copy($value->{$_}) } keys %$value } if ref $value eq 'HASH';
    return [map { _copy($_) } @$value]                        if ref $value eq 'ARRAY';
    return $value;
}

sub _resolve ($schema) {
    my $kind = ref $schema eq 'HASH' ? $schema->{'x-type'} // '' : '';
    return
          $kind eq 'query-options' ? $QUERY_OPTIONS
        : $kind eq 'query-filters' ? $QUERY_FILTERS
        :                            $schema;
}

# Errors of JSON::Validator for one value.
sub _errors ($self, $schema, $value) {
    return () if !%$schema;
    my $compiled = $self->{compiled}{ refaddr $schema } //= do {
        my $validator = JSON::Validator->new(recursive_data_protection => 0);
        [$validator->schema($schema)->schema, $schema];
    };
    return $compiled->[0]->validate($value);
}

# The branches of a union whose constants do not speak against the value.
sub _branches ($schema, $value) {
    my $all = $schema->{oneOf} // $schema->{anyOf} // return ();
    return @$all if ref $value ne 'HASH';
    return grep {
        my $props = $_->{properties} // {};
        !grep {
                   defined $props->{$_}{const}
                && !ref $value->{$_}
                && defined $value->{$_}
                && $value->{$_} ne $props->{$_}{const}
            } keys %$props
            and !grep {
                   defined $props->{$_}{const}
                && !exists $props->{$_}{default}
                && !exists $value->{$_}
            } keys %$props
    } @$all;
}

# A union of objects: the branch the value goes by, if there is exactly one.
sub _narrow ($schema, $value) {
    return $schema if ref $schema ne 'HASH' || ref $value ne 'HASH';
    my @fit = _branches($schema, $value);
    return @fit == 1 ? $fit[0] : $schema;
}

# Defaults of absent properties, into a copy.
sub _fill ($self, $schema, $value) {
    $schema = _resolve($schema);
    return $value if ref $schema ne 'HASH';
    if ($schema->{anyOf} || $schema->{oneOf}) {
        return $value if ref $value ne 'HASH';
        my @fit = _branches($schema, $value);
        @fit = grep { !$self->_errors($_, $value) } @fit if @fit > 1;
        return @fit ? $self->_fill($fit[0], $value) : $value;
    }
    if (ref $value eq 'ARRAY') {
        my $items = $schema->{items};
        return $value if ref $items ne 'HASH' || !%$items;
        return [map { $self->_fill($items, $_) } @$value];
    }
    my $props = $schema->{properties};
    return $value if ref $value ne 'HASH' || !$props;
    my %out = %$value;
    for my $name (keys %$props) {
        my $prop = $props->{$name};
        if    (exists $out{$name}) { $out{$name} = $self->_fill($prop, $out{$name}) }
        elsif (ref $prop eq 'HASH' && exists $prop->{default}) {
            $out{$name} = $self->_fill($prop, _copy($prop->{default}));
        }
    }
    return \%out;
}

# Errors as [attribute, text]; for a union that no branch fits, those of every branch.
sub _explain ($self, $words, $method, $schema, $value, $name) {
    my $branches = $schema->{oneOf} // $schema->{anyOf};
    if ($branches && ref $value eq 'HASH' && grep { $_->{properties} } @$branches) {
        my @take = $words->narrows ? _branches($schema, $value) : @$branches;
        @take = @$branches if !@take;
        return map {
            my $branch = $_;
            $self->_explain(
                $words, $method, $branch, $value,
                "$name." . $words->branch($method, $branch));
        } grep { $_->{properties} } @take;
    }
    return map { $words->items($name, $schema, $_) } $self->_errors($schema, $value);
}

# pydantic's limit on every string, which the printed schemas leave out.
sub _long_strings ($value, $name) {
    return map { _long_strings($value->{$_}, "$name.$_") } sort keys %$value
        if ref $value eq 'HASH';
    return map { _long_strings($value->[$_], "$name.$_") } 0 .. $#$value
        if ref $value eq 'ARRAY';
    return () if ref $value || !defined $value || length $value <= 1024;
    return [$name, 'String should have at most 1024 characters'];
}

sub _too_many ($entry, $given) {
    my $max  = @{ $entry->{args} };
    my $text = "Too many arguments (expected $max, found $given)";
    die TNSim::Error->validation(['', $text])
        if ($entry->{engine} // 'accepts') eq 'pydantic';
    die TNSim::Error->call('EFAULT', $text);
}

# do_update, do_delete and get_instance get their first arguments by position.
sub _missing ($self, $method, $entry, $words, $i) {
    my $name = $entry->{names}[$i] || "arg$i";
    if ($self->{type_error}->() && $method =~ /\.(update|delete|get_instance)\z/) {
        my $function = $1 eq 'get_instance' ? $1 : "do_$1";
        die TNSim::Error->bare(
            'TypeError',
            "$function() missing 1 required positional argument: '$name'"
        );
    }
    return [$name, $words->missing];
}

# A method without a schema still wants its arguments.
sub _counted ($method, $entry, $params) {
    return $params if @$params >= $entry->{min};
    my ($function) = $method =~ /([^.]+)\z/;
    my $name = $entry->{names}[@$params] || 'id';
    die TNSim::Error->bare(
        'TypeError',
        "$function() missing 1 required positional argument: '$name'"
    );
}

# The arguments with defaults; dies with a TNSim::Error.
sub check ($self, $method, $params) {
    my $entry = $self->{data}->method($method) // return $params;
    return _counted($method, $entry, $params) if $entry->{unknown};
    my $engine = $entry->{engine}
        // ($self->{release}->before('25.04') ? 'accepts' : 'pydantic');
    my $words = TNSim::Words->of($engine, $self->{release});
    _too_many($entry, scalar @$params) if @$params > @{ $entry->{args} };
    my (@bad, @out);
    for my $i (0 .. $#{ $entry->{args} }) {
        my $schema = _resolve($entry->{args}[$i]);
        my $name   = $words->argument($entry, $i);
        if ($i > $#$params) {
            if ($i < $entry->{min}) {
                push @bad, $self->_missing($method, $entry, $words, $i);
            } elsif (exists $entry->{args}[$i]{default}) {
                push @out, $self->_fill($schema, _copy($entry->{args}[$i]{default}));
            }
            next;
        }
        my $value  = $params->[$i];
        my $narrow = _narrow($schema, $value);
        if ($self->_errors($narrow, $value)) {
            push @bad, $self->_explain($words, $method, $schema, $value, $name);
        }
        push @bad, _long_strings($value, $name)  if $engine eq 'pydantic';
        push @out, $self->_fill($narrow, $value) if !@bad;
    }
    die TNSim::Error->validation(@bad) if @bad;
    return \@out;
}

# Texts about what is wrong with a result; none when it is right or undeclared.
sub check_result ($self, $method, $result) {
    my $entry  = $self->{data}->method($method) // return ();
    my $schema = $entry->{result};
    return () if ref $schema ne 'HASH' || !%$schema;
    return map {"$_"} $self->_errors(_narrow($schema, $result), $result);
}

1;
