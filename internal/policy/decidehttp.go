package policy

import "net/netip"

// opens is the verdict of a rule that allows a connection.
func (r *rule) opens(q Request) Verdict {
	if len(r.http) == 0 {
		return r.says(Allow, "%s is listed", q.Target())
	}
	v := r.says(Allow, "%s is listed, for certain requests", q.Target())
	v.Reads = true
	return v
}

// Reads says whether some rule for r's destination, whichever program asks,
// allows certain HTTP requests alone: then Decide must be told the program, for
// it decides whether the gate reads what flows.
func (p *Policy) Reads(r Request) bool {
	return p != nil && p.reads && p.allows.first(r, func(a *rule) bool { return len(a.http) > 0 }) != nil
}

// ReadsSome says whether any rule has http.
func (p *Policy) ReadsSome() bool { return p != nil && p.reads }

// DecideHTTP says what becomes of one HTTP request to r's destination, and which
// credential goes with it. The first deny wins, then the first rule that allows
// the request; a rule without http allows any. It never asks: a question names a
// destination, and that one is answered already.
func (p *Policy) DecideHTTP(r Request, method string, path Path) (Verdict, Credential) {
	switch {
	case p == nil:
		return Verdict{Why: "no policy is loaded"}, Credential{}
	case p.off:
		return Verdict{Action: Allow, Why: "the network wall is off (operator)"}, Credential{}
	}
	if v, denied := p.Denies(r); denied {
		return v, Credential{}
	}
	var nearest, other *rule
	found := p.allows.first(r, func(a *rule) bool {
		switch {
		case !a.reaches(r):
		case !a.fits(r):
			nearest = a.above(nearest)
		case a.allows(method, path):
			return true
		default:
			other = a.above(other)
		}
		return false
	})
	switch {
	case found != nil && len(found.http) == 0:
		return found.says(Allow, "%s is listed", r.Target()), Credential{}
	case found != nil:
		return found.says(Allow, "%s %s is listed for %s", method, path, r.Target()), found.cred
	case other != nil:
		return other.says(Deny, "%s %s is not listed for %s: the rule in line %d allows only %s", method, path, r.Target(), other.line, httpText(shownHTTP(other.http))), Credential{}
	}
	return p.deniedHTTP(r, nearest), Credential{}
}

// deniedHTTP: no rule allows the connection any more.
func (p *Policy) deniedHTTP(r Request, nearest *rule) Verdict {
	v := p.findUnlisted(r, nearest).Verdict(p, r)
	v.Action = Deny
	return v
}

// JudgeHTTP is Judge for one HTTP request, by the road that it takes through
// the gate. Where the gate does not read what flows to the destination, it says
// so.
func (p *Policy) JudgeHTTP(r Request, own []netip.Addr, method string, path Path) (Verdict, Credential) {
	v := p.Judge(r, own)
	if v.Action != Allow {
		return v, Credential{}
	}
	if !v.Reads {
		v.Why += "; method and path are not looked at"
		return v, Credential{}
	}
	return p.DecideHTTP(r, method, path)
}

// Credentials are the secrets that the policy names, each once.
func (p *Policy) Credentials() []string {
	if p == nil {
		return nil
	}
	var names []string
	seen := map[string]bool{}
	for _, r := range p.egress {
		if name := r.cred.Secret; name != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
