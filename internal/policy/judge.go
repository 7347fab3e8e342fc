package policy

import "net/netip"

// Judge is what becomes of a connection before anything is looked up, by the
// road that it takes through the gate: the inference router, which needs no
// rule and which only a deny closes; then Decide; then, for a literal address,
// what that address is. own are the addresses of the host's interfaces.
func (p *Policy) Judge(r Request, own []netip.Addr) Verdict {
	if IsRouter(r.Host, r.Addr, r.Port) {
		if v, denied := p.Denies(r); denied {
			return v
		}
		return Verdict{Action: Allow, Why: "this is the inference router, which needs no rule; where the call goes from there is inference.yaml's"}
	}
	if r.Host == "inference.local" && !p.Off() { // no rule makes it another host
		return Verdict{Why: notRouted}
	}
	v := p.Decide(r)
	if r.Host != "" || v.Action == Deny {
		return v
	}
	if a := p.DecideAddr(r, r.Addr, own); a.Action != Allow {
		return a
	}
	return v
}
