package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/test/internet"
)

func TestListedHostIsReached(t *testing.T) {
	b := newBench(t, github, nil)
	c := tls.Client(b.dial("api.github.com", 443), &tls.Config{ServerName: "api.github.com", RootCAs: b.world.Pool()})
	r := get(t, c, "api.github.com", "/x")
	if r.StatusCode != 200 {
		t.Errorf("status %d", r.StatusCode)
	}
	got := b.world.To("api.github.com")
	if len(got) != 1 || got[0].SNI != "api.github.com" || len(got[0].Requests) != 1 {
		t.Errorf("arrived: %+v", got)
	}
	e := b.events.await(t, to("api.github.com:443", policy.Allow))
	if e.Rule != "allow api.github.com:443 (line 3)" || e.Why == "" || e.Program != "unknown" {
		t.Errorf("event: %+v", e)
	}
}

func TestUnlistedHostIsNeverLookedUp(t *testing.T) {
	b := newBench(t, github, nil)
	before := b.world.Packets(t)
	for _, host := range []string{"secret-data.attacker.example", "evil.example"} {
		c := b.dial(host, 443)
		b.mustReset(c)
		e := b.events.await(t, to(host+":443", policy.Deny))
		if e.Why == "" {
			t.Errorf("no why: %+v", e)
		}
	}
	if q := b.world.Queries(); len(q) != 0 {
		t.Errorf("left the host: %+v", q)
	}
	if after := b.world.Packets(t); after != before {
		t.Errorf("packets left: before %+v, after %+v", before, after)
	}
}

func TestAnyPortEchoesThroughTheGate(t *testing.T) {
	b := newBench(t, github, nil)
	if err := echo(b.dial("db.example", 5432)); err != nil {
		t.Error(err)
	}
	if err := echo(b.dial("203.0.113.7", 22)); err != nil {
		t.Error(err)
	}
	b.mustReset(b.dial("203.0.113.8", 22))
	if got := b.world.Arrivals(); len(got) != 2 {
		t.Errorf("arrived: %+v", got)
	}
}

func TestServerThatSpeaksFirstIsNotKeptWaiting(t *testing.T) {
	b := newBench(t, github, nil)
	b.world.Service("db.example", 5432, func(c net.Conn) { io.WriteString(c, "220 ready\r\n") })
	c := b.dial("db.example", 5432)
	got, err := io.ReadAll(c)
	if string(got) != "220 ready\r\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestHalfCloseIsKept(t *testing.T) {
	b := newBench(t, github, nil)
	c := b.dial("db.example", 5432)
	payload := strings.Repeat("x", 3<<20)
	go func() {
		io.WriteString(c, payload)
		c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if len(got) != len(payload) || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestResetIsPassedOn(t *testing.T) {
	b := newBench(t, github, nil)
	b.world.Service("db.example", 5432, func(c net.Conn) {
		io.WriteString(c, "half")
		c.Read(make([]byte, 1))
		internet.Reset(c)
	})
	c := b.dial("db.example", 5432)
	io.ReadFull(c, make([]byte, 4))
	io.WriteString(c, "x")
	b.mustReset(c)
}

func TestNamesAreAnsweredInside(t *testing.T) {
	b := newBench(t, github, nil)
	for _, server := range []string{"8.8.8.8:53", "127.0.0.1:53", "192.168.1.1:53", "[2001:4860:4860::8888]:53", "[::1]:53"} {
		m := b.ask(server, "aPi.GitHub.com.", dnsmessage.TypeA)
		if len(m.Answers) != 1 || !synthetic4.Contains(netip.AddrFrom4(m.Answers[0].Body.(*dnsmessage.AResource).A)) {
			t.Errorf("%s: %+v", server, m)
		}
		if m.Questions[0].Name.String() != "aPi.GitHub.com." {
			t.Errorf("%s: the question came back as %s", server, m.Questions[0].Name)
		}
	}
	a := b.lookup("api.github.com")
	m := b.ask("1.1.1.1:53", fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa.", a.As4()[3], a.As4()[2], a.As4()[1], a.As4()[0]), dnsmessage.TypePTR)
	if len(m.Answers) != 1 || m.Answers[0].Body.(*dnsmessage.PTRResource).PTR.String() != "api.github.com." {
		t.Errorf("PTR: %+v", m)
	}
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeHTTPS, dnsmessage.TypeSVCB, dnsmessage.TypeTXT, dnsmessage.TypeMX, dnsmessage.TypeSRV} {
		if m := b.ask("1.1.1.1:53", "api.github.com.", kind); len(m.Answers) != 0 || m.RCode != dnsmessage.RCodeSuccess {
			t.Errorf("%v: %+v", kind, m)
		}
	}
	if q := b.world.Queries(); len(q) != 0 {
		t.Errorf("left the host: %+v", q)
	}
}

func TestNamesOverIPv6Alone(t *testing.T) {
	b := newBench(t, github, nil)
	m := b.ask("[2001:db8::53]:53", "db.example.", dnsmessage.TypeAAAA)
	if len(m.Answers) != 1 {
		t.Fatalf("no AAAA: %+v", m)
	}
	six := netip.AddrFrom16(m.Answers[0].Body.(*dnsmessage.AAAAResource).AAAA)
	if err := echo(b.dial(six.String(), 5432)); err != nil {
		t.Error(err)
	}
	b.mustReset(b.dial(six.Next().Next().Next().String(), 5432)) // no name has that one
	four := b.lookup("db.example")
	if err := echo(b.dial("::ffff:"+four.String(), 5432)); err != nil {
		t.Errorf("mapped: %v", err)
	}
}

func TestPrivateAnswersAreNotDialled(t *testing.T) {
	public, private := netip.MustParseAddr("45.9.9.9"), netip.MustParseAddr("10.1.2.3")
	for name, addrs := range map[string][]netip.Addr{
		"private":  {private},
		"mixed":    {public, private},
		"loopback": {netip.MustParseAddr("127.0.0.1")},
		"metadata": {netip.MustParseAddr("169.254.169.254")},
		"mapped":   {netip.MustParseAddr("64:ff9b::a9fe:a9fe")},
		"own":      {netip.MustParseAddr(internet.Machine)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, github, nil)
			b.world.Answer("db.example", addrs)
			b.mustReset(b.dial("db.example", 5432))
			if got := b.world.Arrivals(); len(got) != 0 {
				t.Errorf("arrived: %+v", got)
			}
			b.events.await(t, to("db.example:5432", policy.Deny))
		})
	}
}

