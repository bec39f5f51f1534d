# SPDX-License-Identifier: Apache-2.0
# Stand-in: sections of storage.cfg, with the schema rules that a plugin can get wrong.
package PVE::SectionConfig;

use v5.36;

my %plugins;
my %schema;

sub register ($class) {
    my $type = $class->type();
    die "duplicate plugin registration (type = $type)\n" if $plugins{$type};
    $plugins{$type} = $class;
    return;
}

sub lookup ($class, $type) {
    return $plugins{$type} // die "unknown section type '$type'\n";
}

# As the real one: a property declared twice, or used and not declared, stops everything.
sub init ($class) {
    %schema = $class->base_properties()->%*;
    my %owner = map { $_ => 'base' } keys %schema;
    for my $plugin (values %plugins) {
        my $properties = $plugin->properties();
        for my $name (keys %$properties) {
            die "duplicate property '$name'\n" if $owner{$name};
            $owner{$name} = $plugin->type();
            $schema{$name} = $properties->{$name};
        }
    }
    for my $plugin (values %plugins) {
        for my $name (keys $plugin->options()->%*) {
            die "undefined property '$name'\n" if !$schema{$name};
        }
    }
    return;
}

my %check = (
    boolean => sub ($v, $s) { $v =~ m/\A(?:0|1|yes|no|on|off|true|false)\z/i },
    integer => sub ($v, $s) {
        $v =~ m/\A-?\d+\z/ && $v >= ($s->{minimum} // $v) && $v <= ($s->{maximum} // $v);
    },
    number => sub ($v, $s) { $v =~ m/\A-?\d+(?:\.\d+)?\z/ },
    string => sub ($v, $s) {
        length($v) <= ($s->{maxLength} // 1 << 20)
            && (!$s->{enum} || grep { $_ eq $v } $s->{enum}->@*);
    },
);

my sub check_value ($plugin, $name, $value) {
    my $schema = $schema{$name};
    die "unknown property '$name'\n" if !$schema || !$plugin->options()->{$name};
    my $ok = $check{ $schema->{type} // 'string' }->($value, $schema);
    die "property '$name': value '$value' does not fit\n" if !$ok;
    $value = $value =~ m/\A(?:1|yes|on|true)\z/i ? 1 : 0 if ($schema->{type} // '') eq 'boolean';
    return $plugin->decode_value($plugin->type(), $name, $value);
}

sub check_config ($class, $id, $config, $create, $skip = 0) {
    my $options = $class->options();
    my $settings = { type => $class->type() };
    for my $name (sort keys %$config) {
        next if $name eq 'type';
        die "can't change value of fixed parameter '$name'\n"
            if !$create && ($options->{$name} // {})->{fixed};
        $settings->{$name} = ref($config->{$name}) ? $config->{$name}
            : check_value($class, $name, $config->{$name});
    }
    if ($create) {
        for my $name (sort keys %$options) {
            die "missing value for required option '$name'\n"
                if !$options->{$name}->{optional} && !defined($settings->{$name});
        }
    }
    return $settings;
}

sub parse_config ($class, $file, $text) {
    my $cfg = { ids => {}, order => {} };
    my ($id, $plugin);
    my $n = 0;
    for my $line (split(/\n/, $text)) {
        next if $line =~ m/\A\s*(?:#.*)?\z/;
        if ($line =~ m/\A(\S+):\s*(\S+)\s*\z/) {
            $id = $2;
            $plugin = eval { $class->lookup($1) };
            warn "$file: ignore config section '$id': unsupported type '$1'\n" if !$plugin;
            $cfg->{ids}->{$id} = { type => $1 } if $plugin;
            $cfg->{order}->{$id} = ++$n if $plugin;
        } elsif ($plugin && $line =~ m/\A\s+(\S+)(?:\s+(.*?))?\s*\z/) {
            my ($name, $value) = ($1, $2 // 1);
            my $decoded = eval { check_value($plugin, $name, $value) };
            warn "$file: section '$id': unable to parse value of '$name': $@" if $@;
            $cfg->{ids}->{$id}->{$name} = $decoded if !$@;
        }
    }
    for my $section (values $cfg->{ids}->%*) {
        $section->{shared} = 1
            if grep { $_ eq $section->{type} } @PVE::Storage::Plugin::SHARED_STORAGE;
    }
    return $cfg;
}

my sub encode ($value) {
    return ref($value) eq 'HASH' ? join(',', sort keys %$value) : $value;
}

sub write_config ($class, $file, $cfg) {
    my $text = '';
    for my $id (sort { $cfg->{order}->{$a} <=> $cfg->{order}->{$b} } keys $cfg->{ids}->%*) {
        my $section = $cfg->{ids}->{$id};
        $text .= "$section->{type}: $id\n";
        for my $name (sort grep { $_ ne 'type' } keys %$section) {
            $text .= "\t$name " . encode($section->{$name}) . "\n" if defined($section->{$name});
        }
        $text .= "\n";
    }
    return $text;
}

1;
