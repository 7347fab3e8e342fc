package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Diff is what a new policy does otherwise than an old one. It never says less
// than there is: every request whose verdict differs is in one of the changes.
// It may say more where several rules together allowed what one allows now.
type Diff struct {
	Allowed []Change // reached without a question now, and was not
	Denied  []Change // refused now, and was asked or allowed
	Asked   []Change // a question now, and was refused or allowed
	Hold    [2]time.Duration
}

// Empty: the two do the same.
func (d Diff) Empty() bool {
	return len(d.Allowed)+len(d.Denied)+len(d.Asked) == 0 && d.Hold[0] == d.Hold[1]
}

// Compare says what changes when newer takes the place of older. Notes, order,
// spelling and rules that do nothing are no difference; a moment at which a
// rule ends is.
func Compare(older, newer *Policy) Diff {
	if older == nil {
		older = &Policy{}
	}
	if newer == nil {
		newer = &Policy{}
	}
	d := Diff{Hold: [2]time.Duration{older.hold, newer.hold}}
	switch {
	case older.off && newer.off:
		return d
	case newer.off:
		d.Allowed = []Change{{What: "everything: the network wall is off", Was: "judged by rules", all: true}}
		return d
	case older.off:
		d.Denied = []Change{{What: "whatever its rules do not allow", Was: "allowed: the network wall was off", all: true}}
		return d
	}
	d.Allowed = gather(opened(older, newer), older.formerly, true)
	d.lost(older, newer)
	d.questions(older, newer)
	return d
}

// lost are the pieces that the older allowed and the newer does not.
func (d *Diff) lost(older, newer *Policy) {
	var denied, asked []piece
	for _, a := range opened(newer, older) {
		if !newer.allowsPiece(a) && newer.allowsSome(a) { // other requests than these, or with another credential
			if !newer.allowsWithout(a) || newer.touches(a) {
				denied = append(denied, a)
			}
			continue
		}
		if a.addr.IsValid() { // the name is still allowed
			if isMetadata(a.addr) {
				denied = append(denied, a)
			} else {
				asked = append(asked, a)
			}
			continue
		}
		if newer.unlistedFor(a) == Deny || newer.touches(a) || a.host.hasModelAPI() {
			denied = append(denied, a)
		}
		if newer.unlistedFor(a) == Ask && newer.deniesAll(a.host, a.port) == nil {
			asked = append(asked, a)
			denied = append(denied, metadataOf(a)...)
		}
		asked = append(asked, newer.stillNamed(a)...)
	}
	was := func(a piece) string { return "allowed" + inLine(a.from) }
	d.Denied, d.Asked = gather(denied, was, false), gather(asked, was, false)
}

// allowsSome: the connection is still allowed, if not every request in it.
func (p *Policy) allowsSome(a piece) bool {
	return slices.ContainsFunc(p.pieces(), func(b piece) bool {
		b.http, b.cred = "", a.cred
		return b.covers(a)
	})
}

func (p *Policy) allowsPiece(a piece) bool {
	return slices.ContainsFunc(p.pieces(), func(b piece) bool { return b.covers(a) })
}

// allowsWithout: every request is still allowed, if with another credential or
// none.
func (p *Policy) allowsWithout(a piece) bool {
	a.cred = Credential{}
	return p.allowsPiece(a)
}

// metadataOf: the operator who allows a name does not allow it to be a metadata
// server, so that is refused where the rest is asked.
func metadataOf(a piece) []piece {
	var out []piece
	if a.from == nil || a.addr.IsValid() {
		return nil
	}
	for _, p := range a.from.addresses {
		if isMetadata(p) {
			b := a
			b.addr = p
			out = append(out, b)
		}
	}
	return out
}

// stillNamed are the private addresses of a piece that is gone, under such of its
// names as another rule allows: each is a question now.
func (p *Policy) stillNamed(a piece) []piece {
	var out []piece
	if a.from == nil {
		return nil
	}
	for _, b := range p.pieces() {
		host, some := meet(a.host, b.host)
		if !some || b.addr.IsValid() || a.port != b.port || p.deniesAll(host, a.port) != nil {
			continue
		}
		b.host, b.from = host, a.from
		for _, addr := range a.from.addresses {
			if b.addr = addr; !isMetadata(addr) && !p.allowsPiece(b) {
				out = append(out, b)
			}
		}
	}
	return out
}

func isMetadata(p netip.Prefix) bool {
	c, _ := classify(p.Addr())
	return c == metadata && p.IsSingleIP()
}

// touches says whether a deny rule speaks of some of the piece.
func (p *Policy) touches(a piece) bool {
	return a.byName || slices.ContainsFunc(p.deny, func(d *rule) bool {
		_, some := meet(a.host, d.host)
		return some && d.hasPort(a.port)
	})
}

// questions: what nothing allows is asked, or denied.
func (d *Diff) questions(older, newer *Policy) {
	rest := Change{What: "what no rule lists", Was: said(older.unlisted), Line: int(newer.asked), all: true}
	switch {
	case older.unlisted == newer.unlisted:
	case newer.unlisted == Ask:
		d.Asked = append(d.Asked, rest)
	default:
		d.Denied = append(d.Denied, rest)
	}
	if older.unlisted == Ask {
		d.Denied = append(d.Denied, undenied(newer, older, "asked")...)
	}
	if newer.unlisted == Ask {
		d.Asked = append(d.Asked, undenied(older, newer, "denied")...)
	}
}

