package egress

import (
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

func question(t testing.TB, name string, kind dnsmessage.Type) []byte {
	t.Helper()
	n, err := dnsmessage.NewName(name)
	if err != nil {
		t.Fatal(err)
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 9}, Questions: []dnsmessage.Question{{Name: n, Type: kind, Class: dnsmessage.ClassINET}}}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func replyTo(t testing.TB, g *Gate, name string, kind dnsmessage.Type) (m dnsmessage.Message) {
	t.Helper()
	if err := m.Unpack(g.reply(question(t, name, kind))); err != nil {
		t.Fatal(err)
	}
	return m
}

func gateWith(t testing.TB, text string) *Gate {
	p := parse(t, text)
	g := New(Config{Policy: func() *policy.Policy { return p }})
	t.Cleanup(g.Close)
	return g
}

func TestReplies(t *testing.T) {
	g := gateWith(t, "egress: [{host: printer, port: 443}]\n")
	for _, c := range []struct {
		name    string
		kind    dnsmessage.Type
		code    dnsmessage.RCode
		answers int
	}{
		{"a.example.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, 1},
		{"_x.a.example.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, 1},
		{"a.example.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, 0}, // no IPv6 listener is served
		{"a.example.", dnsmessage.TypeHTTPS, dnsmessage.RCodeSuccess, 0},
		{"localhost.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, 1},
		{"x.localhost.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, 1},
		{"junk.", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"printer.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, 1},
		{"use-application-dns.net.", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"127.1.", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"bad name.example.", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"x\x00.example.", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"ü.example.", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"1.0.0.127.in-addr.arpa.", dnsmessage.TypePTR, dnsmessage.RCodeSuccess, 1},
		{"8.8.8.8.in-addr.arpa.", dnsmessage.TypePTR, dnsmessage.RCodeNameError, 0},
		{".", dnsmessage.TypeNS, dnsmessage.RCodeSuccess, 0},
	} {
		m := replyTo(t, g, c.name, c.kind)
		if m.RCode != c.code || len(m.Answers) != c.answers || !m.Response || m.ID != 9 {
			t.Errorf("%q %v: %v, %d answers", c.name, c.kind, m.RCode, len(m.Answers))
		}
	}
}

func TestMalformedQuestions(t *testing.T) {
	g := gateWith(t, "unlisted: ask\n")
	q := question(t, "a.example.", dnsmessage.TypeA)
	answer := append([]byte(nil), q...)
	answer[2] |= 0x80
	for _, silent := range [][]byte{nil, q[:11], answer} {
		if m := g.reply(silent); m != nil {
			t.Errorf("%x: got %x", silent, m)
		}
	}
	two := append([]byte(nil), q...)
	two[5] = 2
	none := append([]byte(nil), q[:12]...)
	none[5] = 0
	for _, bad := range [][]byte{q[:20], two, none} {
		if m := g.reply(bad); len(m) < 4 || m[3]&15 != byte(dnsmessage.RCodeFormatError) {
			t.Errorf("%x: got %x", bad, m)
		}
	}
}

func TestOneAddressOneName(t *testing.T) {
	g := gateWith(t, "unlisted: ask\n")
	seen := map[netip.Addr]string{}
	for i := range 2000 {
		name := "n" + strconv.Itoa(i) + ".example."
		first, again := replyTo(t, g, name, dnsmessage.TypeA), replyTo(t, g, name, dnsmessage.TypeA)
		a := netip.AddrFrom4(first.Answers[0].Body.(*dnsmessage.AResource).A)
		if b := netip.AddrFrom4(again.Answers[0].Body.(*dnsmessage.AResource).A); a != b {
			t.Fatalf("%s: %v, then %v", name, a, b)
		}
		if other, taken := seen[a]; taken || !synthetic4.Contains(a) {
			t.Fatalf("%s has %v, as %s", name, a, other)
		}
		seen[a] = name
		if got, mine := g.names.name(a); !mine || string(got)+"." != name {
			t.Fatalf("%v is %q", a, got)
		}
	}
}

func TestNamesRunOut(t *testing.T) {
	g := gateWith(t, "egress: [{host: listed.example, port: 443}]\n")
	for i := range anyNames {
		if _, ok := g.names.give(policy.Host("n"+strconv.Itoa(i)+".example"), nil); !ok {
			t.Fatalf("the %dth has none", i)
		}
	}
	if m := replyTo(t, g, "one.more.example.", dnsmessage.TypeA); m.RCode != dnsmessage.RCodeServerFailure {
		t.Errorf("one more: %v", m.RCode)
	}
	for _, name := range []string{"listed.example.", "n7.example."} {
		if m := replyTo(t, g, name, dnsmessage.TypeA); len(m.Answers) != 1 {
			t.Errorf("%s: %v", name, m.RCode)
		}
	}
}

func TestEqualRefusalsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notes{changed: make(chan struct{})}
		y := newTally(n)
		e := Event{Kind: Network, Target: "evil.example:443", Why: "denied"}
		for range 100 {
			y.record(e)
		}
		if got := n.list(); len(got) != 1 || got[0].Count != 1 {
			t.Fatalf("at once: %+v", got)
		}
		time.Sleep(firstWindow + time.Millisecond)
		synctest.Wait()
		if got := n.list(); len(got) != 2 || got[1].Count != 99 {
			t.Fatalf("after the window: %+v", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		y.mu.Lock()
		defer y.mu.Unlock()
		if got := n.list(); len(y.open) != 0 || len(got) != 2 {
			t.Fatalf("after an hour: %d windows, %+v", len(y.open), got)
		}
	})
}

func TestFloodOfDifferentRefusalsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notes{changed: make(chan struct{})}
		y := newTally(n)
		const all = 100_000
		for i := range all {
			y.record(Event{Kind: Network, Target: strconv.Itoa(i) + ".example:443", Why: "denied"})
		}
		y.flush()
		total := 0
		for _, e := range n.all {
			total += e.Count
		}
		if len(n.all) > windows+1 || total != all {
			t.Errorf("%d events for %d refusals of %d", len(n.all), total, all)
		}
	})
}

// The law: the resolver never crashes; a reply answers its question and no
// other; an address is ours, and its name is what was asked, in canonical form.
func FuzzNames(f *testing.F) {
	f.Add(question(f, "api.github.com.", dnsmessage.TypeA))
	f.Add(question(f, "1.0.18.198.in-addr.arpa.", dnsmessage.TypePTR))
	f.Add(question(f, "x.", dnsmessage.TypeHTTPS))
	f.Add([]byte{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1})
	g := gateWith(f, "unlisted: ask\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		out := g.reply(b)
		if out == nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(out); err != nil {
			t.Fatalf("reply %x: %v", out, err)
		}
		if !m.Response || m.ID != uint16(b[0])<<8|uint16(b[1]) || len(m.Answers) > 1 {
			t.Fatalf("reply %+v", m)
		}
		for _, a := range m.Answers {
			body, ok := a.Body.(*dnsmessage.AResource)
			if !ok {
				continue
			}
			host, err := policy.ParseHost(m.Questions[0].Name.String())
			name, mine := g.names.name(netip.AddrFrom4(body.A))
			if err != nil || mine && name != host {
				t.Fatalf("%s has %v, which is %q", m.Questions[0].Name, body.A, name)
			}
		}
	})
}
