package policy

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// shape is how much a rule's host stands for.
type shape uint8

const (
	exact    shape = iota // this very name
	oneLabel              // "*.x.com": one more label
	deep                  // "**.x.com": one or more labels
	network               // an address or a CIDR
	loopback              // the host's loopback, by any of its four names
)

// pattern is a rule's host. It is made by parsePattern alone.
type pattern struct {
	shape  shape
	name   Host         // of exact; of oneLabel and deep what follows the stars
	prefix netip.Prefix // of network
	text   string       // canonical, as Format writes it
}

// parsePattern reads the host of a rule.
func parsePattern(text string) (pattern, error) {
	if rest, ok := strings.CutPrefix(text, "**."); ok {
		return wildcard(text, "**.", rest, deep)
	}
	if rest, ok := strings.CutPrefix(text, "*."); ok {
		return wildcard(text, "*.", rest, oneLabel)
	}
	if text == "*" || text == "**" {
		return pattern{}, &BadHost{text, "every host; a rule names what it allows", `a name, "*.example.com" or "**.example.com"`}
	}
	if strings.Contains(text, "*") {
		return pattern{}, &BadHost{text, "a star can only stand for whole labels at the beginning", `"*.example.com" or "**.example.com"`}
	}
	if looksLikeNetwork(text) {
		return networkPattern(text)
	}
	host, err := ParseHost(text)
	if err != nil {
		return pattern{}, err
	}
	if host.isLoopback() {
		return pattern{shape: loopback, name: host, text: string(host)}, nil
	}
	return pattern{shape: exact, name: host, text: string(host)}, nil
}

// wildcard refuses what would let in more than one owner's names: everything
// below a public suffix (com, co.uk) belongs to anybody.
func wildcard(text, stars, rest string, s shape) (pattern, error) {
	host, err := ParseHost(rest)
	if err != nil {
		if bad, ok := err.(*BadHost); ok {
			return pattern{}, &BadHost{text, bad.Why, bad.Want}
		}
		return pattern{}, err
	}
	suffix, icann := publicsuffix.PublicSuffix(string(host))
	if !strings.Contains(string(host), ".") || icann && suffix == string(host) {
		return pattern{}, &BadHost{text, fmt.Sprintf("everything below %q belongs to no single owner", host), `at least one name more, such as "` + stars + "example." + string(host) + `"`}
	}
	return pattern{shape: s, name: host, text: stars + string(host)}, nil
}

// looksLikeNetwork: an address, or something with a slash that begins like one.
func looksLikeNetwork(text string) bool {
	if addr, _, found := strings.Cut(text, "/"); found {
		text = addr
	}
	_, ok := plainAddr(text)
	return ok
}

var hostLoopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func networkPattern(text string) (pattern, error) {
	prefix, err := parsePrefix(text)
	if err != nil {
		return pattern{}, err
	}
	addr := prefix.Addr()
	if addr == hostLoopback && prefix.IsSingleIP() {
		return pattern{shape: loopback, name: "127.0.0.1", text: "127.0.0.1"}, nil
	}
	if addr.IsLoopback() {
		return pattern{}, &BadHost{text, "loopback inside is the sandbox's own", `"127.0.0.1" for the loopback of the host`}
	}
	if c, what := classify(addr); c == never {
		return pattern{}, &BadHost{text, what + ", to which no connection can be made", "an address of a host"}
	}
	shown := prefix.String()
	if prefix.IsSingleIP() {
		shown = addr.String()
	}
	return pattern{shape: network, prefix: prefix, text: shown}, nil
}

// Wider than this a CIDR is no list of places any more.
const (
	widest4 = 8
	widest6 = 16
)

// parsePrefix reads an address or a CIDR without host bits.
func parsePrefix(text string) (netip.Prefix, error) {
	addr, length, isCIDR := strings.Cut(text, "/")
	a, err := netip.ParseAddr(addr)
	if err != nil {
		if bad, ok := looseAddr(addr); ok && !isCIDR {
			return netip.Prefix{}, bad
		}
		return netip.Prefix{}, &BadHost{text, "not an address or a CIDR", `an address such as "192.0.2.1", or a CIDR such as "10.0.0.0/8"`}
	}
	if a.Zone() != "" {
		return netip.Prefix{}, &BadHost{text, "an address with a zone", quoted(a.WithZone("").String())}
	}
	if plain := reached(a); plain != a {
		return netip.Prefix{}, &BadHost{text, "an IPv4 address in an IPv6 form", quoted(plain.String())}
	}
	if !isCIDR {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, &BadHost{text, fmt.Sprintf("%q is no prefix length", length), fmt.Sprintf("%s/%d for this one address", a, a.BitLen())}
	}
	return p, checkWidth(text, p)
}

func checkWidth(text string, p netip.Prefix) error {
	widest := widest4
	if p.Addr().Is6() {
		widest = widest6
	}
	if p.Bits() < widest {
		return &BadHost{text, "too wide to be a list of places", fmt.Sprintf("/%d or longer", widest)}
	}
	if p != p.Masked() {
		return &BadHost{text, "has bits set beyond its length", fmt.Sprintf("%q, or %q for the one address", p.Masked(), p.Addr())}
	}
	return nil
}
