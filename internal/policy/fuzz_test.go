package policy

import (
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// seed gives a fuzz target every file of the tests.
func seed(f *testing.F, add func(text []byte)) {
	for _, text := range layouts {
		add([]byte(text))
	}
	add([]byte(rules))
	add([]byte(routes))
	add([]byte(priced))
	files, err := filepath.Glob("testdata/problems/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		add(data)
	}
}

// FuzzParse: any bytes give a policy or problems, never both; a policy is what
// its own Format says.
func FuzzParse(f *testing.F) {
	seed(f, func(text []byte) { f.Add(text) })
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("network-policy.yaml", data)
		if err != nil {
			checkInvalid(t, p == nil, err)
		} else {
			again := mustParse(t, string(p.Format()))
			if !p.same(again) || string(again.Format()) != string(p.Format()) {
				t.Fatalf("not the identity:\n%s\n%s", data, p.Format())
			}
		}
		if cases, err := ParseExpectations("cases.yaml", data); err != nil {
			checkInvalid(t, cases == nil, err)
		}
		i, err := ParseInference("inference.yaml", data)
		if err != nil {
			checkInvalid(t, i == nil, err)
		} else if d := i.Default(); d.URL == nil || d.Model == "" || d.API == "" {
			t.Fatalf("half a target: %+v", d)
		} else if again := mustInference(t, string(i.Format())); !i.same(again) || string(again.Format()) != string(i.Format()) {
			t.Fatalf("not the identity:\n%s\n%s", data, i.Format())
		}
	})
}

func checkInvalid(t *testing.T, none bool, err error) {
	var invalid *Invalid
	if !none || !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
		t.Fatalf("not refused: %v", err)
	}
	if text := err.Error() + invalid.Summary(); !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\r\x00") {
		t.Fatalf("a message that a terminal would obey: %q", text)
	}
}

// FuzzDecide holds verdicts to the laws: case and a final dot do not matter, a
// deny wins, taking an allow away never opens.
func FuzzDecide(f *testing.F) {
	for _, host := range []string{"api.github.com", "a.b.deep.org", "secret.deep.org", "10.1.2.3", "host.docker.internal", "169.254.169.254", "api.openai.com"} {
		f.Add([]byte(rules), host, uint16(443))
	}
	seed(f, func(text []byte) { f.Add(text, "a.org", uint16(443)) })
	f.Fuzz(func(t *testing.T, data []byte, text string, port uint16) {
		p, err := Parse("network-policy.yaml", data)
		if err != nil {
			return
		}
		host, addr, err := ParseTarget(text)
		if err != nil {
			return
		}
		r := Request{Host: host, Addr: addr, Port: Port(port), Time: noon, Program: Program{Exe: "/usr/bin/git", Known: true}}
		v := p.Decide(r)
		if v.Why == "" {
			t.Fatalf("no why: %s", v)
		}
		spellingsAgree(t, p, r, text, v)
		indexAgrees(t, p, r, v)
		denyWins(t, p, r)
		lessIsLess(t, p, r, v)
		formatAgrees(t, p, r, v)
	})
}

func spellingsAgree(t *testing.T, p *Policy, r Request, text string, want Verdict) {
	if r.Host == "" {
		return
	}
	for _, spelling := range []string{strings.ToUpper(text), strings.TrimSuffix(text, ".") + "."} {
		host, _, err := ParseTarget(spelling)
		if err != nil || host != r.Host {
			t.Fatalf("%q: %q, %v", spelling, host, err)
		}
	}
	if v := p.Decide(r); v != want {
		t.Fatalf("%s, then %s", want, v)
	}
}

// indexAgrees: the maps find what reading the rules one after another finds.
func indexAgrees(t *testing.T, p *Policy, r Request, got Verdict) {
	want := plainly(p.deny, r)
	if want == nil {
		want = plainly(p.egress, r)
	}
	decided := got.Line
	if want == nil && got.Action == Allow || want != nil && r.Port != 0 && decided != want.line {
		t.Fatalf("%s, but the first rule is %+v", got, want)
	}
}

