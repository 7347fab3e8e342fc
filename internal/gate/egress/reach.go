package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// How long the ways out may take.
const (
	lookUpTime = 10 * time.Second
	synTries   = 4                      // to one address: about half a minute (tcp(7), TCP_SYNCNT)
	nextTry    = 250 * time.Millisecond // before the next address is tried beside it (RFC 8305)
)

// resolve is the host's resolver, without cgo, so that a confined supervisor
// reads nothing but the resolver's own files.
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if plain := strings.TrimSuffix(host, "."); !strings.Contains(plain, ".") {
		if addrs, err := fromHosts.LookupNetIP(ctx, "ip", plain); err == nil {
			return addrs, nil
		}
	}
	r := net.Resolver{PreferGo: true}
	return r.LookupNetIP(ctx, "ip", host)
}

// fromHosts knows the hosts file alone. With its final dot a name without any
// other is not found there (net.Resolver), and without it a search list counts.
var fromHosts = net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("not in the hosts file")
}}

// target is what may be dialled, and by what right.
type target struct {
	addrs   []netip.Addr
	own     []netip.Addr   // of the host, at this moment
	policy  *policy.Policy // that judged addrs
	request policy.Request
	asked   bool // the operator allowed these very addresses
	verdict policy.Verdict
}

// reach looks the destination up, judges every address and dials. v is the
// verdict on the name. Without a connection the verdict says why.
func (f *flow) reach(ctx context.Context, v policy.Verdict) (*net.TCPConn, policy.Verdict) {
	r := f.ask()
	if f.byUpstream(r) {
		return f.reachByUpstream(ctx, r, v)
	}
	addrs, err := f.lookUp(ctx, r)
	if err != nil {
		return nil, unreachable(v, err)
	}
	t := target{addrs: addrs, own: f.g.cfg.Own(), policy: f.g.policy(), request: r, verdict: v}
	if w := f.judgeAddrs(ctx, &t); w.Action != policy.Allow {
		return nil, w
	}
	out, err := t.race(ctx, f.to.Port())
	if err != nil {
		return nil, unreachable(t.verdict, err)
	}
	f.mu.Lock()
	f.dialled = addrPort(out.RemoteAddr()).Addr()
	f.mu.Unlock()
	return out, t.verdict
}

// unreachable is a denial by the world, not by a rule.
func unreachable(v policy.Verdict, err error) policy.Verdict {
	return policy.Verdict{Rule: v.Rule, Line: v.Line, Why: "allowed, but not reachable: " + err.Error()}
}

