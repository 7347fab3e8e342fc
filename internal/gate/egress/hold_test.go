package egress

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// desk is an operator: a question waits in questions, an answer in answers.
type desk struct {
	questions chan Question
	answers   chan bool
	used      atomic.Int32
	unused    chan struct{} // an allowed connection did not get through
	left      chan error    // how the wait of a question ended without an answer
}

func newDesk() *desk {
	return &desk{questions: make(chan Question, 16), answers: make(chan bool), unused: make(chan struct{}, 16), left: make(chan error, 16)}
}

func (d *desk) Ask(ctx context.Context, q Question) (bool, string, func(bool)) {
	d.questions <- q
	select {
	case allow := <-d.answers:
		return allow, "the operator said so", func(through bool) {
			if !through {
				d.unused <- struct{}{}
				return
			}
			d.used.Add(1)
		}
	case <-ctx.Done():
		d.left <- context.Cause(ctx)
		return false, "nobody answered", nil
	}
}

const asking = `
egress:
  - {host: db.example, port: 5432}
  - {host: git.example, port: 9418, binaries: [/usr/bin/git]}
deny:
  - {host: evil.example}
unlisted: ask
`

func withDesk(d *desk) func(*Config) { return func(c *Config) { c.Ask = d } }

func TestUnlistedIsHeldUntilTheOperatorAnswers(t *testing.T) {
	d := newDesk()
	b := newBench(t, asking, withDesk(d))
	c := b.dial("weather.example", 9000)
	if q := <-d.questions; q.Host != "weather.example" || q.Port != 9000 {
		t.Errorf("question: %+v", q)
	}
	if q := b.world.Queries(); len(q) != 0 {
		t.Errorf("looked up before the answer: %+v", q)
	}
	d.answers <- true
	if err := echo(c); err != nil {
		t.Error(err)
	}
	if d.used.Load() != 1 {
		t.Errorf("used %d times", d.used.Load())
	}
	b.events.await(t, to("weather.example:9000", policy.Allow))

	c = b.dial("weather.example", 9000)
	<-d.questions
	d.answers <- false
	b.mustReset(c)
	b.events.await(t, to("weather.example:9000", policy.Deny))
}

func TestDeniedIsNotAsked(t *testing.T) {
	d := newDesk()
	b := newBench(t, asking, withDesk(d))
	for _, host := range []string{"evil.example", "api.openai.com", "10.0.0.1", "169.254.169.254"} {
		b.mustReset(b.dial(host, 443))
	}
	if len(d.questions) != 0 {
		t.Errorf("asked: %+v", <-d.questions)
	}
	b.events.await(t, func(e Event) bool { return strings.Contains(e.Why, "model API") })
}

// However a program gives up, nothing is dialled and nothing that it sent is
// kept.
func TestWhoGivesUpIsNotDialled(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn){
		"close":      func(c *net.TCPConn) { c.Close() },
		"half-close": func(c *net.TCPConn) { c.CloseWrite() },
		"reset":      func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk()
			b := newBench(t, asking, withDesk(d))
			c := b.dial("weather.example", 9000)
			io.WriteString(c, "secret that waits")
			<-d.questions
			leave(c.(*net.TCPConn))
			if cause := <-d.left; cause == nil {
				t.Error("the question was not told")
			}
			b.events.await(t, to("weather.example:9000", policy.Ask))
			if len(b.world.Queries())+len(b.world.Arrivals()) != 0 {
				t.Errorf("looked up %+v, dialled %+v", b.world.Queries(), b.world.Arrivals())
			}
		})
	}
}

func TestReloadAnswersTheHeld(t *testing.T) {
	d := newDesk()
	b := newBench(t, asking, withDesk(d))
	allowed, denied := b.dial("weather.example", 9000), b.dial("news.example", 9000)
	<-d.questions
	<-d.questions
	b.policy.Store(parse(t, "egress: [{host: weather.example, port: 9000}]\ndeny: [{host: news.example}]\n"))
	b.gate.Recheck()
	if err := echo(allowed); err != nil {
		t.Error(err)
	}
	b.mustReset(denied)
}

// What the operator allowed by hand outlives a reload that does not deny it.
func TestReloadSparesWhatTheOperatorAllowed(t *testing.T) {
	d := newDesk()
	b := newBench(t, asking, withDesk(d))
	c := b.dial("weather.example", 9000)
	<-d.questions
	d.answers <- true
	if err := echo(c); err != nil {
		t.Fatal(err)
	}
	b.policy.Store(parse(t, "unlisted: ask\n"))
	if cut := b.gate.Recheck(); cut != 0 {
		t.Errorf("cut %d", cut)
	}
	if err := echo(c); err != nil {
		t.Error(err)
	}
	b.policy.Store(parse(t, "deny: [{host: weather.example}]\n"))
	if cut := b.gate.Recheck(); cut != 1 {
		t.Errorf("cut %d", cut)
	}
	b.mustReset(c)
}

