package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"
)

// A connection waits at most maxHold for the operator. Node's fetch gives up on
// a silent socket after about ten seconds, so a longer hold would turn a
// question into an error of the network; the default leaves it two seconds to
// make the connection itself. Zero holds nothing: the question is asked, the
// connection fails at once, and the answer serves the retry.
const (
	defaultHold = 8 * time.Second
	maxHold     = 9 * time.Second
)

// Policy is a network policy: what may be reached. The nil and the zero Policy
// deny everything.
type Policy struct {
	off      bool // the operator switched the wall off
	egress   []*rule
	deny     []*rule
	allows   index // of egress
	denies   index // of deny
	reads    bool  // some rule has http
	unlisted Action
	asked    unlistedLine
	hold     time.Duration
	held     bool // the file says hold
	revision string
	laid     *layout // where its rules stand; nil: elsewhere than in block lists
}

// unlistedLine is where the file says what becomes of the unlisted; 0: nowhere.
type unlistedLine int

// Open is the policy of a sandbox whose operator switched the network wall off
// at its creation: it allows everything.
func Open() *Policy {
	return &Policy{off: true, unlisted: Allow, hold: defaultHold, revision: "off"}
}

// Closed is the policy of a command that was given none: it denies everything,
// as the text "unlisted: deny" does, without the 0.2 ms that reading it takes.
func Closed() *Policy {
	return &Policy{unlisted: Deny, asked: 1, hold: defaultHold, revision: "closed"}
}

// Rules is how many rules there are, of both kinds.
func (p *Policy) Rules() int {
	if p == nil {
		return 0
	}
	return len(p.egress) + len(p.deny)
}

// Revision is the first 12 hexadecimal digits of the SHA-256 of the file; "off"
// for an open policy.
func (p *Policy) Revision() string {
	if p == nil {
		return ""
	}
	return p.revision
}

// Hold is how long a connection waits for the operator's answer.
func (p *Policy) Hold() time.Duration {
	if p == nil {
		return 0
	}
	return p.hold
}

// Parse reads network-policy.yaml. The name is for messages. With an error,
// which is an *Invalid with every problem, there is no policy.
func Parse(file string, data []byte) (*Policy, error) {
	d := readDocument(file, "egress: []", data)
	if d.root == nil {
		return nil, d.err()
	}
	p := &Policy{hold: defaultHold, revision: revision(data)}
	d.policy(p)
	if err := d.err(); err != nil {
		return nil, err
	}
	p.complete()
	if laid, ok := layOut(d.whole); ok && laid.fits(p) {
		p.laid = laid
	}
	return p, nil
}

// complete adds what follows from what was read.
func (p *Policy) complete() {
	if p.asked == 0 && p.Rules() > 0 {
		p.unlisted = Ask
	}
	p.allows, p.denies = makeIndex(p.egress), makeIndex(p.deny)
	p.reads = slices.ContainsFunc(p.egress, func(r *rule) bool { return len(r.http) > 0 })
}

func revision(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:12]
}

func (d *document) policy(p *Policy) {
	d.fields(d.root, readers{
		"egress": func(n *yaml.Node) {
			p.egress = d.rules(n, Allow)
		},
		"deny": func(n *yaml.Node) {
			p.deny = d.rules(n, Deny)
		},
		"unlisted": func(n *yaml.Node) {
			p.asked = unlistedLine(n.Line)
			if d.word(n, "ask", "deny") == "ask" {
				p.unlisted = Ask
			}
		},
		"hold": func(n *yaml.Node) {
			p.hold, p.held = d.duration(n, 0, maxHold), true
		},
	})
}

func (d *document) rules(n *yaml.Node, action Action) []*rule {
	var (
		rules []*rule
		r     *rule // the one that is being read
		known = d.ruleReaders(&r, action)
		seen  = map[string]int{}
	)
	d.items(n, `rules such as {host: "api.github.com", port: 443}`, func(item *yaml.Node) {
		r = &rule{action: action, line: item.Line}
		ok := d.rule(item, r, known)
		if !ok {
			return
		}
		if d.unique(item, r, seen) {
			rules = append(rules, r)
		}
	})
	return rules
}

// unique refuses a rule that a rule before says already.
func (d *document) unique(item *yaml.Node, r *rule, seen map[string]int) bool {
	for _, key := range r.keys {
		if first, twice := seen[key]; twice {
			d.at(item, "each rule once", "%q stands in line %d already", r.text, first)
			return false
		}
	}
	for _, key := range r.keys {
		seen[key] = r.line
	}
	return true
}

// rule reads one rule; false where it has problems.
func (d *document) rule(n *yaml.Node, r *rule, known readers) bool {
	before := len(d.found)
	if d.fields(n, known) {
		d.needed(n, r.action)
		d.checkHTTP(n, r)
	}
	r.text, r.keys = r.describe(), r.said()
	return len(d.found) == before
}