// lookUp asks for the name once, absolutely. The names of the host's loopback
// are asked of nobody.
func (f *flow) lookUp(ctx context.Context, r policy.Request) ([]netip.Addr, error) {
	switch {
	case r.Host == "":
		return []netip.Addr{r.Addr}, nil
	case r.Host.IsHostLoopback():
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	ctx, stop := context.WithTimeout(ctx, lookUpTime)
	defer stop()
	addrs, err := f.g.cfg.Resolve(ctx, string(r.Host)+".")
	if err != nil {
		return nil, err
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap().WithZone("")
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("look up %s: it has no address", r.Host)
	}
	return slices.Compact(addrs), nil
}

// judgeAddrs: one address that may not be reached spoils all, since a name with
// a public and a private address is how rebinding is done. Addresses that are
// all private are a question of their own.
func (f *flow) judgeAddrs(ctx context.Context, t *target) policy.Verdict {
	var allowed int
	var question policy.Verdict
	for _, a := range t.addrs {
		v := t.policy.DecideAddr(t.request, a, t.own)
		switch v.Action {
		case policy.Allow:
			allowed++
		case policy.Ask:
			question = v
		default:
			return v
		}
	}
	switch {
	case allowed == len(t.addrs):
		return policy.Verdict{Action: policy.Allow}
	case allowed > 0:
		question.Action = policy.Deny
		question.Why += ", and has other addresses beside: such a mixture is refused unless a rule lists the address"
		return question
	}
	return f.askAddr(ctx, t, question)
}

// askAddr asks about the first address; an answer opens that one alone.
func (f *flow) askAddr(ctx context.Context, t *target, asked policy.Verdict) policy.Verdict {
	t.addrs = t.addrs[:1]
	program, _ := f.who()
	q := Question{Host: t.request.Host, Addr: t.addrs[0], Port: t.request.Port, Program: program}
	v, err := f.hold(ctx, asked, q)
	if errors.Is(err, errReload) {
		return policy.Verdict{Why: "the policy changed while the operator was asked"}
	}
	if v.Action == policy.Allow {
		t.asked, t.verdict = true, v
	}
	return v
}

// race dials the addresses, a little apart, and keeps the first connection.
func (t *target) race(ctx context.Context, port uint16) (*net.TCPConn, error) {
	addrs := interleave(t.addrs)
	if len(addrs) == 1 || t.request.Host.IsHostLoopback() { // loopback answers at once, or never
		return t.oneByOne(ctx, addrs, port)
	}
	// The first is dialled here and now; the others only where it takes long
	// or fails.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var others result
	done := make(chan struct{})
	begin := sync.OnceFunc(func() {
		defer close(done)
		others.c, others.err = t.oneByOne(ctx, addrs[1:], port)
		if others.c != nil {
			stop() // ends the first, if it still tries
		}
	})
	late := time.AfterFunc(nextTry, begin)
	c, err := t.dial(ctx, netip.AddrPortFrom(addrs[0], port))
	if err == nil {
		if !late.Stop() {
			stop()
			<-done
			closeNow(others.conn())
		}
		return c, nil
	}
	begin()
	<-done
	if others.c != nil {
		return others.c, nil
	}
	return nil, err
}

type result struct {
	c   *net.TCPConn
	err error
}

func (r result) conn() net.Conn {
	if r.c == nil {
		return nil
	}
	return r.c
}

// oneByOne takes the first that answers.
func (t *target) oneByOne(ctx context.Context, addrs []netip.Addr, port uint16) (c *net.TCPConn, err error) {
	for _, a := range addrs {
		if c, err = t.dial(ctx, netip.AddrPortFrom(a, port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// interleave puts the families by turns, the first one's first.
func interleave(addrs []netip.Addr) []netip.Addr {
	var first, second, out []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			out = append(out, first[i])
		}
		if i < len(second) {
			out = append(out, second[i])
		}
	}
	return out
}

// dial connects to one address. What is judged is what is dialled: the last
// check stands in the dialler, on the very address of the connect call.
func (t *target) dial(ctx context.Context, to netip.AddrPort) (*net.TCPConn, error) {
	d := net.Dialer{ControlContext: t.check, KeepAlive: -1} // the kernel counts the tries: no timer here
	d.SetMultipathTCP(false)                                // it cannot be spliced
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// check judges the address of the connect call that is to come, and makes it.
func (t *target) check(_ context.Context, _, address string, c syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || to.Port() != uint16(t.request.Port) {
		return fmt.Errorf("dial %s: not what was judged", address)
	}
	if !t.asked || to.Addr() != t.addrs[0] {
		if v := t.policy.DecideAddr(t.request, to.Addr(), t.own); v.Action != policy.Allow {
			return fmt.Errorf("dial %s: %s", address, v.Why)
		}
	}
	return c.Control(func(fd uintptr) { begin(int(fd), to) })
}

// begin connects a socket that does not block. Where the other end is near, the
// connection stands when the call returns, and the runtime, which makes the
// call again, finds it so without waiting for an event (connect(2)): that
// spares a goroutine and two switches. An error is there for it to find, too.
func begin(fd int, to netip.AddrPort) {
	_ = unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_SYNCNT, synTries) // without it the kernel tries for two minutes
	if to.Addr().IsLoopback() {
		unpaced(fd)
	}
	_ = unix.Connect(fd, sockaddr(to))
}

// unpaced takes the plainest congestion control for a connection to this machine:
// the machine's own may pace (bbr), which costs a timer a packet. It has to be
// said before connect(2). An error leaves it slower.
func unpaced(fd int) { _ = unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_CONGESTION, "reno") }

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
