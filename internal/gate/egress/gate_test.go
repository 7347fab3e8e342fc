package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/test/internet"
)

func TestMain(m *testing.M) { internet.Main(m) }

// bench is a gate between a real capture namespace and the test internet.
type bench struct {
	t      testing.TB
	world  *internet.World
	inside *internet.Inside
	gate   *Gate
	events *notes
	policy atomic.Pointer[policy.Policy]
}

// notes keeps events and lets tests wait for one.
type notes struct {
	mu      sync.Mutex
	all     []Event
	changed chan struct{}
}

func (n *notes) Record(e Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, e)
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *notes) list() []Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

func (n *notes) await(t testing.TB, want func(Event) bool) Event {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	for {
		n.mu.Lock()
		i, changed, all := slices.IndexFunc(n.all, want), n.changed, slices.Clone(n.all)
		n.mu.Unlock()
		if i >= 0 {
			return all[i]
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("no such event among %+v", all)
		}
	}
}

func to(target string, a policy.Action) func(Event) bool {
	return func(e Event) bool { return e.Target == target && e.Verdict == a }
}

func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("network-policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newBench(t testing.TB, text string, change func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, world: internet.Use(t), inside: internet.NewInside(t), events: &notes{changed: make(chan struct{})}}
	b.policy.Store(parse(t, text))
	cfg := Config{Policy: b.policy.Load, Record: b.events, GatePort: b.inside.GatePort}
	if change != nil {
		change(&cfg)
	}
	b.gate = New(cfg)
	var served sync.WaitGroup
	for _, l := range b.inside.Listeners {
		if l.Addr().(*net.TCPAddr).IP.To4() == nil {
			b.gate.six.Store(true) // as ServeTCP will, at once
		}
		served.Go(func() { check(t, b.gate.ServeTCP(t.Context(), l)) })
	}
	for _, c := range b.inside.Names {
		served.Go(func() { check(t, b.gate.ServeNames(t.Context(), c)) })
	}
	served.Go(func() { check(t, b.gate.ServeRefused(t.Context(), b.inside.Refused)) })
	t.Cleanup(func() { b.gate.Close(); served.Wait() })
	return b
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// ask sends one DNS question from inside.
func (b *bench) ask(server, name string, kind dnsmessage.Type) dnsmessage.Message {
	b.t.Helper()
	c, err := b.inside.Dial("udp", server)
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 77, RecursionDesired: true}}
	q.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}}
	out, err := q.Pack()
	check(b.t, err)
	_, err = c.Write(out)
	check(b.t, err)
	in := make([]byte, 4096)
	n, err := c.Read(in)
	if err != nil {
		b.t.Fatalf("ask %s for %s: %v", server, name, err)
	}
	var m dnsmessage.Message
	check(b.t, m.Unpack(in[:n]))
	return m
}

// lookup is the synthetic address that the gate gives.
func (b *bench) lookup(name string) netip.Addr {
	b.t.Helper()
	m := b.ask("8.8.8.8:53", name+".", dnsmessage.TypeA)
	if len(m.Answers) != 1 {
		b.t.Fatalf("%s has no address: %v", name, m.RCode)
	}
	return netip.AddrFrom4(m.Answers[0].Body.(*dnsmessage.AResource).A)
}

// dial connects from inside, by name or literal address.
func (b *bench) dial(host string, port int) net.Conn {
	b.t.Helper()
	a, err := netip.ParseAddr(host)
	if err != nil {
		a = b.lookup(host)
	}
	c, err := b.inside.Dial("tcp", netip.AddrPortFrom(a, uint16(port)).String())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// echo says whether a line comes back.
func echo(c net.Conn) error {
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return err
	}
	b := make([]byte, 6)
	_, err := io.ReadFull(c, b)
	return err
}

func (b *bench) mustReset(c net.Conn) {
	b.t.Helper()
	_, err := io.ReadAll(c)
	if !errors.Is(err, syscall.ECONNRESET) {
		b.t.Errorf("got %v: want a reset", err)
	}
}

const github = `
egress:
  - {host: api.github.com, port: 443}
  - {host: db.example, port: 5432}
  - {host: plain.example, ports: [80, 8080]}
  - {host: 203.0.113.7, ports: [22, 443, 80]}
deny:
  - {host: evil.example}
unlisted: deny
`

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