// refusal reads a key that is never accepted.
func (d *document) refusal(why, want string) func(*yaml.Node) {
	return func(*yaml.Node) { d.refuse(want, "%s", why) }
}

// ruleReaders read into the rule that r leads to. They are made once for a list.
func (d *document) ruleReaders(r **rule, action Action) readers {
	known := readers{
		"host":       func(n *yaml.Node) { (*r).host = d.host(n) },
		"port":       func(n *yaml.Node) { d.onePort(n, *r) },
		"ports":      func(n *yaml.Node) { d.manyPorts(n, *r) },
		"binaries":   func(n *yaml.Node) { (*r).binaries = d.binaries(n) },
		"addresses":  func(n *yaml.Node) { d.addresses(n, *r) },
		"expires":    func(n *yaml.Node) { (*r).expires = d.moment(n) },
		"note":       func(n *yaml.Node) { (*r).note, _ = d.text(n, "a text") },
		"http":       func(n *yaml.Node) { (*r).http = d.http(n) },
		"credential": func(n *yaml.Node) { (*r).cred = d.credential(n) },
	}
	if action == Deny {
		known["binaries"] = d.refusal("a deny holds for every program, since a program can be copied", "a deny without it")
		known["addresses"] = d.refusal("a deny by address has the address as its host", "a deny without it")
		known["http"] = d.refusal("a deny holds for every request; an egress rule with http lists those that are allowed", "a deny without it")
		known["credential"] = d.refusal("nothing is added to what is denied", "a deny without it")
		known["expires"] = d.refusal("a deny that ends by itself would open something", "a deny without it")
	}
	return known
}

// needed demands the host, and the port of an allow: "any port" must be a
// decision that somebody wrote. Both keys of the port at once is a slip.
func (d *document) needed(n *yaml.Node, action Action) {
	_, host := find(n, "host")
	_, port := find(n, "port")
	ports, _ := find(n, "ports")
	if host == nil {
		d.at(n, `host: "…"`, "a rule without host")
	}
	if port == nil && ports == nil && action == Allow {
		d.at(n, "port: 443, or ports: [80, 443]", "a rule without port")
	}
	if port != nil && ports != nil {
		d.at(ports, "port or ports", "both port and ports")
	}
}

func (d *document) host(n *yaml.Node) pattern {
	text, ok := d.text(n, `a host such as "api.github.com"`)
	if !ok {
		return pattern{}
	}
	host, err := parsePattern(text)
	if err != nil {
		d.bad(n, err)
	}
	return host
}

func (d *document) onePort(n *yaml.Node, r *rule) {
	if n.Kind == yaml.SequenceNode {
		d.at(n, "one port; several are written ports: [80, 443]", "a list")
		return
	}
	if port, ok := d.port(n); ok {
		r.ports = append(r.ports, port)
	}
}

func (d *document) manyPorts(n *yaml.Node, r *rule) {
	r.list = true
	if len(n.Content) == 0 {
		d.wrong(n, "a list of at least one port, such as [80, 443]")
		return
	}
	d.items(n, "ports", func(item *yaml.Node) {
		port, ok := d.port(item)
		if ok && slices.Contains(r.ports, port) {
			d.at(item, "each port once", "port %d again", port)
			return
		}
		if ok {
			r.ports = append(r.ports, port)
		}
	})
}

const wantProgram = "an absolute path without . or .. such as /usr/bin/git"

func isProgram(exe string) bool { return path.IsAbs(exe) && path.Clean(exe) == exe && exe != "/" }

func (d *document) binaries(n *yaml.Node) []string {
	const want = "a list of absolute paths inside the sandbox, such as [/usr/bin/git]"
	if len(n.Content) == 0 { // an empty list must not come to mean any program
		d.wrong(n, want)
		return nil
	}
	var paths []string
	d.items(n, "absolute paths", func(item *yaml.Node) {
		exe, ok := d.text(item, "an absolute path")
		switch {
		case !ok:
		case !isProgram(exe):
			d.at(item, wantProgram, "%q", exe)
		case slices.Contains(paths, exe):
			d.at(item, "each program once", "%q again", exe)
		default:
			paths = append(paths, exe)
		}
	})
	return paths
}

// addresses are those that a name may have. A rule whose host is an address
// has said it already.
func (d *document) addresses(n *yaml.Node, r *rule) {
	if len(n.Content) == 0 {
		d.wrong(n, "a list such as [10.0.0.0/8]")
		return
	}
	d.items(n, "addresses and CIDRs", func(item *yaml.Node) {
		p, ok := d.prefix(item)
		switch c, what := classify(p.Addr()); {
		case !ok:
		case c == never:
			d.at(item, "an address of a host", "%s, to which no connection can be made", what)
		case slices.Contains(r.addresses, p):
			d.at(item, "each address once", "%s again", p)
		default:
			r.addresses = append(r.addresses, p)
		}
	})
}
