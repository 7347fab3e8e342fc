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
func (p *Policy) Decide(r Request) Verdict {
	switch {
	case p == nil:
		return Verdict{Why: "no policy is loaded"}
	case p.off:
		return Verdict{Action: Allow, Why: "the network wall is off (operator)"}
	case r.Port == 0:
		return Verdict{Why: "port 0 is no destination"}
	case r.Host == "" && !r.Addr.IsValid():
		return Verdict{Why: "neither a name nor an address"}
	}
	if v, denied := p.Denies(r); denied {
		return v
	}
	var missed narrow
	if found := p.allows.first(r, missed.fits(r)); found != nil {
		return found.opens(r)
	}
	return p.decideUnlisted(r, missed)
}

// Denies says whether a deny rule speaks of r. The inference router asks this
// alone, since it needs no egress rule.
func (p *Policy) Denies(r Request) (Verdict, bool) {
	if p == nil || p.off {
		return Verdict{}, false
	}
	found := p.denies.first(r, func(d *rule) bool { return d.hasPort(r.Port) })
	if found == nil {
		return Verdict{}, false
	}
	return found.says(Deny, "%s is denied%s", r.Target(), found.because()), true
}

// because repeats the operator's note.
func (r *rule) because() string {
	if r.note == "" {
		return ""
	}
	return " (" + r.note + ")"
}

// decideUnlisted: no rule allows r. missed is the rule that came nearest.
func (p *Policy) decideUnlisted(r Request, missed narrow) Verdict {
	if r.Host == "" {
		if v, refused := refuseLiteral(r.Addr); refused {
			return v
		}
	}
	if r.Host == "inference.local" {
		return Verdict{Why: notRouted}
	}
	if provider, known := KnownModelAPI(r.Host); known {
		return Verdict{Why: fmt.Sprintf("%s is a model API (%s): model calls go through the inference router, unless a rule lists it", r.Host, provider)}
	}
	v := Verdict{Action: p.unlisted, Line: int(p.asked), Rule: "unlisted: " + p.unlisted.String()}
	switch {
	case missed.rule != nil:
		v.Why = missed.why
	case p.asked == 0 && p.unlisted == Deny:
		v.Why = "the policy has no rules, so nothing may be reached"
	default:
		v.Why = r.Target() + " is not listed"
	}
	return v
}

const notRouted = "inference.local is the inference router, which answers on ports 80 and 443: use http://inference.local or https://inference.local"

// narrow remembers the first rule that names the destination and does not
// allow this request, to tell the operator what is missing.
type narrow struct {
	rule *rule
	why  string
}

func (n *narrow) fits(r Request) func(*rule) bool {
	return func(a *rule) bool {
		if !a.hasPort(r.Port) || !a.reaches(r) {
			return false
		}
		why := a.refuses(r)
		if why != "" && (n.rule == nil || a.line < n.rule.line) {
			n.rule, n.why = a, fmt.Sprintf("%s is not listed: the rule in line %d %s", r.Target(), a.line, why)
		}
		return why == ""
	}
}

// reaches: a CIDR does not list the metadata servers in it.
func (r *rule) reaches(q Request) bool {
	if q.Host != "" || r.host.shape != network {
		return true
	}
	a := reached(q.Addr)
	c, _ := classify(a)
	return lists([]netip.Prefix{r.host.prefix}, a, c)
}

// refuses says why a rule for the right host and port does not allow r, or "".
func (r *rule) refuses(q Request) string {
	if r.expired(q.Time) {
		return "ended at " + r.expires.Format("2006-01-02T15:04:05Z07:00")
	}
	if len(r.binaries) == 0 {
		return ""
	}
	switch who := q.Program; {
	case !who.Known:
		return "is for " + list(r.binaries) + " alone, and which program asks is not known"
	case !slices.Contains(r.binaries, who.Exe):
		return "is for " + list(r.binaries) + " alone, not for " + who.Exe
	case who.Writable:
		return "is for " + who.Exe + ", which the agent can change here"
	}
	return ""
}

// refuseLiteral: a literal address that is not public and not listed.
func refuseLiteral(a netip.Addr) (Verdict, bool) {
	switch c, what := classify(reached(a)); c {
	case public:
		return Verdict{}, false
	case never:
		return Verdict{Why: fmt.Sprintf("%s is %s, to which no connection can be made", a, what)}, true
	default:
		return Verdict{Why: fmt.Sprintf("%s is %s; only a rule with this address as its host opens it", a, what)}, true
	}
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
	if found := p.denies.first(literal, func(d *rule) bool { return d.hasPort(r.Port) }); found != nil {
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
		return x.hasPort(r.Port) && x.refuses(r) == "" && len(x.addresses) > 0
	}) != nil
}

// listing is the first rule for r that lists the address: by its addresses
// where r has a name, by its host where r has none.
func (p *Policy) listing(r Request, a netip.Addr, c class) *rule {
	return p.allows.first(r, func(x *rule) bool {
		if !x.hasPort(r.Port) || x.refuses(r) != "" {
			return false
		}
		if r.Host != "" {
			return lists(x.addresses, a, c)
		}
		return x.host.shape == loopback || lists([]netip.Prefix{x.host.prefix}, a, c)
	})
}