// What the operator let through once is not let through unread once a rule says
// which requests may pass.
func TestReloadReadsWhatTheOperatorAllowed(t *testing.T) {
	d := newDesk()
	b := newBench(t, "unlisted: ask\n", withDesk(d))
	c := b.dial("weather.example", 9000)
	<-d.questions
	d.answers <- true
	check(t, echo(c))
	b.policy.Store(parse(t, `egress: [{host: weather.example, port: 9000, binaries: [/usr/bin/other], http: [{methods: [GET], paths: ["/"]}]}]`+"\nunlisted: ask\n"))
	if cut := b.gate.Recheck(); cut != 0 {
		t.Errorf("cut %d by a rule for another program", cut)
	}
	b.policy.Store(parse(t, `egress: [{host: weather.example, port: 9000, http: [{methods: [GET], paths: ["/"]}]}]`+"\n"))
	if cut := b.gate.Recheck(); cut != 1 {
		t.Errorf("cut %d; want the one that is not read", cut)
	}
	b.mustReset(c)
}

func TestPrivateAddressIsAQuestionOfItsOwn(t *testing.T) {
	d := newDesk()
	b := newBench(t, asking, withDesk(d))
	private := netip.MustParseAddr("10.1.2.3")
	b.world.Answer("db.example", []netip.Addr{private})
	c := b.dial("db.example", 5432)
	if q := <-d.questions; q.Host != "db.example" || q.Addr != private {
		t.Errorf("question: %+v", q)
	}
	d.answers <- true
	if err := echo(c); err != nil {
		t.Error(err)
	}
	if got := b.world.Arrivals(); len(got) != 1 || got[0].Addr.Addr() != private {
		t.Errorf("arrived: %+v", got)
	}
}

func TestProgramsHaveTheirOwnRules(t *testing.T) {
	d := newDesk()
	var who atomic.Pointer[policy.Program]
	b := newBench(t, asking, func(c *Config) {
		c.Ask = d
		c.Holder = func(_ context.Context, local, remote netip.AddrPort) (policy.Program, int) {
			if !local.IsValid() || !synthetic4.Contains(remote.Addr()) {
				t.Errorf("asked for %v → %v", local, remote)
			}
			return *who.Load(), 42
		}
	})
	who.Store(&policy.Program{Exe: "/usr/bin/git", Known: true})
	if err := echo(b.dial("git.example", 9418)); err != nil {
		t.Error(err)
	}
	if e := b.events.await(t, to("git.example:9418", policy.Allow)); e.Program != "/usr/bin/git" || e.PID != 42 {
		t.Errorf("event: %+v", e)
	}
	who.Store(&policy.Program{Exe: "/usr/bin/curl", Known: true})
	c := b.dial("git.example", 9418)
	if q := <-d.questions; q.Program.Exe != "/usr/bin/curl" {
		t.Errorf("question: %+v", q)
	}
	d.answers <- false
	b.mustReset(c)
}

func TestHostsLoopbackNeedsARule(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(c, c)
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	b := newBench(t, "unlisted: deny\negress: [{host: localhost, port: "+strings.TrimPrefix(l.Addr().String(), "127.0.0.1:")+"}]\n", nil)
	for _, name := range []string{"host.docker.internal", "host.nemoclaw.internal"} {
		if err := echo(b.dial(name, port)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b.mustReset(b.dial(name, port+1))
	}
}

func TestRouterIsReachedWithoutARule(t *testing.T) {
	b := newBench(t, "unlisted: deny\n", func(c *Config) {
		c.Router = func(c net.Conn) {
			go func() { // it may serve later than it returns
				io.WriteString(c, "router")
				c.Close()
			}()
		}
	})
	for name, port := range map[string]int{"inference.local": 80, "host.docker.internal": 11434, "host.nemoclaw.internal": 11434} {
		got, err := io.ReadAll(b.dial(name, port))
		if string(got) != "router" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, port := range map[string]int{"inference.local": 8443, "host.docker.internal": 11435, "router.example": 11434} {
		b.mustReset(b.dial(name, port))
	}
	b.policy.Store(parse(t, "deny: [{host: host.docker.internal, port: 11434}]\n"))
	b.mustReset(b.dial("host.docker.internal", 11434))
	b.events.await(t, func(e Event) bool { return strings.Contains(e.Why, "blocks inference") })
}

// What the operator allowed and nobody answers at is not used up: a retry may
// still get through.
func TestAnAllowedConnectionThatFailsIsNotUsed(t *testing.T) {
	d := newDesk()
	b := newBench(t, asking, withDesk(d))
	b.world.Absent("gone.example")
	c := b.dial("gone.example", 9000)
	<-d.questions
	d.answers <- true
	if err := echo(c); err == nil {
		t.Error("a name that does not exist answered")
	}
	select {
	case <-d.unused:
	case <-time.After(10 * time.Second):
		t.Error("nobody was told that it did not get through")
	}
	if d.used.Load() != 0 {
		t.Errorf("used %d times", d.used.Load())
	}
}
