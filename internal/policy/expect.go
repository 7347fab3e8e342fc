package policy

import (
	"net/netip"
	"time"

	"go.yaml.in/yaml/v4"
)

// Expectation is one case of a table that a policy is held to:
//
//   - {host: api.github.com, expect: allow}                  # port 443 unless said
//   - {host: api.github.com, port: 80, expect: ask}
//   - {host: github.com, program: /usr/bin/git, expect: allow}
//   - {host: nas.example.com, address: 10.0.0.7, expect: ask} # the address that the name has
//   - {host: api.github.com, method: GET, path: /user, expect: deny}
//   - {host: api.example.com, at: 2027-01-01T00:00:00Z, expect: ask}
type Expectation struct {
	Request Request    // Time is zero where the table does not say at
	Address netip.Addr // that the name turns out to have; else any public one
	Method  string     // of an HTTP request; "": the connection alone
	Path    Path
	Want    Action
	Note    string
	Line    int
}

// ParseExpectations reads such a table. With an error, which is an *Invalid
// with every problem, there is none.
func ParseExpectations(file string, data []byte) ([]Expectation, error) {
	const example = "- {host: api.github.com, expect: allow}"
	d := readDocument(file, example, data)
	if d.root == nil {
		return nil, d.err()
	}
	var cases []Expectation
	d.items(d.root, "cases such as {host: api.github.com, expect: allow}", func(n *yaml.Node) {
		cases = append(cases, d.expectation(n))
	})
	if len(cases) == 0 && len(d.found) == 0 {
		d.at(d.root, example, "a table without a case")
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return cases, nil
}

func (d *document) expectation(n *yaml.Node) Expectation {
	e := Expectation{Request: Request{Port: 443}, Line: n.Line}
	has := map[string]bool{}
	read := func(name string, f func(*yaml.Node)) func(*yaml.Node) {
		return func(v *yaml.Node) { has[name] = true; f(v) }
	}
	known := d.fields(n, readers{
		"host": read("host", func(v *yaml.Node) { e.Request.Host, e.Request.Addr = d.destination(v) }),
		"port": func(v *yaml.Node) { e.Request.Port, _ = d.port(v) },
		"program": func(v *yaml.Node) {
			exe, ok := d.text(v, wantProgram)
			if ok && !isProgram(exe) {
				d.wrong(v, wantProgram)
			}
			e.Request.Program = ProgramAt(exe, nil)
		},
		"address": func(v *yaml.Node) { e.Address = d.address(v) },
		"method":  read("method", func(v *yaml.Node) { e.Method = d.method(v) }),
		"path":    read("path", func(v *yaml.Node) { e.Path = d.path(v) }),
		"at":      func(v *yaml.Node) { e.Request.Time = d.moment(v) },
		"note":    func(v *yaml.Node) { e.Note, _ = d.text(v, "a text") },
		"expect":  read("expect", func(v *yaml.Node) { e.Want = d.action(v) }),
	})
	if known && !has["host"] {
		d.at(n, `host: "…"`, "a case without host")
	}
	if known && has["method"] != has["path"] {
		d.at(n, "method: GET and path: /x, or neither", "a case with one of method and path")
	}
	if known && !has["expect"] {
		d.at(n, "expect: allow, deny or ask", "a case without expect")
	}
	return e
}

func (d *document) destination(n *yaml.Node) (Host, netip.Addr) {
	text, ok := d.text(n, `a host such as "api.github.com"`)
	if !ok {
		return "", netip.Addr{}
	}
	host, addr, err := ParseTarget(text)
	if err != nil {
		d.bad(n, err)
	}
	return host, addr
}

func (d *document) method(n *yaml.Node) string {
	m, ok := d.text(n, "a method such as GET")
	if ok && !isMethod(m) {
		d.wrong(n, "a method such as GET")
	}
	return m
}

func (d *document) path(n *yaml.Node) Path {
	text, ok := d.text(n, "a path such as /user")
	if !ok {
		return Path{}
	}
	p, err := ParsePath(text)
	if err != nil {
		d.bad(n, err)
	}
	return p
}

func (d *document) address(n *yaml.Node) netip.Addr {
	a, err := netip.ParseAddr(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || a.Zone() != "" {
		d.wrong(n, "an address such as 10.0.0.7")
		return netip.Addr{}
	}
	return a
}

func (d *document) action(n *yaml.Node) Action {
	switch d.word(n, "allow", "deny", "ask") {
	case "allow":
		return Allow
	case "ask":
		return Ask
	}
	return Deny
}

// Judge is what becomes of the case under p, by the road of the gate; now is
// its time where it says none.
func (e Expectation) Judge(p *Policy, now time.Time, own []netip.Addr) Verdict {
	r := e.Request
	if r.Time.IsZero() {
		r.Time = now
	}
	v := p.Judge(r, own)
	if e.Method != "" {
		v, _ = p.JudgeHTTP(r, own, e.Method, e.Path)
	}
	if v.Action == Deny || r.Host == "" || !e.Address.IsValid() {
		return v
	}
	if w := p.DecideAddr(r, e.Address, own); w.Action < v.Action {
		return w
	}
	return v
}
