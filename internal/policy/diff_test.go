package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// told is a diff on a few lines.
func told(d Diff) string {
	var b strings.Builder
	for _, g := range []struct {
		sign string
		list []Change
	}{{"+", d.Allowed}, {"-", d.Denied}, {"?", d.Asked}} {
		for _, c := range g.list {
			fmt.Fprintf(&b, "%s %s | %s\n", g.sign, c.What, c.Was)
		}
	}
	return b.String()
}

func TestCompare(t *testing.T) {
	for _, c := range []struct{ name, older, newer, want string }{
		{"the same, written otherwise",
			"egress:\n  - {host: a.org, ports: [80, 443]}\n  - {host: b.org, port: 443}\n",
			"hold: 8s\nunlisted: ask\negress:\n  - {host: B.org., port: 443, note: x}\n  - {host: a.org, port: 443}\n  - {host: a.org, port: 80}\n",
			""},
		{"a rule that another one says already",
			"egress:\n  - {host: \"**.a.org\", port: 443}\n",
			"egress:\n  - {host: \"**.a.org\", port: 443}\n  - {host: \"*.b.a.org\", port: 443, binaries: [/usr/bin/git]}\n  - {host: c.a.org, port: 443, expires: 2027-01-01T00:00:00Z}\n",
			""},
		{"one host, two ports, two programs",
			"egress: []\nunlisted: ask\n",
			"egress:\n  - {host: a.org, ports: [80, 443], binaries: [/usr/bin/git, /usr/bin/curl]}\n",
			"+ a.org:80,443 for /usr/bin/git, /usr/bin/curl | asked\n"},
		{"one port more",
			"egress:\n  - {host: a.org, port: 80}\n",
			"egress:\n  - {host: a.org, ports: [80, 443]}\n",
			"+ a.org:443 | asked\n"},
		{"wider",
			"egress:\n  - {host: \"*.a.org\", port: 443}\nunlisted: deny\n",
			"egress:\n  - {host: \"**.a.org\", port: 443}\nunlisted: deny\n",
			"+ **.a.org:443 | partly allowed (line 2)\n"},
		{"narrower",
			"egress:\n  - {host: 10.0.0.0/8, port: 443}\n",
			"egress:\n  - {host: 10.1.0.0/16, port: 443}\n",
			"- 10.0.0.0/8:443 | allowed (line 2)\n"},
		{"longer",
			"egress:\n  - {host: a.org, port: 443, expires: 2027-01-01T00:00:00Z}\n",
			"egress:\n  - {host: a.org, port: 443, expires: 2028-01-01T00:00:00Z}\n",
			"+ a.org:443, until 2028-01-01T00:00:00Z | allowed until 2027-01-01T00:00:00Z (line 2)\n"},
		{"a denial goes, and what it took out is open",
			"egress:\n  - {host: \"*.a.org\", ports: [80, 443]}\ndeny:\n  - {host: x.a.org, port: 443}\n",
			"egress:\n  - {host: \"*.a.org\", ports: [80, 443]}\n",
			"+ x.a.org:443 | denied (line 4)\n"},
		{"a denial comes",
			"egress:\n  - {host: a.org, port: 443}\n",
			"egress:\n  - {host: a.org, port: 443}\ndeny:\n  - {host: a.org}\n",
			"- a.org:443 | allowed (line 2)\n- a.org, every port | asked\n"},
		{"an address that a name may have is denied no more",
			"egress:\n  - {host: a.org, port: 443}\ndeny:\n  - {host: 203.0.113.0/24}\nunlisted: deny\n",
			"egress:\n  - {host: a.org, port: 443}\nunlisted: deny\n",
			"+ names that have the address 203.0.113.0/24:443 | denied (line 4)\n"},
		{"a private address",
			"egress:\n  - {host: a.org, port: 443, addresses: [10.0.0.7]}\n",
			"egress:\n  - {host: a.org, port: 443, addresses: [10.0.0.0/8]}\n",
			"+ a.org:443, at 10.0.0.0/8 | allowed without it (line 2)\n"},
		{"a metadata server is not in its network",
			"egress:\n  - {host: 169.254.0.0/16, port: 80}\n",
			"egress:\n  - {host: 169.254.0.0/16, port: 80}\n  - {host: 169.254.169.254, port: 80}\n",
			"+ 169.254.169.254:80 | denied\n"},
		{"questions are asked no more",
			"egress:\n  - {host: a.org, port: 443}\n",
			"egress:\n  - {host: a.org, port: 443}\nunlisted: deny\n",
			"- what no rule lists | asked\n"},
		{"the last rule takes the questions with it",
			"egress:\n  - {host: a.org, port: 443}\n", "egress: []\n",
			"- a.org:443 | allowed (line 2)\n- what no rule lists | asked\n"},
		{"the router is closed",
			"egress: []\n", "deny:\n  - {host: 127.0.0.1, port: 11434}\nunlisted: deny\n",
			"- 127.0.0.1:11434 | allowed\n"},
		{"a model API",
			"egress: []\nunlisted: ask\n", "egress:\n  - {host: api.openai.com, port: 443}\n",
			"+ api.openai.com:443 | denied\n"},
	} {
		got := told(Compare(mustParse(t, c.older), mustParse(t, c.newer)))
		if got != c.want {
			t.Errorf("%s:\n%swant:\n%s", c.name, got, c.want)
		}
	}
	p := mustParse(t, article)
	if d := Compare(p, Open()); len(d.Allowed) != 1 || !Compare(Open(), Open()).Empty() || len(Compare(Open(), p).Denied) != 1 {
		t.Error("the wall that is off")
	}
	if Compare(nil, p).Empty() || !Compare(nil, &Policy{}).Empty() || !Compare(p, p).Empty() {
		t.Error("no policy at all")
	}
}

