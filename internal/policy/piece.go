package policy

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// piece is the smallest thing that a rule says: one host, one port, one
// program. What two policies allow is compared piece by piece.
type piece struct {
	host    pattern
	port    Port         // 0: every port (denials alone)
	exe     string       // "": any program
	expires time.Time    // zero: never
	http    string       // "": any request, read or not
	cred    Credential   // sent with it
	addr    netip.Prefix // where valid: with this private address
	byName  bool         // host is an address, and any name is meant that has it
	from    *rule        // nil: no rule says so
}

// pieces takes the egress rules apart; addresses are pieces of their own.
func (p *Policy) pieces() []piece {
	var out []piece
	for _, r := range p.egress {
		programs := r.binaries
		if len(programs) == 0 {
			programs = []string{""}
		}
		for _, exe := range programs {
			for _, port := range r.ports {
				out = append(out, piece{host: r.host, port: port, exe: exe, expires: r.expires, http: httpText(shownHTTP(r.http)), cred: r.cred, from: r})
			}
		}
	}
	return out
}

// routers are the pieces that every policy allows without a rule.
func routers() []piece {
	return []piece{
		{host: pattern{shape: loopback, name: "127.0.0.1", text: "127.0.0.1"}, port: routerPort},
		{host: pattern{shape: exact, name: "inference.local", text: "inference.local"}, port: 80},
		{host: pattern{shape: exact, name: "inference.local", text: "inference.local"}, port: 443},
	}
}

// covers: whatever b allows, a allows too.
func (a piece) covers(b piece) bool {
	return a.host.covers(b.host, Allow) && a.port == b.port && (a.exe == "" || a.exe == b.exe) &&
		(a.expires.IsZero() || !b.expires.IsZero() && !b.expires.After(a.expires)) &&
		(a.http == "" || a.http == b.http) && (b.cred.isZero() || a.cred == b.cred) &&
		(!b.addr.IsValid() || a.from.lists(b.addr))
}

// lists says whether the rule's addresses hold all of another's.
func (r *rule) lists(p netip.Prefix) bool {
	return slices.ContainsFunc(r.addresses, func(own netip.Prefix) bool { return contains(own, p, Allow) })
}

// contains: a rule for own speaks of all of p. A CIDR allows no metadata
// server, so it does not stand for one that is listed by itself.
func contains(own, p netip.Prefix, action Action) bool {
	if own.Bits() > p.Bits() || !own.Contains(p.Addr()) {
		return false
	}
	c, _ := classify(p.Addr())
	return action == Deny || own == p || !p.IsSingleIP() || c != metadata
}

// below says whether the name has at least one label more than suffix, and
// whether it has exactly one.
func below(name, suffix Host) (some, one bool) {
	before, found := strings.CutSuffix(string(name), "."+string(suffix))
	return found, found && !strings.Contains(before, ".")
}

// covers: a rule with the host a speaks of all that one with b speaks of.
func (a pattern) covers(b pattern, action Action) bool {
	some, one := below(b.name, a.name)
	switch a.shape {
	case exact:
		return b.shape == exact && a.name == b.name
	case loopback:
		return b.shape == loopback || b.shape == exact && b.name.isLoopback()
	case network:
		return b.shape == network && contains(a.prefix, b.prefix, action)
	case oneLabel:
		return b.shape == exact && one || b.shape == oneLabel && a.name == b.name
	}
	return b.shape == exact && some || (b.shape == oneLabel || b.shape == deep) && (some || a.name == b.name)
}

// meet is what both an allow for a and a deny for d speak of.
func meet(a, d pattern) (pattern, bool) {
	switch {
	case d.covers(a, Deny):
		return a, true
	case a.covers(d, Deny):
		return d, true
	case a.shape == loopback && (d.shape == oneLabel || d.shape == deep):
		for _, name := range []Host{"host.docker.internal", "host.nemoclaw.internal"} {
			one := pattern{shape: exact, name: name, text: string(name)}
			if d.covers(one, Deny) {
				return one, true
			}
		}
	case a.shape == oneLabel && d.shape == deep, a.shape == deep && d.shape == oneLabel:
		// One of them covers the other, or no name is in both.
	}
	return pattern{}, false
}

// deniesAll is the deny rule that speaks of all of host and port (0: every
// port), or nil.
func (p *Policy) deniesAll(host pattern, port Port) *rule {
	for _, d := range p.deny {
		if (len(d.ports) == 0 || port != 0 && slices.Contains(d.ports, port)) && d.host.covers(host, Deny) {
			return d
		}
	}
	return nil
}

// matches says whether a request, with the address that it turned out to have,
// is in the piece.
func (a piece) matches(r Request, addr netip.Addr) bool {
	if a.port != 0 && a.port != r.Port || a.exe != "" && (!r.Program.Known || r.Program.Exe != a.exe) {
		return false
	}
	if !a.expires.IsZero() && !r.Time.Before(a.expires) {
		return false
	}
	if a.byName {
		return r.Host != "" && a.host.has(Request{Addr: addr})
	}
	if a.addr.IsValid() && !a.addr.Contains(reached(addr)) {
		return false
	}
	return a.host.has(r)
}

// has says whether a request is for the host, by the plain meaning of it.
func (a pattern) has(r Request) bool {
	some, one := below(r.Host, a.name)
	switch a.shape {
	case exact:
		return r.Host == a.name
	case oneLabel:
		return one
	case deep:
		return some
	case loopback:
		return r.Host.isLoopback() || r.Host == "" && reached(r.Addr) == hostLoopback
	}
	return r.Host == "" && a.prefix.Contains(reached(r.Addr))
}
