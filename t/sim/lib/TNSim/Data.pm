# SPDX-License-Identifier: Apache-2.0
# What the published API of a release says of each method; decoded when first asked for.
package TNSim::Data;
use v5.36;
use Cpanel::JSON::XS;
use File::Basename qw(dirname);

my $DIR = dirname(__FILE__) . '/../../data';

sub lines ($name) {
    open my $fh, '<:raw', "$DIR/$name" or die "cannot read $DIR/$name: $!\n";
    chomp(my @lines = <$fh>);
    return @lines;
}

sub new ($class, $release) {
    my %line;
    for my $text (lines('methods.jsonl')) {
        $line{$1} = $text if $text =~ /\A\{"name":"([^"]+)"/;
    }
    return bless { release => $release, line => \%line, known => {} }, $class;
}

sub names ($self) { return sort keys %{ $self->{line} } }

# The method's entry for this release, undef where the release does not have it.
sub method ($self, $name) {
    return $self->{known}{$name} if exists $self->{known}{$name};
    my $text  = $self->{line}{$name} // return undef;
    my $want  = $self->{release}->name;
    my ($hit) = grep {
        grep { $_ eq $want }
            @{ $_->{releases} }
    } @{ decode_json($text)->{variants} };
    return $self->{known}{$name} = $hit;
}

# The roles of the method in the first release that names any.
sub later_roles ($self, $name) {
    my $text = $self->{line}{$name} // return [];
    for my $variant (@{ decode_json($text)->{variants} }) {
        return $variant->{roles} if @{ $variant->{roles} };
    }
    return [];
}

1;