// world is small enough to try everything in it. A literal 127.0.0.1 is not in
// it: inside, that is the sandbox's own, and no policy is asked about it.
var world = struct {
	allow, deny, names, literals, addresses, programs []string
	ports                                             []Port
	moments                                           []time.Time
}{
	allow: []string{"x.org", "a.x.org", "b.a.x.org", "*.x.org", "**.x.org", "*.a.x.org", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3",
		"8.8.8.0/24", "127.0.0.1", "**.docker.internal", "169.254.0.0/16", "169.254.169.254", "api.openai.com", "*.openai.com", "*.openai.azure.com", "inference.local"},
	deny:      []string{"a.x.org", "*.x.org", "**.a.x.org", "10.1.0.0/16", "8.8.8.8", "8.0.0.0/8", "127.0.0.1", "*.docker.internal", "inference.local"},
	names:     []string{"x.org", "a.x.org", "b.a.x.org", "c.b.a.x.org", "z.x.org", "host.docker.internal", "localhost", "b.docker.internal", "api.openai.com", "docs.openai.com", "my.openai.azure.com", "inference.local", "other.net"},
	literals:  []string{"10.1.2.3", "10.1.9.9", "10.200.0.1", "8.8.8.8", "8.8.8.9", "8.1.1.1", "169.254.169.254", "169.254.1.1"},
	addresses: []string{"10.0.0.0/8", "10.1.2.3", "169.254.169.254"},
	programs:  []string{"", "/usr/bin/git", "/usr/bin/curl", "/usr/bin/other"},
	ports:     []Port{80, 443, 11434},
	moments:   []time.Time{noon, noon.AddDate(1, 0, 0)},
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// randomPolicy is one of the world.
func randomPolicy(t testing.TB, r *rand.Rand) *Policy {
	var b strings.Builder
	section := func(key string, hosts []string, allow bool) {
		fmt.Fprintf(&b, "%s:\n", key)
		for range r.IntN(4) {
			fmt.Fprintf(&b, "  - host: %q\n", pick(r, hosts))
			if allow || r.IntN(2) == 0 {
				fmt.Fprintf(&b, "    port: %d\n", pick(r, world.ports))
			}
			if !allow {
				continue
			}
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, "    binaries: [%s]\n", pick(r, world.programs[1:3]))
			}
			if r.IntN(4) == 0 {
				fmt.Fprintf(&b, "    expires: %s\n", noon.AddDate(0, r.IntN(18), 0).Format(time.RFC3339))
			}
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, "    addresses: [%s]\n", pick(r, world.addresses))
			}
		}
	}
	section("egress", world.allow, true)
	section("deny", world.deny, false)
	switch r.IntN(3) {
	case 0:
		b.WriteString("unlisted: ask\n")
	case 1:
		b.WriteString("unlisted: deny\n")
	}
	p, err := Parse("p.yaml", []byte(b.String()))
	if err != nil { // a rule twice
		return randomPolicy(t, r)
	}
	return p
}