func TestRebindingFlipIsNotFollowed(t *testing.T) {
	b := newBench(t, github, nil)
	public := netip.MustParseAddr("45.9.9.9")
	b.world.Answer("db.example", []netip.Addr{public}, []netip.Addr{netip.MustParseAddr("10.1.2.3")})
	if err := echo(b.dial("db.example", 5432)); err != nil {
		t.Fatal(err)
	}
	got := b.world.Arrivals()
	if len(got) != 1 || got[0].Addr.Addr() != public {
		t.Errorf("arrived: %+v", got)
	}
	b.mustReset(b.dial("db.example", 5432)) // now it is private
}

func TestLookUpIsAbsoluteAndOnce(t *testing.T) {
	b := newBench(t, github, nil)
	if err := echo(b.dial("db.example", 5432)); err != nil {
		t.Fatal(err)
	}
	for _, q := range b.world.Queries() {
		if q.Name != "db.example" {
			t.Errorf("asked for %s", q.Name)
		}
	}
	if n := len(b.world.Queries()); n != 2 { // A and AAAA
		t.Errorf("%d questions", n)
	}
}

// Clients open connections that they then do not need. Nothing was refused, and
// nothing was looked up or reached for them.
func TestWhoEndsWithoutAWordIsNotRefused(t *testing.T) {
	b := newBench(t, github, nil)
	half := b.dial("api.github.com", 443)
	half.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(half); len(got) != 0 || err != nil {
		t.Errorf("%q, %v: want a plain end", got, err)
	}
	if e := b.events.await(t, to("api.github.com:443", policy.Allow)); e.Why != silent {
		t.Errorf("event: %+v", e)
	}
	wrong := b.dial("api.github.com", 443)
	io.WriteString(wrong, "x")
	wrong.(*net.TCPConn).CloseWrite()
	b.mustReset(wrong)
	b.events.await(t, to("api.github.com:443", policy.Deny))
	if q, got := b.world.Queries(), b.world.Arrivals(); len(q) != 0 || len(got) != 0 {
		t.Errorf("left the host: %+v, %+v", q, got)
	}
}

func TestOtherProtocolsAreRefusedWithAnEvent(t *testing.T) {
	b := newBench(t, github, nil)
	b.lookup("db.example")
	for _, address := range []string{"8.8.8.8:443", "[2001:db8::1]:443", netip.AddrPortFrom(b.lookup("db.example"), 443).String()} {
		c, err := b.inside.Dial("udp", address)
		if err == nil {
			_, err = c.Write([]byte("quic"))
			c.Close()
		}
		if err == nil {
			t.Errorf("%s: sent", address)
		}
	}
	for _, target := range []string{"udp 8.8.8.8:443", "udp [2001:db8::1]:443", "udp db.example:443"} {
		b.events.await(t, to(target, policy.Deny))
	}
}

