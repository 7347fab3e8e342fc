package policy

import (
	"net/netip"
	"slices"
)

// class is how an address is treated where no rule lists it.
type class uint8

const (
	public   class = iota
	private        // somebody's own network: asked about, where an allowed name has it
	metadata       // a cloud's credentials: refused unless listed as that very address
	never          // no destination of TCP: refused, and no rule can list it
)

// special is one range that is not the public internet.
type special struct {
	prefix netip.Prefix
	class  class
	what   string
}

// specials come from the registries of RFC 6890 and, for metadata, from the
// documentation of the clouds. The first that contains an address counts, so
// the narrow ones stand first.
var specials = []special{
	{netip.MustParsePrefix("169.254.169.254/32"), metadata, "a cloud's metadata server"},
	{netip.MustParsePrefix("169.254.170.2/32"), metadata, "a cloud's metadata server"},
	{netip.MustParsePrefix("169.254.170.23/32"), metadata, "a cloud's metadata server"},
	{netip.MustParsePrefix("100.100.100.200/32"), metadata, "a cloud's metadata server"},
	{netip.MustParsePrefix("168.63.129.16/32"), metadata, "a cloud's metadata server"},
	{netip.MustParsePrefix("192.0.0.192/32"), metadata, "a cloud's metadata server"},
	{netip.MustParsePrefix("fd00:ec2::254/128"), metadata, "a cloud's metadata server"},
	{netip.MustParsePrefix("fd00:ec2::23/128"), metadata, "a cloud's metadata server"},
	{netip.MustParsePrefix("fd20:ce::254/128"), metadata, "a cloud's metadata server"},

	{netip.MustParsePrefix("0.0.0.0/8"), never, "an address of no host (0.0.0.0/8)"},
	{netip.MustParsePrefix("10.0.0.0/8"), private, "a private address"},
	{netip.MustParsePrefix("100.64.0.0/10"), private, "a carrier's private address (100.64.0.0/10)"},
	{netip.MustParsePrefix("127.0.0.0/8"), private, "a loopback address"},
	{netip.MustParsePrefix("169.254.0.0/16"), private, "a link-local address"},
	{netip.MustParsePrefix("172.16.0.0/12"), private, "a private address"},
	{netip.MustParsePrefix("192.0.0.0/24"), private, "a protocol's own address (192.0.0.0/24)"},
	{netip.MustParsePrefix("192.168.0.0/16"), private, "a private address"},
	{netip.MustParsePrefix("198.18.0.0/15"), private, "a test network's address (198.18.0.0/15)"},
	{netip.MustParsePrefix("224.0.0.0/4"), never, "a multicast address"},
	{netip.MustParsePrefix("240.0.0.0/4"), never, "a reserved address (240.0.0.0/4)"},

	{netip.MustParsePrefix("::/128"), never, "the address of no host (::)"},
	{netip.MustParsePrefix("::1/128"), private, "a loopback address"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), private, "a local translator's address (64:ff9b:1::/48)"},
	{netip.MustParsePrefix("100::/64"), never, "the discard address (100::/64)"},
	{netip.MustParsePrefix("2001::/32"), never, "a Teredo address"},
	{netip.MustParsePrefix("fc00::/7"), private, "a private address (unique local)"},
	{netip.MustParsePrefix("fe80::/10"), private, "a link-local address"},
	{netip.MustParsePrefix("fec0::/10"), private, "a private address (site-local)"},
	{netip.MustParsePrefix("ff00::/8"), never, "a multicast address"},
}

// The forms of IPv6 that carry an IPv4 address, and where it lies in them.
var embeddings = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::ffff:0:0/96"), 12},   // mapped, RFC 4291
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64, RFC 6052
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // translated, RFC 2765
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4, RFC 3056
}

// compatible is the old IPv4-compatible form, RFC 4291 2.5.5.1. ::1 and :: are
// addresses of their own in it.
var compatible = netip.MustParsePrefix("::/96")

// reached gives the address that packets for a would reach: the IPv4 address in
// it, where it carries one; without zone.
func reached(a netip.Addr) netip.Addr {
	a = a.WithZone("")
	if !a.Is6() {
		return a
	}
	raw := a.As16()
	for _, e := range embeddings {
		if contains6(e.prefix, a) {
			return netip.AddrFrom4([4]byte(raw[e.at : e.at+4]))
		}
	}
	if compatible.Contains(a) && a != netip.IPv6Loopback() && a != netip.IPv6Unspecified() {
		return netip.AddrFrom4([4]byte(raw[12:]))
	}
	return a
}

// contains6 is Prefix.Contains without its refusal of mapped addresses.
func contains6(p netip.Prefix, a netip.Addr) bool {
	got, want := a.As16(), p.Addr().As16()
	full := p.Bits() / 8 // all embeddings end at a byte
	return slices.Equal(got[:full], want[:full])
}

// classify says what kind of address a is, in words. a is a reached one.
func classify(a netip.Addr) (class, string) {
	if !a.IsValid() {
		return never, "no address"
	}
	for i := range specials {
		if specials[i].prefix.Contains(a) {
			return specials[i].class, specials[i].what
		}
	}
	return public, "a public address"
}

// lists says whether a rule's prefixes name the address: a metadata server only
// as that very address, since nobody who writes 169.254.0.0/16 means it.
func lists(prefixes []netip.Prefix, a netip.Addr, c class) bool {
	if c == never {
		return false
	}
	for _, p := range prefixes {
		if p.Contains(a) && (c != metadata || p.IsSingleIP()) {
			return true
		}
	}
	return false
}
