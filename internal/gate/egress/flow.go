package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// flow is one connection of the agent's, from accept to its end. Its steps run
// in one goroutine; Recheck and Close look at it from others.
type flow struct {
	g    *Gate
	in   *net.TCPConn   // to the program
	from netip.AddrPort // the program's end
	to   netip.AddrPort // where it wanted to go

	reads   atomic.Bool             // its requests are judged
	reading atomic.Pointer[reading] // once they are

	who     func() (policy.Program, int) // asked at most once, and kept
	name    *naming                      // what is told beside
	pending []byte                       // read from the program and not passed on yet
	passed  int                          // how much at the beginning of pending is passed on already
	opaque  bool                         // what the program says was judged already
	back    []byte                       // read from outside and not passed on yet
	ended   [2]bool                      // whether the end of a side is passed on already
	tell    func()                       // records that it was allowed, at most once
	grants  []func(through bool)         // of the operator's, told once whether the connection got through

	mu      sync.Mutex
	request policy.Request // guarded by mu once the flow is listed
	grant   grant          // guarded by mu
	dialled netip.Addr     // guarded by mu; valid once something is dialled
	out     *net.TCPConn   // guarded by mu; to outside
	retry   func()         // guarded by mu; while held: ends the wait, and the policy is asked again
	over    bool           // guarded by mu; cut has run
}

// grant is by what right a flow goes on after a reload.
type grant uint8

const (
	byNobody   grant = iota
	byRule           // as long as a rule allows it
	byOperator       // until a rule denies it
	byRouter         // always; the router judges each call
)

func newFlow(g *Gate, c *net.TCPConn) *flow {
	f := &flow{g: g, in: c, from: addrPort(c.RemoteAddr()), to: addrPort(c.LocalAddr()), name: newNaming()}
	f.request = g.requestFor(f.to)
	f.who = sync.OnceValues(f.attribute)
	return f
}

// requestFor is what a connection to to asks for. Its address tells the name.
func (g *Gate) requestFor(to netip.AddrPort) policy.Request {
	r := policy.Request{Port: policy.Port(to.Port()), Time: g.cfg.Now()}
	if name, mine := g.names.name(to.Addr()); mine {
		r.Host = name
	} else {
		r.Addr = to.Addr()
	}
	return r
}

// addrPort unmaps: IPv4 that came over an IPv6 socket is IPv4.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// attributing bounds how long init may take to say who holds a socket.
const attributing = 500 * time.Millisecond

func (f *flow) attribute() (p policy.Program, pid int) {
	defer func() {
		if recover() != nil {
			p, pid = policy.Program{}, 0
		}
	}()
	if h := f.name.holder.Load(); h != nil {
		return h.program, h.pid
	}
	ctx, stop := context.WithTimeout(f.g.ctx, attributing)
	defer stop()
	return f.g.cfg.Holder(ctx, f.from, f.to)
}

// serve judges, dials and splices; it returns when both ends are closed.
func (f *flow) serve(ctx context.Context) {
	defer f.cut()
	defer func() {
		if p := recover(); p != nil {
			f.refuse(policy.Verdict{Why: fmt.Sprintf("the gate failed: %v", p)})
		}
	}()
	if why := f.misplaced(); why != "" {
		f.refuse(policy.Verdict{Why: why})
		return
	}
	if f.to.Port() == 53 {
		f.g.serveNamesTCP(f.in)
		f.close()
		return
	}
	if err := f.g.cfg.Ready(); err != nil {
		f.refuse(policy.Verdict{Why: "nothing is let out while no record can be kept: " + err.Error()})
		return
	}
	if isForRouter(f.request) {
		f.route()
		return
	}
	f.connect(ctx)
}