// everyRequest tries all of the world.
func everyRequest(try func(r Request, addr netip.Addr)) {
	var targets []Request
	for _, n := range world.names {
		targets = append(targets, Request{Host: Host(n)})
	}
	for _, a := range world.literals {
		targets = append(targets, Request{Addr: netip.MustParseAddr(a)})
	}
	for _, r := range targets {
		for _, r.Port = range world.ports {
			for _, exe := range world.programs {
				r.Program = Program{Exe: exe, Known: exe != ""}
				for _, r.Time = range world.moments {
					if r.Host == "" {
						try(r, r.Addr)
						continue
					}
					for _, a := range append(world.literals, "1.1.1.1") {
						try(r, netip.MustParseAddr(a))
					}
				}
			}
		}
	}
}

// final is what becomes of a connection in the end.
func final(p *Policy, r Request, addr netip.Addr) Action {
	v := p.Judge(r, nil)
	if r.Host == "" || IsRouter(r.Host, r.Addr, r.Port) {
		return v.Action
	}
	return min(v.Action, p.DecideAddr(r, addr, nil).Action)
}

// TestCompareSaysNothingLess: every request whose verdict differs is in a
// change, and one that is newly allowed in one that says so; and where nothing
// differs, little is said.
func TestCompareSaysNothingLess(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	claims, idle := 0, 0
	for seed := range rounds {
		c, i := compareRandom(t, uint64(seed))
		claims, idle = claims+c, idle+i
	}
	t.Logf("%d changes that allow, %d of them by rules that do nothing in this world", claims, idle)
	if idle*5 > claims {
		t.Errorf("%d of %d changes have no request to show", idle, claims)
	}
}

func FuzzCompare(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { compareRandom(t, seed) })
}

// compareRandom says how many changes allow something, and how many of them
// without a request to show for it.
func compareRandom(t *testing.T, seed uint64) (claims, idle int) {
	random := rand.New(rand.NewPCG(seed, 7))
	older, newer := randomPolicy(t, random), randomPolicy(t, random)
	if seed%3 == 0 { // near ones show other mistakes
		newer = varied(t, random, older)
	}
	d := Compare(older, newer)
	if again := Compare(older, mustParse(t, string(older.Format()))); !again.Empty() {
		t.Fatalf("the same: %s", told(again))
	}
	used := map[int]bool{}
	everyRequest(func(r Request, addr netip.Addr) {
		was, is := final(older, r, addr), final(newer, r, addr)
		if was == is {
			return
		}
		if is == Allow {
			for i, c := range d.Allowed {
				if c.matches(r, addr) {
					used[i] = true
				}
			}
		}
		if !d.speaksOf(r, addr, is) {
			t.Fatalf("seed %d: %s at %s by %q, %s: %s, then %s; not in\n%s\nolder:\n%s\nnewer:\n%s", seed, r.Target(), addr,
				r.Program.Exe, r.Time, was, is, told(d), older.Format(), newer.Format())
		}
	})
	return len(d.Allowed), len(d.Allowed) - len(used)
}

// varied is the policy without one of its rules.
func varied(t testing.TB, random *rand.Rand, p *Policy) *Policy {
	q := *p
	if len(q.egress) > 0 && random.IntN(2) == 0 {
		q.egress = q.egress[1:]
	} else if len(q.deny) > 0 {
		q.deny = q.deny[1:]
	}
	return mustParse(t, string(q.Format()))
}

func (d Diff) speaksOf(r Request, addr netip.Addr, now Action) bool {
	lists := [][]Change{d.Allowed}
	switch now {
	case Deny:
		lists = [][]Change{d.Denied}
	case Ask: // of the private address of a name that is newly allowed
		lists = [][]Change{d.Asked, d.Allowed}
	}
	for _, list := range lists {
		for _, c := range list {
			if c.matches(r, addr) {
				return true
			}
		}
	}
	return false
}
