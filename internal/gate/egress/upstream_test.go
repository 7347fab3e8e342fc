package egress

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/test/internet"
)

const company = `
egress:
  - {host: db.example, port: 5432}
  - {host: first.example, port: 25}
  - {host: wiki.corp, port: 8080}
  - {host: pinned.example, port: 8080, addresses: [10.0.0.0/8]}
  - {host: 203.0.113.7, port: 8080}
  - {host: host.nemoclaw.internal, port: 9}
deny:
  - {host: evil.example}
  - {host: 198.51.100.0/24}
unlisted: deny
`

// corp is a bench whose way out is a proxy that wants a password.
func corp(t *testing.T, word *atomic.Value) (*bench, *internet.Proxy) {
	var p *internet.Proxy
	b := newBench(t, company, func(c *Config) {
		c.Upstream = &Upstream{
			Address: "proxy.corp:3128",
			Direct:  func(host string, _ uint16) bool { return strings.HasSuffix(host, ".corp") },
			Authorization: func(refused bool) (string, error) {
				if refused {
					word.Store("me:new")
				}
				return "Basic " + base64.StdEncoding.EncodeToString([]byte(word.Load().(string))), nil
			},
		}
	})
	p = b.world.Proxy("proxy.corp", 3128, "me:old")
	return b, p
}

func password(text string) *atomic.Value {
	var v atomic.Value
	v.Store(text)
	return &v
}

// looked says whether the host's resolver was asked for name.
func looked(w *internet.World, name string) bool {
	return slices.ContainsFunc(w.Queries(), func(q internet.Query) bool { return q.Name == name })
}

// What a rule allows goes through the proxy, by its name, which nobody here
// looks up; and a server that speaks first is heard.
func TestUpstream(t *testing.T) {
	b, p := corp(t, password("me:old"))
	check(t, echo(b.dial("db.example", 5432)))
	if got := p.Asked(); len(got) != 1 || got[0] != "db.example:5432" {
		t.Errorf("the proxy was asked for %q", got)
	}
	if len(b.world.To("db.example")) != 1 || looked(b.world, "db.example") {
		t.Errorf("arrived: %+v; looked up: %v", b.world.To("db.example"), looked(b.world, "db.example"))
	}
	b.world.Service("first.example", 25, func(c net.Conn) { io.WriteString(c, "220 first"); io.Copy(io.Discard, c) })
	banner := make([]byte, 9)
	if _, err := io.ReadFull(b.dial("first.example", 25), banner); err != nil || string(banner) != "220 first" {
		t.Errorf("%q, %v", banner, err)
	}
	check(t, echo(b.dial("203.0.113.7", 8080)))
	if got := p.Asked(); got[len(got)-1] != "203.0.113.7:8080" {
		t.Errorf("a listed public address: %q", got)
	}
}

// NO_PROXY, the host's own names and a rule that lists addresses are reached
// from here, and checked as ever.
func TestPastTheUpstream(t *testing.T) {
	b, p := corp(t, password("me:old"))
	check(t, echo(b.dial("wiki.corp", 8080)))
	b.world.Answer("pinned.example", []netip.Addr{netip.MustParseAddr("10.1.2.3")})
	check(t, echo(b.dial("pinned.example", 8080)))
	b.world.Answer("pinned.example", []netip.Addr{netip.MustParseAddr("192.168.1.1")})
	b.mustReset(b.dial("pinned.example", 8080))
	_ = echo(b.dial("host.nemoclaw.internal", 9)) // nothing listens there; nobody is asked for it
	if got := p.Asked(); len(got) != 0 {
		t.Errorf("the proxy was asked for %q", got)
	}
	if !looked(b.world, "wiki.corp") || !looked(b.world, "pinned.example") {
		t.Errorf("asked: %+v", b.world.Queries())
	}
}

// A proxy in between opens nothing: names and addresses are judged before it
// hears of them. The control is db.example above, by the same road.
func TestUpstreamOpensNothing(t *testing.T) {
	b, p := corp(t, password("me:old"))
	for _, host := range []string{"evil.example", "unlisted.example", "10.0.0.1", "169.254.169.254", "198.51.100.7", "192.0.2.1"} {
		b.mustReset(b.dial(host, 8080))
	}
	if got := p.Asked(); len(got) != 0 || p.Denied() != 0 {
		t.Errorf("the proxy was asked for %q", got)
	}
}

// A password that was changed is read again, once; one that is wrong is said.
func TestUpstreamPassword(t *testing.T) {
	word := password("me:old")
	b, p := corp(t, word)
	p.Wants("me:new")
	check(t, echo(b.dial("db.example", 5432)))
	if p.Denied() != 1 || word.Load() != "me:new" {
		t.Errorf("%d denied", p.Denied())
	}
	p.Wants("somebody:else")
	b.mustReset(b.dial("db.example", 5432))
	e := b.events.await(t, to("db.example:5432", policy.Deny))
	if !strings.Contains(e.Why, "proxy.corp:3128") || !strings.Contains(e.Why, "407") || strings.Contains(e.Why, "new") {
		t.Errorf("%+v", e)
	}
}

// Whatever the proxy answers, it is bounded and a refusal.
func TestUpstreamThatMisbehaves(t *testing.T) {
	for name, answer := range map[string]func(net.Conn){
		"no HTTP": func(c net.Conn) { io.WriteString(c, "220 smtp\r\n\r\n") },
		"no end": func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX: y\r\n"); err != nil {
					return
				}
			}
		},
		"closed":     func(net.Conn) {},
		"a redirect": func(c net.Conn) { io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\n\r\n") },
		"forbidden":  func(c net.Conn) { io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nlog!") },
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := corp(t, password("me:old"))
			b.world.Service("proxy.corp", 3128, func(c net.Conn) {
				head := make([]byte, 4)
				_, _ = io.ReadFull(c, head)
				answer(c)
			})
			b.mustReset(b.dial("db.example", 5432))
			if e := b.events.await(t, to("db.example:5432", policy.Deny)); !strings.Contains(e.Why, "ask the proxy") {
				t.Errorf("%+v", e)
			}
		})
	}
}

// A program that gives up ends the wait for a proxy that says nothing.
func TestSilentUpstreamIsLeft(t *testing.T) {
	b, _ := corp(t, password("me:old"))
	came, left := make(chan struct{}), make(chan struct{})
	b.world.Service("proxy.corp", 3128, func(c net.Conn) { close(came); io.Copy(io.Discard, c); close(left) })
	ctx, cancel := context.WithCancel(t.Context())
	up := b.gate.cfg.Upstream
	go func() { <-came; cancel() }()
	if c, err := up.dial(ctx, "db.example:5432"); err == nil {
		t.Errorf("%v", c)
	}
	<-left
}
