package policy

import (
	"net/netip"
	"slices"
)

// Change is one thing that a Diff says.
type Change struct {
	What string // "api.github.com:443 for /usr/bin/git"
	Was  string // "asked", "denied (line 7)", "allowed (line 3)", "partly allowed (line 3)"
	Line int    // of the new file, where it says so; 0: of no line
	all  bool   // everything that no rule speaks of
	part []piece
}

// gather makes one change of the pieces of a rule that say the same of several
// ports and programs.
func gather(pieces []piece, was func(piece) string, lines bool) []Change {
	var out []Change
	for _, a := range pieces {
		text := was(a)
		at := slices.IndexFunc(out, func(c Change) bool {
			first := c.part[0]
			return c.Was == text && first.from == a.from && first.http == a.http && first.cred == a.cred && first.host == a.host && first.byName == a.byName &&
				first.addr == a.addr && first.expires.Equal(a.expires)
		})
		if at < 0 {
			c := Change{Was: text}
			if lines && a.from != nil && !a.byName {
				c.Line = a.from.line
			}
			out, at = append(out, c), len(out)
		}
		if !slices.Contains(out[at].part, a) {
			out[at].part = append(out[at].part, a)
		}
	}
	var whole []Change
	for _, c := range out {
		whole = append(whole, c.split()...)
	}
	return whole
}

// split keeps together the programs that have the same ports.
func (c Change) split() []Change {
	var programs []string
	for _, a := range c.part {
		if !slices.Contains(programs, a.exe) {
			programs = append(programs, a.exe)
		}
	}
	ports := func(exe string) (out []Port) {
		for _, a := range c.part {
			if a.exe == exe {
				out = append(out, a.port)
			}
		}
		return out
	}
	var out []Change
	for _, exe := range programs {
		at := slices.IndexFunc(out, func(o Change) bool { return slices.Equal(ports(o.part[0].exe), ports(exe)) })
		if at < 0 {
			one := c
			one.part = nil
			out, at = append(out, one), len(out)
		}
		for _, a := range c.part {
			if a.exe == exe {
				out[at].part = append(out[at].part, a)
			}
		}
	}
	for i := range out {
		out[i].What = whatOf(out[i].part)
	}
	return out
}

// whatOf writes the pieces of one change as a rule would be.
func whatOf(part []piece) string {
	first := part[0]
	r := Rule{Action: Allow, Host: first.host.text, Expires: first.expires}
	for _, a := range part {
		if a.port != 0 && !slices.Contains(r.Ports, a.port) {
			r.Ports = append(r.Ports, a.port)
		}
		if a.exe != "" && !slices.Contains(r.Binaries, a.exe) {
			r.Binaries = append(r.Binaries, a.exe)
		}
	}
	switch {
	case first.addr.IsValid():
		r.Addresses = []netip.Prefix{first.addr}
	case first.from != nil && first.from.action == Allow && !first.byName && first.host == first.from.host:
		r.Addresses = first.from.addresses
	}
	if first.http != "" {
		r.HTTP = shownHTTP(first.from.http)
	}
	r.Credential = first.cred
	text := r.Text()[len("allow "):]
	if first.byName {
		text = "names that have the address " + text
	}
	return text
}

// matches says whether the change speaks of a request.
func (c Change) matches(r Request, addr netip.Addr) bool {
	return c.all || slices.ContainsFunc(c.part, func(a piece) bool { return a.matches(r, addr) })
}
