package policy

import (
	"fmt"
	"net/netip"
	"slices"
)

// Decide says what becomes of r, before anything is looked up. The first deny
// wins, then the first allow; what nothing speaks of is asked or denied, as the
// policy says. A literal address that is not public needs a rule of its own;
// for one, call DecideAddr too before the operator is asked.
func (p *Policy) Decide(r Request) Verdict { return p.Find(r).Verdict(p, r) }

// Ruling is what Decide decides, before it is put into words. It is only of use
// with the policy and the request that it was found for.
type Ruling struct {
	Action Action
	reason reason
	by     *rule // that decided; for unlisted, the one that came nearest, or nil
}

// reason is what a ruling rests on.
type reason uint8

const (
	noPolicy reason = iota
	wallOff
	noPort
	noDestination
	denied
	listed
	badLiteral
	routerName
	modelAPI
	unlisted
)

// Find is Decide without the words: it allocates nothing, and takes as long for
// ten thousand rules as for ten.
func (p *Policy) Find(r Request) Ruling {
	switch {
	case p == nil:
		return Ruling{reason: noPolicy}
	case p.off:
		return Ruling{Action: Allow, reason: wallOff}
	case r.Port == 0:
		return Ruling{reason: noPort}
	case r.Host == "" && !r.Addr.IsValid():
		return Ruling{reason: noDestination}
	}
	if found := p.denying(r); found != nil {
		return Ruling{reason: denied, by: found}
	}
	found, nearest := p.allowing(r)
	if found != nil {
		return Ruling{Action: Allow, reason: listed, by: found}
	}
	return p.findUnlisted(r, nearest)
}

// allowing is the first rule that allows r; where there is none, nearest is the
// first that names the destination and does not fit the rest.
func (p *Policy) allowing(r Request) (found, nearest *rule) {
	found = p.allows.first(r, func(a *rule) bool {
		switch {
		case !a.reaches(r):
			return false
		case a.fits(r):
			return true
		}
		nearest = a.above(nearest)
		return false
	})
	return found, nearest
}

// above is whichever stands first in the file; o may be nil.
func (r *rule) above(o *rule) *rule {
	if o == nil || r.line < o.line {
		return r
	}
	return o
}

// findUnlisted: no rule allows r. nearest names the destination, and does not
// allow this request.
func (p *Policy) findUnlisted(r Request, nearest *rule) Ruling {
	if r.Host == "" {
		if c, _ := classify(reached(r.Addr)); c != public {
			return Ruling{reason: badLiteral}
		}
	}
	if r.Host == "inference.local" {
		return Ruling{reason: routerName}
	}
	if _, known := KnownModelAPI(r.Host); known {
		return Ruling{reason: modelAPI}
	}
	return Ruling{Action: p.unlisted, reason: unlisted, by: nearest}
}

// Verdict puts f, found for r under p, into words.
func (f Ruling) Verdict(p *Policy, r Request) Verdict {
	switch f.reason {
	case noPolicy:
		return Verdict{Why: "no policy is loaded"}
	case wallOff:
		return Verdict{Action: Allow, Why: "the network wall is off (operator)"}
	case noPort:
		return Verdict{Why: "port 0 is no destination"}
	case noDestination:
		return Verdict{Why: "neither a name nor an address"}
	case denied:
		return f.by.says(Deny, "%s is denied%s", r.Target(), f.by.because())
	case listed:
		return f.by.opens(r)
	case badLiteral:
		return Verdict{Why: whyLiteral(r.Addr)}
	case routerName:
		return Verdict{Why: notRouted}
	case modelAPI:
		provider, _ := KnownModelAPI(r.Host)
		return Verdict{Why: fmt.Sprintf("%s is a model API (%s): model calls go through the inference router, unless a rule lists it", r.Host, provider)}
	case unlisted:
		return p.sayUnlisted(r, f.by)
	}
	return Verdict{Why: "no reason is known"} // and so it is denied
}

func (p *Policy) sayUnlisted(r Request, nearest *rule) Verdict {
	v := Verdict{Action: p.unlisted, Line: int(p.asked), Rule: "unlisted: " + p.unlisted.String()}
	switch {
	case nearest != nil:
		v.Why = fmt.Sprintf("%s is not listed: the rule in line %d %s", r.Target(), nearest.line, nearest.refuses(r))
	case p.asked == 0 && p.unlisted == Deny:
		v.Why = "the policy has no rules, so nothing may be reached"
	default:
		v.Why = r.Target() + " is not listed"
	}
	return v
}

// Denies says whether a deny rule speaks of r. The inference router asks this
// alone, since it needs no egress rule.
func (p *Policy) Denies(r Request) (Verdict, bool) {
	if p == nil || p.off {
		return Verdict{}, false
	}
	found := p.denying(r)
	if found == nil {
		return Verdict{}, false
	}
	return Ruling{reason: denied, by: found}.Verdict(p, r), true
}

// denying is the first deny rule for r.
func (p *Policy) denying(r Request) *rule {
	return p.denies.first(r, func(*rule) bool { return true })
}

