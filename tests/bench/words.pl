# Text in Perl: makes words, counts them, rewrites lines by regular expressions, sorts. Takes how much to do as a factor.
use strict;
use warnings;
use integer;
use Digest::MD5 qw(md5_hex);

my $n = shift() * 30000;
my $seed = 12345;
sub number { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return $seed >> 8; }

my @lines;
for my $i (1 .. $n / 10) {
    push @lines, join ' ', map { join '', map { chr(97 + number() % 20) } 1 .. 2 + number() % 4 } 1 .. 10;
}
my %count;
for (@lines) { $count{$_}++ for split; }
my @rewritten = map { s/\b(\w)(\w*)/uc($1) . reverse $2/ge; s/([aeiou])\1+/<$1>/g; $_ } my @copy = @lines;
my @sorted = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
my $matches = grep { /^(?:\w+ ){3}[A-M]\w*(?:a|e).*x/ } @rewritten;
print scalar(@sorted), " $matches ", md5_hex(join "\n", @sorted, sort @rewritten), "\n";