// connect is the road of every flow that may leave.
func (f *flow) connect(ctx context.Context) {
	defer func() { f.settle(false) }()
	v := f.judge(ctx)
	if v.Action != policy.Allow {
		f.refuse(v)
		return
	}
	f.reads.Store(v.Reads)
	first, why := f.firstBytes()
	if why == silent {
		f.record(policy.Verdict{Action: policy.Allow, Rule: v.Rule, Line: v.Line, Why: why})
		f.close()
		return
	}
	if why != "" {
		f.refuse(policy.Verdict{Rule: v.Rule, Line: v.Line, Why: why})
		return
	}
	out, w := f.reach(ctx, v)
	if out == nil {
		f.refuse(w)
		return
	}
	if !f.join(out, w) {
		return
	}
	f.settle(true)
	f.allowed(w)
	defer f.tell()
	if v.Reads {
		f.readRequests(first)
		return
	}
	f.splice(first)
}

// settle tells the operator's grants, once, whether they were used.
func (f *flow) settle(through bool) {
	for _, done := range f.grants {
		done(through)
	}
	f.grants = nil
}

// misplaced says why the original destination can be none at all.
func (f *flow) misplaced() string {
	a := f.to.Addr()
	_, mine := f.g.names.name(a)
	switch {
	case !a.IsValid():
		return "the connection has no destination"
	case a.IsLoopback() || a.IsUnspecified():
		return "the sandbox's own loopback does not lead here"
	case f.g.isOwn(policy.Port(f.to.Port())):
		return "this port is the gate's own"
	case mine && f.request.Host == "":
		return "no name has this address"
	}
	return ""
}

// isOwn: this is the port of the transparent listeners.
func (g *Gate) isOwn(p policy.Port) bool { return p != 0 && p == policy.Port(g.cfg.GatePort) }

// join makes out the other end. It fails where the flow was cut meanwhile, or
// where a reload came between the verdict and here.
func (f *flow) join(out *net.TCPConn, v policy.Verdict) bool {
	f.mu.Lock()
	over := f.over
	if !over {
		f.out = out
	}
	f.mu.Unlock()
	if over {
		reset(out)
		return false
	}
	if why := f.revoked(f.g.policy(), nil); why != "" {
		f.refuse(policy.Verdict{Rule: v.Rule, Line: v.Line, Why: why})
		return false
	}
	return true
}

// cut ends both directions at once. What was sent and not delivered is lost;
// the program sees a reset.
func (f *flow) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	f.over = true
	if f.retry != nil {
		f.retry()
	}
	reset(f.in)
	if f.out != nil {
		reset(f.out)
	}
}

// close ends a flow whose bytes have all been passed on.
func (f *flow) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	f.over = true
	f.in.Close()
	if f.out != nil {
		f.out.Close()
	}
}

// allowed makes tell, which records the verdict once it is known who asked.
// The question is put when the first bytes are on their way, or there are none
// yet. The program gets no answer before: it holds its socket until then.
func (f *flow) allowed(v policy.Verdict) {
	f.tell = sync.OnceFunc(func() {
		told := func(h holder) { f.g.recordOf(f.ask(), v, h) }
		if f.ask().Program.Known {
			h := holder{}
			h.program, h.pid = f.who()
			f.name.tell(h)
			told(h)
		} else {
			f.g.naming.ask(f.name, f.from, f.to, told, nil)
		}
		_ = f.out.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}) // not worth a delay of the first byte
	})
}

func (f *flow) record(v policy.Verdict) {
	h := holder{}
	h.program, h.pid = f.who()
	f.g.recordOf(f.ask(), v, h)
}

func (g *Gate) recordOf(r policy.Request, v policy.Verdict, h holder) {
	g.tally.record(Event{
		Kind: Network, Verdict: v.Action, Program: programName(h.program), PID: h.pid,
		Target: r.Target(), Rule: ruleText(v), Why: v.Why,
	})
}

func (f *flow) target() string { return f.ask().Target() }

// ask is the request as the policy sees it.
func (f *flow) ask() policy.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.request
}
