package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
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