func TestReloadCutsWhatIsDenied(t *testing.T) {
	b := newBench(t, github, nil)
	revoked, kept := b.dial("db.example", 5432), b.dial("203.0.113.7", 22)
	for _, c := range []net.Conn{revoked, kept} {
		if err := echo(c); err != nil {
			t.Fatal(err)
		}
	}
	begun := b.dial("db.example", 5432) // what it says may still become anything
	_, err := io.WriteString(begun, "x")
	check(t, err)
	_, err = io.ReadFull(begun, make([]byte, 1))
	check(t, err)
	b.policy.Store(parse(t, "egress: [{host: 203.0.113.7, port: 22}]\nunlisted: ask\n"))
	if cut := b.gate.Recheck(); cut != 2 {
		t.Errorf("cut %d", cut)
	}
	b.mustReset(revoked)
	b.mustReset(begun)
	if err := echo(kept); err != nil {
		t.Error(err)
	}
	b.gate.Close() // nothing of a connection is told after that
	for _, e := range b.events.list() {
		if e.Verdict == policy.Deny && !strings.Contains(e.Why, "no rule allows it any more") {
			t.Errorf("cut, and told of besides: %+v", e)
		}
	}
}

func TestNothingLeavesWithoutABook(t *testing.T) {
	var broken atomic.Bool
	b := newBench(t, github, func(c *Config) {
		c.Ready = func() error {
			if broken.Load() {
				return errors.New("disk full")
			}
			return nil
		}
	})
	if err := echo(b.dial("db.example", 5432)); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	b.mustReset(b.dial("db.example", 5432))
	if got := b.world.Arrivals(); len(got) != 1 {
		t.Errorf("arrived: %+v", got)
	}
}

func TestPanicIsARefusal(t *testing.T) {
	b := newBench(t, github, func(c *Config) {
		c.Resolve = func(context.Context, string) ([]netip.Addr, error) { panic("bug") }
	})
	b.mustReset(b.dial("db.example", 5432))
	b.events.await(t, func(e Event) bool { return strings.Contains(e.Why, "bug") })
	if err := echo(b.dial("203.0.113.7", 22)); err != nil {
		t.Error(err)
	}
}

func TestGatesOwnPortAndStrayAddressesAreRefused(t *testing.T) {
	b := newBench(t, "egress: [{host: 203.0.113.7, ports: [12345, 22]}]\n", nil)
	b.mustReset(b.dial("203.0.113.7", int(b.inside.GatePort)))
	b.mustReset(b.dial("127.0.0.1", int(b.inside.GatePort)))
	b.mustReset(b.dial("198.18.77.77", 22))
	if err := echo(b.dial("203.0.113.7", 22)); err != nil {
		t.Error(err)
	}
}

func TestTCPQuestions(t *testing.T) {
	b := newBench(t, github, nil)
	c := b.dial("9.9.9.9", 53)
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 5}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("db.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
	}}}
	m, err := q.Pack()
	check(t, err)
	for range 2 {
		c.Write(append([]byte{0, byte(len(m))}, m...))
		size := make([]byte, 2)
		if _, err := io.ReadFull(c, size); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, int(size[0])<<8|int(size[1]))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	b := newBench(t, github, func(c *Config) { c.Flows = 2 })
	for range 2 {
		if err := echo(b.dial("db.example", 5432)); err != nil {
			t.Fatal(err)
		}
	}
	b.mustReset(b.dial("203.0.113.7", 22))
	b.events.await(t, func(e Event) bool { return strings.Contains(e.Why, "limit") })
}

// Names are those of the host's own resolver: its hosts file counts, and a name
// that has an IPv6 address alone is reached.
func TestHostsOwnNames(t *testing.T) {
	addrs, err := resolve(t.Context(), "localhost.")
	if err != nil || !slices.ContainsFunc(addrs, netip.Addr.IsLoopback) {
		t.Errorf("of the hosts file: %v, %v", addrs, err)
	}
	b := newBench(t, "egress: [{host: six.example, port: 7000}]\n", nil)
	six := netip.MustParseAddr("2600:3c01::1234")
	b.world.Answer("six.example", []netip.Addr{six})
	check(t, echo(b.dial("six.example", 7000)))
	if a := b.world.To(six.String()); len(a) != 1 || a[0].Addr.Addr() != six {
		t.Errorf("arrived: %+v", a)
	}
}