func plainly(rules []*rule, r Request) *rule {
	for _, x := range rules {
		if !x.hasPort(r.Port) || x.action == Allow && x.refuses(r) != "" {
			continue
		}
		if plainlyMatches(x, r) {
			return x
		}
	}
	return nil
}

func plainlyMatches(x *rule, r Request) bool {
	host, a := string(r.Host), reached(r.Addr)
	isLoopback := r.Host.isLoopback() || host == "" && a == hostLoopback
	switch before, deeper := strings.CutSuffix(host, "."+string(x.host.name)); x.host.shape {
	case exact:
		return r.Host == x.host.name
	case oneLabel:
		return (!isLoopback || x.action == Deny) && deeper && !strings.Contains(before, ".")
	case deep:
		return (!isLoopback || x.action == Deny) && deeper
	case loopback:
		return isLoopback
	}
	return host == "" && x.host.prefix.Contains(a) && (x.action == Deny || x.reaches(r))
}

func denyWins(t *testing.T, p *Policy, r Request) {
	if r.Host == "" || r.Port == 0 {
		return
	}
	host, err := parsePattern(string(r.Host))
	if err != nil {
		t.Fatal(err)
	}
	denied := *p
	denied.deny = append(denied.deny, &rule{action: Deny, host: host})
	denied.denies = makeIndex(denied.deny)
	if v := denied.Decide(r); v.Action != Deny {
		t.Fatalf("denied, and %s", v)
	}
}

func lessIsLess(t *testing.T, p *Policy, r Request, v Verdict) {
	for i := range p.egress {
		fewer := *p
		fewer.egress = append(append([]*rule{}, p.egress[:i]...), p.egress[i+1:]...)
		fewer.allows = makeIndex(fewer.egress)
		if without := fewer.Decide(r); without.Action > v.Action {
			t.Fatalf("without line %d it is %s, with it %s", p.egress[i].line, without, v)
		}
		for _, a := range []string{"10.0.0.1", "169.254.169.254", "192.0.2.1"} {
			addr := netip.MustParseAddr(a)
			if fewer.DecideAddr(r, addr, nil).Action > p.DecideAddr(r, addr, nil).Action {
				t.Fatalf("without line %d %s is open", p.egress[i].line, a)
			}
		}
	}
}

func formatAgrees(t *testing.T, p *Policy, r Request, v Verdict) {
	again := mustParse(t, string(p.Format()))
	if got := again.Decide(r); got.Action != v.Action || got.Rule != v.Rule {
		t.Fatalf("%s, but as formatted %s", v, got)
	}
}

// FuzzAddr: no spelling of an address gets where another one does not.
func FuzzAddr(f *testing.F) {
	for _, a := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1", "8.8.8.8", "0.0.0.0", "224.0.0.1", "100.64.0.1"} {
		f.Add(netip.MustParseAddr(a).AsSlice())
	}
	for _, a := range []string{"fd00:ec2::254", "fe80::1", "2001::1", "ff02::1"} {
		f.Add(netip.MustParseAddr(a).AsSlice())
	}
	p, err := Parse("network-policy.yaml", []byte(rules))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		addr, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		named := Request{Host: "api.github.com", Port: 443, Time: noon}
		literal := Request{Addr: addr, Port: 443, Time: noon}
		byName, byAddr := p.DecideAddr(named, addr, nil), p.DecideAddr(literal, addr, nil)
		for _, other := range spellings(addr) {
			if got := p.DecideAddr(named, other, nil); got.Action != byName.Action {
				t.Fatalf("%s: %s, %s: %s", addr, byName, other, got)
			}
			if got := p.Decide(Request{Addr: other, Port: 443, Time: noon}); got.Action != p.Decide(literal).Action {
				t.Fatalf("%s as %s: %s", addr, other, got)
			}
		}
		open := byName.Action == Allow || byAddr.Action == Allow
		if a := reached(addr); open && (!a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback()) {
			t.Fatalf("%s: %s, %s", addr, byName, byAddr)
		}
	})
}

