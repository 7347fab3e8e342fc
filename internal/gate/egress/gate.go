package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/gate/pulse"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Config is what the gate asks of the supervisor. Policy is required; what
// else is nil refuses, or takes the default that is named.
type Config struct {
	// Policy is the one in force now. A reload swaps what it returns and then
	// calls Recheck.
	Policy func() *policy.Policy
	// Ask puts a question to the operator. Nil: nobody answers, so no.
	Ask Asker
	// Record takes one Event a verdict; it must not block.
	Record Recorder
	// Who is the program that holds the socket local → remote, as the sandbox
	// sees it. Nil: nobody is known.
	Who func(ctx context.Context, local, remote netip.AddrPort) policy.Program
	// Holder is Who with the program's PID inside; where set, Who is not used.
	Holder func(ctx context.Context, local, remote netip.AddrPort) (p policy.Program, pid int)
	// Line is Holder for a caller that does not wait. Nil: Holder is asked beside.
	Line Line
	// Router serves a connection to the inference router, and closes it.
	Router func(net.Conn)
	// Resolve looks an absolute name (with its final dot) up. Nil: the host's
	// resolver, without its search list.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Upstream is the proxy that the host's network is left by; nil: none.
	Upstream *Upstream
	// Own are the addresses of the host's interfaces at this moment. Nil: asks
	// the kernel.
	Own func() []netip.Addr
	// GatePort is the port of the transparent listeners.
	GatePort uint16
	// Ready says why no verdict can be kept, so that everything is refused.
	Ready func() error
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Leaf is the certificate for a name, by which TLS under rules with http ends
	// here. Nil: such rules let nothing through.
	Leaf func(name string) (*tls.Certificate, error)
	// Roots are the authorities that servers are verified by. Nil: the host's,
	// read by New.
	Roots *x509.CertPool
	// Secret is the value of a rule's credential. Nil: there is none.
	Secret func(name string) ([]byte, error)
	// Flows bounds the connections at one time, and the requests that are read
	// at one time, of all of them together; 0: DefaultFlows.
	Flows int
}

// DefaultFlows is how many connections a sandbox may have at one time. Each
// may cost six descriptors: two sockets and a pipe for either direction.
const DefaultFlows = 1024

// Question is what the operator is asked.
type Question struct {
	Host    policy.Host // "" for a literal address
	Addr    netip.Addr  // a literal address; or the private address that an allowed name turned out to have
	Port    policy.Port
	Program policy.Program
}

// Asker puts one question to the operator and blocks until it is answered, or
// for as long as a connection is held. ctx ends when the program gave up. done
// is told whether the connection then got through; it may be nil.
type Asker interface {
	Ask(ctx context.Context, q Question) (allow bool, why string, done func(through bool))
}

// Gate is the network gate of one sandbox.
type Gate struct {
	cfg    Config
	names  *table
	naming *questions
	tally  *tally
	watch  *watcher
	reader *reader
	own    *ownAddrs // nil where Config has its own
	loop   *loop     // nil where broken says why
	broken error
	slots  chan struct{} // one token a connection
	served sync.WaitGroup
	beside pulse.Set       // connections to outside beside a flow's own
	ctx    context.Context // of everything that the gate has begun
	stop   context.CancelFunc
	six    atomic.Bool // an IPv6 listener is served, so AAAA may be answered

	crowded        atomic.Int64 // connections refused for want of a slot
	received, sent atomic.Int64 // bytes, from outside and to it

	mu    sync.Mutex
	flows map[*flow]struct{} // guarded by mu
}

// New makes a gate that serves nothing yet.
func New(cfg Config) *Gate {
	fill(&cfg)
	g := &Gate{
		cfg:   cfg,
		names: newTable(),
		tally: newTally(cfg.Record),
		watch: newWatcher(),
		slots: make(chan struct{}, cfg.Flows),
		flows: map[*flow]struct{}{},
	}
	if cfg.Own == nil {
		g.own = newOwnAddrs()
		g.cfg.Own = g.own.now
	}
	g.ctx, g.stop = context.WithCancel(context.Background())
	g.reader = newReader(g)
	g.naming = newQuestions(g)
	g.loop, g.broken = newLoop(g)
	return g
}