func get(t testing.TB, c net.Conn, host, path string) *http.Response {
	t.Helper()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
	r, err := (&http.Client{Transport: transport}).Get("http://" + host + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	check(t, err)
	return r
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

func TestHelloMustNameTheHost(t *testing.T) {
	b := newBench(t, github, nil)
	for _, sni := range []string{"evil.example", "api.github.com.evil.example", ""} {
		c := tls.Client(b.dial("api.github.com", 443), &tls.Config{ServerName: sni, InsecureSkipVerify: true})
		if err := c.Handshake(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("SNI %q: %v", sni, err)
		}
	}
	c := b.dial("api.github.com", 443)
	io.WriteString(c, "SSH-2.0-x\r\n")
	b.mustReset(c)
	c = b.dial("api.github.com", 443)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
	b.mustReset(c)
	if got := b.world.Arrivals(); len(got) != 0 {
		t.Errorf("arrived: %+v", got)
	}
	b.events.await(t, func(e Event) bool { return strings.Contains(e.Why, `"evil.example"`) })
}

func TestFragmentedHelloIsPutTogether(t *testing.T) {
	b := newBench(t, github, nil)
	slow := &trickle{Conn: b.dial("api.github.com", 443)}
	c := tls.Client(slow, &tls.Config{ServerName: "api.github.com", RootCAs: b.world.Pool()})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
}

// trickle writes one byte a segment.
type trickle struct{ net.Conn }

func (s *trickle) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := s.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func TestEveryRequestIsJudged(t *testing.T) {
	b := newBench(t, github, nil)
	for _, port := range []int{80, 8080} {
		b.world.Service("plain.example", uint16(port), func(c net.Conn) { io.Copy(io.Discard, c) })
		c := b.dial("plain.example", port)
		io.WriteString(c, "POST /a HTTP/1.1\r\nHost: plain.example\r\nContent-Length: 5\r\n\r\nhello"+
			"POST /b HTTP/1.1\r\nHost: PLAIN.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"+
			"GET /c HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /d HTTP/1.1\r\nHost: plain.example\r\n\r\n")
		b.mustReset(c)
		a, err := b.world.Await(t.Context(), func(a internet.Arrival) bool { return a.Addr.Port() == uint16(port) && a.Reset })
		if err != nil {
			t.Fatal(err)
		}
		if head := string(a.Head); !strings.Contains(head, "POST /a") || strings.Contains(head, "/c") || strings.Contains(head, "/d") {
			t.Errorf("port %d: arrived: %q", port, head)
		}
		b.events.await(t, func(e Event) bool {
			return e.Verdict == policy.Deny && e.Target == fmt.Sprintf("plain.example:%d", port) && strings.Contains(e.Why, "evil.example")
		})
	}
}

func TestRefusedHTTPSaysWhy(t *testing.T) {
	b := newBench(t, github, nil)
	for _, host := range []string{"unlisted.example", "203.0.113.99"} {
		c := b.dial(host, 80)
		r := get(t, c, host, "/")
		if r.StatusCode != 403 {
			t.Errorf("%s: status %d", host, r.StatusCode)
		}
	}
	c := b.dial("plain.example", 80)
	if r := get(t, c, "other.example", "/"); r.StatusCode != 403 {
		t.Errorf("wrong Host: status %d", r.StatusCode)
	}
	if got := b.world.Arrivals(); len(got) != 0 {
		t.Errorf("arrived: %+v", got)
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
	b.policy.Store(parse(t, "egress: [{host: 203.0.113.7, port: 22}]\nunlisted: ask\n"))
	if cut := b.gate.Recheck(); cut != 1 {
		t.Errorf("cut %d", cut)
	}
	b.mustReset(revoked)
	if err := echo(kept); err != nil {
		t.Error(err)
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

func TestWebSocketGoesOnAndADeclinedOneDoesNot(t *testing.T) {
	b := newBench(t, github, nil)
	b.world.Service("plain.example", 80, func(c net.Conn) { io.Copy(c, c) })
	const upgrade = "GET /ws HTTP/1.1\r\nHost: plain.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	for _, c := range []struct {
		then   string
		passes bool
	}{
		{"\x81\x85abcdhello" + "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", true}, // inside a frame anything may stand
		{"GET / HTTP/1.1\r\nHost: plain.example\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", false},
	} {
		conn := b.dial("plain.example", 80)
		io.WriteString(conn, upgrade)
		if _, err := io.ReadFull(conn, make([]byte, len(upgrade))); err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, c.then)
		got := make([]byte, len(c.then))
		_, err := io.ReadFull(conn, got)
		if passed := err == nil && string(got) == c.then; passed != c.passes {
			t.Errorf("%q: passes %v, %v", c.then, passed, err)
		}
	}
}

// Chunks, sizes and what follows them, as they come and in one piece.
func TestBodies(t *testing.T) {
	b := newBench(t, github, nil)
	b.world.Service("plain.example", 8080, func(c net.Conn) { io.Copy(c, c) })
	const head = "POST / HTTP/1.1\r\nHost: plain.example\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		body   string
		passes bool
	}{
		{"5\r\nhello\r\n0\r\n\r\n", true},
		{"00005\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", true},
		{"5;a=b\r\nhello\r\n0\r\n\r\n", false},
		{"0x5\r\nhello\r\n0\r\n\r\n", false},
		{"-5\r\nhello\r\n0\r\n\r\n", false},
		{"4\r\nhello\r\n0\r\n\r\n", false},
		{"5\nhello\r\n0\r\n\r\n", false},
		{"ffffffffffffffff\r\nhello", false},
		{"0\r\nHost: evil.example\r\n\r\n", false},
		{"0\r\n\r\nGET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", false},
	} {
		conn := b.dial("plain.example", 8080)
		io.WriteString(conn, head+c.body)
		conn.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(conn)
		if passed := err == nil && string(got) == head+c.body; passed != c.passes {
			t.Errorf("%q: passes %v: %q, %v", c.body, passed, got, err)
		}
	}
}