// spellings are the forms of IPv6 that carry the address.
func spellings(a netip.Addr) []netip.Addr {
	if !a.Is4() {
		return nil
	}
	v4 := a.As4()
	var nat64, sixToFour [16]byte
	copy(nat64[:], []byte{0, 0x64, 0xff, 0x9b})
	copy(nat64[12:], v4[:])
	copy(sixToFour[:], []byte{0x20, 0x02, v4[0], v4[1], v4[2], v4[3]})
	return []netip.Addr{netip.AddrFrom16(a.As16()), netip.AddrFrom16(nat64), netip.AddrFrom16(sixToFour)}
}

// FuzzEdit: an edit of any file that parses adds the rule or says that it
// cannot; it never says anything else.
func FuzzEdit(f *testing.F) {
	seed(f, func(text []byte) { f.Add(text, "new.example.org", uint16(443), "a note") })
	f.Fuzz(func(t *testing.T, data []byte, host string, port uint16, note string) {
		before, err := Parse("network-policy.yaml", data)
		if err != nil {
			return
		}
		e := Entry{Host: host, Port: Port(port), Note: note}
		added, err := AddRule(data, e)
		if err != nil {
			return
		}
		after := mustParse(t, string(added))
		if more := after.Rules() - before.Rules(); more < 0 || more > 1 || after.unlisted != before.unlisted {
			t.Fatalf("%d more:\n%s", more, added)
		}
		pattern, err := parsePattern(host)
		if err != nil || pattern.shape != exact {
			return
		}
		r := Request{Host: pattern.name, Port: Port(port), Time: noon}
		if _, denied := before.Denies(r); !denied && after.Decide(r).Action != Allow {
			t.Fatalf("%s:\n%s", after.Decide(r), added)
		}
		if again, err := AddRule(added, e); err != nil || string(again) != string(added) {
			t.Fatalf("twice: %v\n%s", err, again)
		}
	})
}

// FuzzSetModel: after an edit of any file that parses, the model is the one that
// was wanted, all else says what it said, and every comment stands in its order;
// or there is an error. The address of a provider is held to the same.
func FuzzSetModel(f *testing.F) {
	seed(f, func(text []byte) { f.Add(text, "ollama/x", "http://10.0.0.1:11434") })
	f.Fuzz(func(t *testing.T, data []byte, target, address string) {
		before, err := ParseInference("inference.yaml", data)
		if err != nil {
			return
		}
		edited, err := SetModel(data, target)
		if err == nil {
			after := mustInference(t, string(edited))
			if after.Default().String() != target || !slices.Equal(comments(data), comments(edited)) {
				t.Fatalf("%s is not %q:\n%s\n%s", after.Default(), target, data, edited)
			}
			if after.limits != before.limits || !maps.EqualFunc(after.providers, before.providers, func(a, b provider) bool { return a.format() == b.format() }) {
				t.Fatalf("more was changed:\n%s\n%s", data, edited)
			}
			if again, err := SetModel(edited, target); err != nil || string(again) != string(edited) {
				t.Fatalf("twice: %v\n%s", err, again)
			}
		}
		name := before.Default().Provider
		if edited, err = SetURL(data, name, address); err == nil {
			after := mustInference(t, string(edited))
			if p, _ := after.Provider(name); p.URL.String() != readURL(address) || after.Default().String() != before.Default().String() || !slices.Equal(comments(data), comments(edited)) {
				t.Fatalf("%s:\n%s\n%s", p.URL, data, edited)
			}
		}
	})
}

func readURL(address string) string {
	u, err := ParseBaseURL(address)
	if err != nil {
		return err.Error()
	}
	return u.String()
}