// because repeats the operator's note.
func (r *rule) because() string {
	if r.note == "" {
		return ""
	}
	return " (" + r.note + ")"
}

const notRouted = "inference.local is the inference router, which answers on ports 80 and 443: use http://inference.local or https://inference.local"

// reaches: a CIDR does not list the metadata servers in it.
func (r *rule) reaches(q Request) bool {
	if q.Host != "" || r.host.shape != network {
		return true
	}
	a := reached(q.Addr)
	c, _ := classify(a)
	return lists([]netip.Prefix{r.host.prefix}, a, c)
}

// fits says whether a rule for the right host and port allows q.
func (r *rule) fits(q Request) bool {
	if r.expired(q.Time) {
		return false
	}
	who := q.Program
	return len(r.binaries) == 0 || who.Known && !who.Writable && slices.Contains(r.binaries, who.Exe)
}

// refuses says why a rule for the right host and port does not fit q.
func (r *rule) refuses(q Request) string {
	if r.fits(q) {
		return ""
	}
	if r.expired(q.Time) {
		return "ended at " + r.expires.Format("2006-01-02T15:04:05Z07:00")
	}
	switch who := q.Program; {
	case !who.Known:
		return "is for " + list(r.binaries) + " alone, and which program asks is not known"
	case !slices.Contains(r.binaries, who.Exe):
		return "is for " + list(r.binaries) + " alone, not for " + who.Exe
	}
	return "is for " + q.Program.Exe + ", which the agent can change here"
}

// whyLiteral: a literal address that is not public and not listed.
func whyLiteral(a netip.Addr) string {
	c, what := classify(reached(a))
	if c == never {
		return fmt.Sprintf("%s is %s, to which no connection can be made", a, what)
	}
	return fmt.Sprintf("%s is %s; only a rule with this address as its host opens it", a, what)
}

// DecideAddr judges the address that an allowed name turned out to have, or a
// literal address; own are the addresses of the host's interfaces at this
// moment. Allow means that the address is no reason against the connection.
// Ask, for a name alone, means a question of its own that shows the address;
// the answer lists it (addresses).
func (p *Policy) DecideAddr(r Request, addr netip.Addr, own []netip.Addr) Verdict {
	switch {
	case p == nil:
		return Verdict{Why: "no policy is loaded"}
	case p.off:
		return Verdict{Action: Allow, Why: "the network wall is off (operator)"}
	}
	a := reached(addr)
	literal := Request{Addr: a, Port: r.Port, Time: r.Time, Program: r.Program}
	if r.Host.isLoopback() && (a == hostLoopback || a == netip.IPv6Loopback()) {
		return Verdict{Action: Allow, Why: string(r.Host) + " means the loopback of the host"}
	}
	if found := p.denying(literal); found != nil {
		return found.says(Deny, "%s has the address %s, which is denied%s", r.Target(), a, found.because())
	}
	c, what := classify(a)
	if c == public && isOwn(a, own) {
		c = private
	}
	if isOwn(a, own) && !a.IsLoopback() {
		what = "an address of this machine"
	}
	return p.decideSpecial(r, a, c, what)
}

func isOwn(a netip.Addr, own []netip.Addr) bool {
	return slices.ContainsFunc(own, func(o netip.Addr) bool { return reached(o) == a })
}

// decideSpecial: a is what no deny rule names.
func (p *Policy) decideSpecial(r Request, a netip.Addr, c class, what string) Verdict {
	switch {
	case c == public:
		return Verdict{Action: Allow, Why: fmt.Sprintf("%s is %s", a, what)}
	case c == never:
		return Verdict{Why: fmt.Sprintf("%s is %s, to which no connection can be made", a, what)}
	}
	if found := p.listing(r, a, c); found != nil {
		return found.says(Allow, "%s is %s, and the rule lists it", a, what)
	}
	switch {
	case r.Host == "":
		return Verdict{Why: fmt.Sprintf("%s is %s; only a rule with this address as its host opens it", a, what)}
	case c == metadata:
		return Verdict{Why: fmt.Sprintf("%s turned out to be %s, %s; only a rule that lists this very address opens it", r.Host, a, what)}
	}
	return Verdict{Action: Ask, Why: fmt.Sprintf("%s turned out to be %s, %s", r.Host, a, what)}
}

// ListsAddresses says whether the rule that allows r's name lists addresses that
// it may have.
func (p *Policy) ListsAddresses(r Request) bool {
	return p != nil && r.Host != "" && p.allows.first(r, func(x *rule) bool {
		return x.fits(r) && len(x.addresses) > 0
	}) != nil
}

// listing is the first rule for r that lists the address: by its addresses
// where r has a name, by its host where r has none.
func (p *Policy) listing(r Request, a netip.Addr, c class) *rule {
	return p.allows.first(r, func(x *rule) bool {
		if !x.fits(r) {
			return false
		}
		if r.Host != "" {
			return lists(x.addresses, a, c)
		}
		return x.host.shape == loopback || lists([]netip.Prefix{x.host.prefix}, a, c)
	})
}
