# SPDX-License-Identifier: Apache-2.0
# The filters and options that every *.query method understands.
package TNSim::Query;
use v5.36;
use Cpanel::JSON::XS;
use Scalar::Util qw(blessed looks_like_number);
use TNSim::Error;

use constant MAX_LIMIT => 10_000;
use constant MAX_DEPTH => 3;

sub _value_error ($text) { die TNSim::Error->bare('ValueError', $text) }

sub _is_bool ($value) { return blessed($value) && Cpanel::JSON::XS::is_bool($value) }

# A comparison key: booleans as numbers, extended dates as their milliseconds.
sub _plain ($value) {
    return $value ? 1 : 0    if _is_bool($value);
    return $value->{'$date'} if ref $value eq 'HASH' && exists $value->{'$date'};
    return $value;
}

sub _is_number ($value) {
    return 0 if ref $value || !defined $value;
    return !!(B::svref_2object(\$value)->FLAGS & (B::SVf_IOK() | B::SVf_NOK()))
        && !(B::svref_2object(\$value)->FLAGS & B::SVf_POK());
}
require B;

sub _equal ($x, $y) {
    ($x, $y) = (_plain($x), _plain($y));
    return !defined $x && !defined $y if !defined $x || !defined $y;
    if (ref $x || ref $y) {
        state $json = Cpanel::JSON::XS->new->canonical->allow_nonref->convert_blessed;
        return ref $x eq ref $y && $json->encode($x) eq $json->encode($y);
    }
    return $x == $y if _is_number($x) && _is_number($y);
    return 0        if _is_number($x) != _is_number($y);
    return $x eq $y;
}

sub _compare ($x, $y) {
    ($x, $y) = (_plain($x), _plain($y));
    if (!defined $x || !defined $y || ref $x || ref $y || _is_number($x) != _is_number($y))
    {
        die TNSim::Error->bare(
            'TypeError',
            "'>' not supported between instances of these types"
        );
    }
    return _is_number($x) ? $x <=> $y : $x cmp $y;
}

# operand contains value
sub _contains ($operand, $value) {
    return 0 if !defined $operand;
    if (ref $operand eq 'ARRAY') {
        for my $item (@$operand) { return 1 if _equal($item, $value) }
        return 0;
    }
    return defined $value && !ref $value && index($operand, $value) >= 0 if !ref $operand;
    return ref $operand eq 'HASH' && defined $value && exists $operand->{$value};
}