// undenied are the denials of p that o does not have.
func undenied(p, o *Policy, was string) []Change {
	var out []Change
	for _, r := range p.deny {
		ports := r.ports
		if len(ports) == 0 {
			ports = []Port{0}
		}
		var part []piece
		for _, port := range ports {
			a := piece{host: r.host, port: port, from: r}
			if o.deniesAll(r.host, port) == nil && !o.allowsAll(a) {
				part = append(part, a)
			}
		}
		if len(part) == 0 {
			continue
		}
		c := Change{What: whatOf(part), Was: was, part: part}
		if was == "asked" {
			c.Line = r.line
		} else {
			c.Was += inLine(r)
		}
		if r.host.shape == network || r.host.shape == loopback { // of any name, too
			for _, a := range part {
				a.byName = true
				c.part = append(c.part, a)
			}
		}
		out = append(out, c)
	}
	return out
}

// allowsAll: a rule allows all of a denied piece, so that it is no question
// without the denial. Of an address it never is: any name may have it.
func (p *Policy) allowsAll(a piece) bool {
	return a.host.shape != network && a.host.shape != loopback &&
		slices.ContainsFunc(p.pieces(), func(b piece) bool { return b.covers(a) })
}

// unlistedFor is what becomes of a piece that no rule speaks of.
func (p *Policy) unlistedFor(a piece) Action {
	if _, known := KnownModelAPI(a.host.name); a.host.shape == exact && (known || a.host.name == "inference.local") {
		return Deny
	}
	if a.host.shape == network && a.host.prefix.IsValid() && !a.byName {
		if c, _ := classify(a.host.prefix.Addr()); c != public {
			return Deny
		}
	}
	return p.unlisted
}

// opened are the pieces that to allows and from does not.
func opened(from, to *Policy) []piece {
	var out []piece
	before, after := from.pieces(), to.pieces()
	for _, a := range append(after, routers()...) {
		if to.deniesAll(a.host, a.port) != nil {
			continue
		}
		if a.from != nil && !slices.ContainsFunc(before, func(b piece) bool { return b.covers(a) }) {
			out = append(out, a)
			continue
		}
		out = append(out, newAddresses(a, before)...)
		out = append(out, undeniedParts(a, from, to)...)
	}
	return append(out, undeniedAddresses(from, to, after)...)
}

// newAddresses: the name was allowed, these addresses of it were not.
func newAddresses(a piece, before []piece) []piece {
	var out []piece
	if a.from == nil {
		return nil
	}
	for _, p := range a.from.addresses {
		b := a
		b.addr = p
		if !slices.ContainsFunc(before, func(x piece) bool { return x.covers(b) }) {
			out = append(out, b)
		}
	}
	return out
}

// undeniedParts: the piece was allowed but for what a deny rule took out of it.
func undeniedParts(a piece, from, to *Policy) []piece {
	var out []piece
	for _, d := range from.deny {
		b := a
		var some bool
		if b.host, some = meet(a.host, d.host); some && d.hasPort(a.port) && to.deniesAll(b.host, a.port) == nil {
			out = append(out, b)
		}
	}
	return out
}

// undeniedAddresses: a name that is allowed may have an address that was denied.
func undeniedAddresses(from, to *Policy, after []piece) []piece {
	var out []piece
	for _, d := range from.deny {
		if d.host.shape != network && d.host.shape != loopback {
			continue
		}
		var seen []Port
		for _, a := range after {
			if a.host.shape == network || slices.Contains(seen, a.port) || !d.hasPort(a.port) || to.deniesAll(d.host, a.port) != nil {
				continue
			}
			seen = append(seen, a.port)
			out = append(out, piece{host: d.host, port: a.port, byName: true, from: d})
		}
	}
	return out
}

// formerly says what became of a piece that p does not allow.
func (p *Policy) formerly(a piece) string {
	if d := p.deniesAll(a.host, a.port); d != nil {
		return "denied" + inLine(d)
	}
	for _, b := range p.pieces() {
		some := a.host.covers(b.host, Allow) || b.host.covers(a.host, Allow)
		switch {
		case !some || a.port != b.port || a.byName || b.exe != "" && a.exe != "" && a.exe != b.exe:
		case a.addr.IsValid() && b.host.covers(a.host, Allow):
			return "allowed without it" + inLine(b.from)
		case b.host.covers(a.host, Allow) && b.exe == "" && !b.expires.IsZero():
			return "allowed until " + b.expires.Format(time.RFC3339) + inLine(b.from)
		default:
			return "partly allowed" + inLine(b.from)
		}
	}
	return said(p.unlistedFor(a))
}

func said(a Action) string {
	switch a {
	case Ask:
		return "asked"
	case Allow:
		return "allowed"
	}
	return "denied"
}

func inLine(r *rule) string {
	if r == nil || r.line == 0 {
		return ""
	}
	return fmt.Sprintf(" (line %d)", r.line)
}