func fill(cfg *Config) {
	if cfg.Ask == nil {
		cfg.Ask = nobody{}
	}
	if cfg.Record == nil {
		cfg.Record = nowhere{}
	}
	if cfg.Holder == nil {
		cfg.Holder = withoutPID(cfg.Who)
	}
	if cfg.Resolve == nil {
		cfg.Resolve = resolve
	}
	if cfg.Ready == nil {
		cfg.Ready = func() error { return nil }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Flows == 0 {
		cfg.Flows = DefaultFlows
	}
}

type nobody struct{}

func (nobody) Ask(context.Context, Question) (bool, string, func(bool)) {
	return false, "nobody is there to be asked", nil
}

func withoutPID(who func(context.Context, netip.AddrPort, netip.AddrPort) policy.Program) func(context.Context, netip.AddrPort, netip.AddrPort) (policy.Program, int) {
	return func(ctx context.Context, local, remote netip.AddrPort) (policy.Program, int) {
		if who == nil {
			return policy.Program{}, 0
		}
		return who(ctx, local, remote), 0
	}
}

// policy is never nil-checked elsewhere: a nil Policy denies everything.
func (g *Gate) policy() *policy.Policy {
	if g.cfg.Policy == nil {
		return nil
	}
	return g.cfg.Policy()
}

// ServeTCP accepts from a transparent listener until ctx ends; it then refuses
// what waits there, closes l, and returns nil. The local address of what it accepts is where the program
// wanted to go.
func (g *Gate) ServeTCP(ctx context.Context, l net.Listener) error {
	if a, ok := l.Addr().(*net.TCPAddr); ok && a.IP.To4() == nil {
		g.six.Store(true)
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("accept: %T: want a TCP listener", l)
	}
	fd, err := takeListener(tcp)
	if err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	defer unix.Close(fd)
	if g.loop == nil {
		return g.broken
	}
	if ctx.Err() == nil {
		shut, err := g.loop.openDoor(fd)
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		select {
		case <-ctx.Done():
		case <-g.ctx.Done():
		}
		shut()
	}
	g.restOfTCP(fd)
	return nil
}

// takeListener takes l out of the hands of Go's runtime, which would wake up
// too for each connection. What is accepted sends at once what it is given
// (tcp(7), TCP_NODELAY is inherited).
func takeListener(l *net.TCPListener) (fd int, err error) {
	defer l.Close()
	rc, err := l.SyscallConn()
	if err != nil {
		return -1, err
	}
	inner := rc.Control(func(theirs uintptr) {
		if err = unix.SetsockoptInt(int(theirs), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err == nil {
			fd, err = unix.FcntlInt(theirs, unix.F_DUPFD_CLOEXEC, 0)
		}
	})
	return fd, errors.Join(inner, err)
}

func closeNow(c net.Conn) {
	if c != nil {
		c.Close()
	}
}

// take serves one connection, or refuses it where there are too many.
func (g *Gate) take(c *net.TCPConn) {
	f := newFlow(g, c)
	select {
	case g.slots <- struct{}{}:
	default:
		g.crowded.Add(1)
		f.refuseAtOnce(fmt.Sprintf("%d connections are open already, which is the limit", cap(g.slots)))
		return
	}
	g.run(f, func(f *flow) { f.serve(g.ctx) })
}

// run has do serve f, which has a slot, in a goroutine.
func (g *Gate) run(f *flow, do func(*flow)) {
	if !g.begin(f) {
		<-g.slots
		f.cut()
		return
	}
	go func() {
		defer g.end(f)
		do(f)
	}()
}

// begin lists f, so that Recheck and Close find it, before it is judged: a
// reload in between must not miss it.
func (g *Gate) begin(f *flow) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx.Err() != nil {
		return false
	}
	g.flows[f] = struct{}{}
	g.served.Add(1)
	return true
}

func (g *Gate) end(f *flow) {
	g.mu.Lock()
	delete(g.flows, f)
	g.mu.Unlock()
	<-g.slots
	g.served.Done()
}

// Recheck judges every connection again, after the policy has changed. It cuts
// those that were allowed by a rule and no longer are, and those that are
// denied now; it lets held ones proceed, or fail, that need no answer any more.
// It returns how many it cut.
func (g *Gate) Recheck() (cut int) {
	if g.loop != nil { // first: what comes from there is judged again here
		g.loop.do(g.loop.recheck)
	}
	own := g.cfg.Own()
	for _, f := range g.all() {
		if f.recheck(own) {
			cut++
		}
	}
	return cut
}

// all are the flows that live now, the quick road's apart.
func (g *Gate) all() []*flow {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.flows))
}

// Stats is what flows now, and has flowed.
type Stats struct {
	Flows    int   // connections, held ones too
	Crowded  int   // connections that were refused, since there were as many as may be
	Received int64 // bytes from outside
	Sent     int64 // bytes to outside
	Names    int   // names that have an address
}

// Stats counts. Bytes of a connection that lives are counted now and then.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	flows := len(g.flows)
	if g.loop != nil {
		flows += int(g.loop.open.Load())
	}
	return Stats{Flows: flows, Crowded: int(g.crowded.Load()), Received: g.received.Load(), Sent: g.sent.Load(), Names: g.names.len()}
}

// Close cuts every connection and returns when all are gone.
func (g *Gate) Close() {
	g.mu.Lock()
	g.stop()
	for f := range g.flows {
		f.cut()
	}
	g.mu.Unlock()
	if g.loop != nil {
		g.loop.close()
	}
	g.reader.close()
	g.served.Wait()
	g.watch.close()
	if g.own != nil {
		g.own.close()
	}
	g.tally.flush()
}