sub _regex ($x, $pattern) {
    my $re = eval { no re 'eval'; qr/\A(?:$pattern)/ }
        // _value_error("$pattern: bad regular expression");
    return ($x // '') =~ $re;
}

sub _begins ($x, $y) { return defined $x && substr($x, 0, length $y) eq $y }

sub _ends ($x, $y) {
    return
        defined $x && length $x >= length $y && substr($x, -length $y || length $x) eq $y;
}

my %OP = (
    '='    => sub ($x, $y) { _equal($x,  $y) },
    '!='   => sub ($x, $y) { !_equal($x, $y) },
    '>'    => sub ($x, $y) { _compare($x, $y) > 0 },
    '>='   => sub ($x, $y) { _compare($x, $y) >= 0 },
    '<'    => sub ($x, $y) { _compare($x, $y) < 0 },
    '<='   => sub ($x, $y) { _compare($x, $y) <= 0 },
    '~'    => \&_regex,
    'in'   => sub ($x, $y) { _contains($y,  $x) },
    'nin'  => sub ($x, $y) { !_contains($y, $x) },
    'rin'  => sub ($x, $y) { _contains($x,  $y) },
    'rnin' => sub ($x, $y) { defined $x && !_contains($x, $y) },
    '^'    => \&_begins,
    '!^'   => sub ($x, $y) { defined $x && !_begins($x, $y) },
    '$'    => \&_ends,
    '!$'   => sub ($x, $y) { defined $x && !_ends($x, $y) },
);

sub _fold ($value) {
    return [map { _fold($_) } @$value] if ref $value eq 'ARRAY';
    return defined $value && !ref $value ? CORE::fc($value) : $value;
}

# "a.b\.c.*" into its parts.
sub _path ($path) {
    state %known;
    return $known{$path} //= [map {s/\\\././gr} split /(?<!\\)\./, $path];
}

# Every value at the path: one, or many behind a '*'; nothing when a key is missing.
sub _values ($row, @path) {
    my $cur = $row;
    while (@path) {
        my $key = shift @path;
        if (ref $cur eq 'HASH') {
            return () if !exists $cur->{$key};
            $cur = $cur->{$key};
        } elsif (ref $cur eq 'ARRAY') {
            return map { _values($_, @path) } @$cur if $key eq '*';
            _value_error("$key: must be array index or wildcard character")
                if $key !~ /\A\d+\z/;
            $cur = $cur->[$key];
        }
    }
    return ($cur);
}

sub _match_one ($row, $filter) {
    my ($name, $op, $value) = @$filter;
    my @found = _values($row, @{ _path($name) });
    if ($op =~ /\AC(.+)/) {
        my $code = $OP{$1};
        $value = _fold($value);
        return grep { $code->(_fold($_), $value) } @found;
    }
    my $code = $OP{$op};
    return grep { $code->($_, $value) } @found;
}

sub match ($row, $filters) {
    for my $filter (@$filters) {
        if (@$filter == 2) {
            my $hit = 0;
            for my $branch (@{ $filter->[1] }) {
                $hit =
                    ref $branch->[0] eq 'ARRAY'
                    ? match($row, $branch)
                    : match($row, [$branch]);
                last if $hit;
            }
            return 0 if !$hit;
            next;
        }
        return 0 if !_match_one($row, $filter);
    }
    return 1;
}

# The checks of the middleware before any row is looked at.
sub check_filters ($filters, $depth = 0) {
    _value_error('query-filters max recursion depth exceeded') if $depth > MAX_DEPTH;
    for my $filter (@$filters) {
        _value_error("Invalid filter: expected a list") if ref $filter ne 'ARRAY';
        if (@$filter == 2) {
            _value_error("Invalid operation: $filter->[0]") if $filter->[0] ne 'OR';
            for my $branch (@{ $filter->[1] }) {
                my $list = ref $branch eq 'ARRAY'
                    && ref $branch->[0] eq 'ARRAY' ? $branch : [$branch];
                check_filters($list, $depth + 1);
            }
            next;
        }
        _value_error('Invalid filter: expected 3 items') if @$filter != 3;
        my ($name, $op) = @$filter;
        _value_error("Invalid filter name") if !defined $name || ref $name;
        my $known = defined $op && !ref $op ? $op =~ s/\AC//r : '';
        _value_error('Invalid operation: ' . ($op // 'None')) if !$OP{$known};
    }
    return;
}

sub _check_options ($options) {
    my $get   = $options->{get};
    my $limit = $options->{limit}  // 0;
    my $skip  = $options->{offset} // 0;
    _value_error('Invalid options combination. `get` implies a single result.')
        if $get && ($skip || $limit > 1);
    _value_error("Options limit must be between 1 and " . MAX_LIMIT) if $limit > MAX_LIMIT;
    return;
}

sub _select ($row, $select) {
    my %out;
    for my $item (@$select) {
        my ($target, $name) = ref $item eq 'ARRAY' ? @$item : ($item, undef);
        my @path = @{ _path($target) };
        my ($cur, $found) = ($row, 1);
        for my $key (@path) {
            _value_error('Selecting by list index is not supported') if ref $cur eq 'ARRAY';
            $found = ref $cur eq 'HASH' && exists $cur->{$key};
            last if !$found;
            $cur = $cur->{$key};
        }
        next if !$found;
        if (defined $name) { $out{$name} = $cur; next }
        my $last = pop @path;
        my $into = \%out;
        $into = $into->{$_} //= {} for @path;
        $into->{$last} = $cur;
    }
    return \%out;
}

sub _nulls_text ($order) {
    return "Cannot sort by '$order' because the field contains null values. Please use "
        . qq("nulls_first:$order" or "nulls_last:$order" to specify null placement.);
}

sub _order ($rows, $order_by) {
    for my $order (@$order_by) {
        my ($nulls, $minus, $name) = $order =~ /\A(nulls_first:|nulls_last:)?(-)?(.*)\z/s;
        my $path = _path($name);
        my (@none, @some);
        for my $row (@$rows) {
            my ($value) = _values($row, @$path);
            if (defined $value) { push @some, [$row, $value] }
            else                { push @none, $row }
        }
        if (@none && @some && !$nulls) {
            _value_error(_nulls_text($order));
        }
        my @sorted = sort { _compare($a->[1], $b->[1]) * ($minus ? -1 : 1) } @some;
        @sorted = map { $_->[0] } @sorted;
        $rows   = ($nulls // '') eq 'nulls_last:' ? [@sorted, @none] : [@none, @sorted];
    }
    return $rows;
}

# Rows (references to hashes) in; a list, one row (get) or a number (count) out.
sub run ($rows, $filters, $options = {}) {
    _check_options($options);
    check_filters($filters);
    my @hit = @$filters ? grep { match($_, $filters) } @$rows : @$rows;
    return scalar @hit if $options->{count};
    my $list = \@hit;
    $list = _order($list, $options->{order_by}) if @{ $options->{order_by} // [] };
    if ($options->{get}) {
        die TNSim::Error->match_not_found if !@$list;
        splice @$list, 1;
    } else {
        splice @$list, 0, $options->{offset} if $options->{offset};
        splice @$list, $options->{limit} if $options->{limit} && @$list > $options->{limit};
    }
    if (@{ $options->{select} // [] }) {
        $list = [map { _select($_, $options->{select}) } @$list];
    }
    return $options->{get} ? $list->[0] : $list;
}

1;
