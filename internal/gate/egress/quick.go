package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// quick is a connection on the quick road, from accept to its end or until it
// is handed over. The road is for what needs nobody and waits for nothing: the
// policy allows it whoever asks, its other end is this machine's loopback, and
// a few bytes go to and fro. All else is a flow, from the beginning or from
// where it becomes clear.
type quick struct {
	l       *loop
	number  uint64
	fds     [2]int // to the program, and to outside
	from    netip.AddrPort
	to      netip.AddrPort
	request policy.Request
	verdict policy.Verdict
	dialled netip.Addr
	name    *naming
	off     atomic.Bool // it became a flow at once, which says for itself what came of it

	opaque  bool   // what the program says was judged
	pending []byte // what it said, until then
	passed  int    // how much of pending is passed on already
	finish  [2]bool
	waits   bool // outside has spoken, and it is not known who asked
	gone    bool // handed over, or ended
	moved   int
	heard   time.Time
}

// The sides of a quick connection.
const (
	program = 0
	outside = 1
)

// enough is how many bytes make a connection one that had better be spliced.
const enough = 1 << 20

// near are the addresses of the host's loopback, as a flow looks them up.
var near = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}

// begin judges and dials. Where it gives nil nothing was done but a question that
// nobody waits for, and fd is for the caller to serve.
func (l *loop) begin(fd int, from netip.AddrPort) (q *quick) {
	g := l.g
	defer func() {
		if recover() != nil { // a flow meets the same, and says so
			q = nil
		}
	}()
	here, err := syscall.Getsockname(fd)
	if err != nil {
		return nil
	}
	to := addrPortOf(here)
	r := g.requestFor(to)
	v, ok := g.isQuick(r)
	if !ok {
		return nil
	}
	select {
	case g.slots <- struct{}{}:
	default:
		return nil
	}
	defer func() {
		if q == nil {
			<-g.slots
		}
	}()
	asked := &quick{
		l: l, number: l.number(), from: from, to: to,
		request: r, verdict: v, dialled: near[0], name: newNaming(), heard: r.Time,
	}
	defer func() { asked.off.Store(q == nil) }()
	asked.ask()
	out, err := dialNear(near[0], to.Port())
	if err != nil {
		return nil
	}
	asked.fds = [2]int{fd, out}
	return asked
}

// ask puts the question who it is. It goes out before anything is dialled: whom
// the dialling wakes would keep the processor from us for as long as init takes
// to answer.
func (q *quick) ask() {
	q.l.g.naming.ask(q.name, q.from, q.to, func(h holder) {
		if !q.off.Load() {
			q.l.g.recordOf(q.request, q.verdict, h)
		}
	}, q.named)
}

// isQuick says whether the policy lets r pass whoever asks, to the host's
// loopback, with nothing that has to be read first.
func (g *Gate) isQuick(r policy.Request) (v policy.Verdict, ok bool) {
	if !r.Host.IsHostLoopback() || speaksFirst(r.Port) || r.Port == 53 || g.isOwn(r.Port) || isForRouter(r) || g.cfg.Ready() != nil {
		return v, false
	}
	p := g.policy()
	if v = p.Decide(r); v.Action != policy.Allow || p.Reads(r) {
		return v, false
	}
	for _, a := range near { // an address of the host that every rule knows, so its others do not count
		if p.DecideAddr(r, a, nil).Action != policy.Allow {
			return v, false
		}
	}
	return v, true
}

// dialNear connects to this machine, which answers before connect(2) is back;
// where it does not, that is for a flow to find out.
func dialNear(to netip.Addr, port uint16) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, err
	}
	unpaced(fd)
	err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	at := sockaddr(netip.AddrPortFrom(to, port))
	if err == nil {
		err = unix.Connect(fd, at)
	}
	if errors.Is(err, unix.EINPROGRESS) { // as ever; what came back is seen by the next call
		err = unix.Connect(fd, at)
	}
	if err != nil {
		unix.Close(fd)
	}
	return fd, err
}

// serve begins with what the program has said already, which is often there by
// now.
func (q *quick) serve() {
	q.l.flows[q.number] = q
	q.l.open.Add(1)
	defer q.recover()
	const events = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff
	q.pass(program, false)
	for side := range q.fds {
		if q.gone {
			break
		}
		if err := q.l.watch(q.fds[side], q.number|uint64(side), events); err != nil {
			q.cut()
		}
	}
}

// named: it is known who asks.
func (q *quick) named() {
	if q.waits && !q.gone {
		defer q.recover()
		q.pass(outside, true)
	}
}

// see acts on an event of one side.
func (q *quick) see(fromOutside bool, events uint32) {
	defer q.recover()
	q.heard = time.Now()
	side := program
	if fromOutside {
		side = outside
	}
	q.pass(side, events&(ends|unix.EPOLLPRI) != 0)
}

// recover ends a connection on which the gate fails.
func (q *quick) recover() {
	if p := recover(); p != nil && !q.gone {
		q.handOver(func(f *flow) {
			f.cut()
			f.record(policy.Verdict{Why: fmt.Sprintf("the gate failed: %v", p)})
		})
	}
}

// pass reads what one side has said and passes it on. Events tell of changes
// alone, so it reads until there is no more: a read that did not fill its room
// has emptied the socket, unless more follows: an end (epoll(7)), or what stands
// behind urgent data, where each read stops (tcp(7)).
func (q *quick) pass(side int, follows bool) {
	if side == outside && !q.isNamed() {
		return
	}
	for !q.gone && !q.finish[side] {
		n, err := unix.Read(q.fds[side], q.l.room)
		switch {
		case n > 0:
			q.say(side, q.l.room[:n])
			if n < roomSize && !follows {
				return
			}
		case err == nil:
			q.end(side)
		case errors.Is(err, unix.EAGAIN):
			return
		case !errors.Is(err, unix.EINTR):
			q.fail(side, err)
		}
	}
}

// isNamed says whether it is known who asks, as far as it can be. Before, the
// program gets no answer: who has one may leave, and then nobody can tell any
// more whose connection it was.
func (q *quick) isNamed() bool {
	q.waits = q.name.holder.Load() == nil
	return !q.waits
}

// say passes b on, if it may be.
func (q *quick) say(side int, b []byte) {
	if side == outside || q.opaque {
		q.write(side, b)
		return
	}
	q.pending = append(q.pending, b...)
	switch look(q.pending) {
	case looksOther:
		q.write(side, q.judged())
	case unclear: // no server acts on the first half of a first line
		n := q.send(outside, q.pending[q.passed:])
		if q.passed += n; q.passed < len(q.pending) || q.passed > maxLine { // each byte more has all be looked at again
			q.handOver((*flow).resume)
		}
	default:
		q.handOver((*flow).resume)
	}
}

// judged: what the program says is looked at no more. It gives what was held back.
func (q *quick) judged() (rest []byte) {
	rest = q.pending[q.passed:]
	q.opaque, q.pending, q.passed = true, nil, 0
	return rest
}

// write passes on what nobody reads. Where that takes longer, or is much, the
// connection is handed over.
func (q *quick) write(side int, b []byte) {
	n := q.send(1-side, b)
	q.moved += n
	if n == len(b) && n < roomSize && q.moved < enough {
		return
	}
	rest := append([]byte(nil), b[n:]...)
	q.handOver(func(f *flow) {
		if side == program {
			f.pending = rest
		} else {
			f.back = rest
		}
		f.resume()
	})
}

// send is write(2) of what fits. An error is met again by who sends the rest.
func (q *quick) send(side int, b []byte) int {
	n, _ := unix.Write(q.fds[side], b)
	n = max(n, 0)
	if side == outside {
		q.l.g.sent.Add(int64(n))
	} else {
		q.l.g.received.Add(int64(n))
	}
	return n
}

// end passes an end of file on, alone: half-close is kept.
func (q *quick) end(side int) {
	q.finish[side] = true
	if side == program {
		q.judged() // short, but whole
	}
	_ = unix.Shutdown(q.fds[1-side], unix.SHUT_WR) // who is gone altogether has said so on its own side
	if q.finish[1-side] {
		q.leave()
		<-q.l.g.slots
		unix.Close(q.fds[program])
		unix.Close(q.fds[outside])
	}
}

// fail ends both sides by reset, since one has failed: the other must not take
// half of something for the whole.
func (q *quick) fail(side int, err error) {
	if q.opaque || side == outside {
		q.cut()
		return
	}
	q.handOver(func(f *flow) {
		_ = f.object(fmt.Sprintf("its first message ends in the middle: %v", err))
		f.cut()
	})
}

func (q *quick) cut() {
	if q.gone {
		return
	}
	q.leave()
	<-q.l.g.slots
	for _, fd := range q.fds {
		resetFD(fd)
	}
}

// leave takes q off the road; its descriptors stay open, and its slot taken.
func (q *quick) leave() {
	q.gone = true
	delete(q.l.flows, q.number)
	q.l.open.Add(-1)
}

// handOver makes q a flow, which do serves in a goroutine of its own.
func (q *quick) handOver(do func(*flow)) {
	if q.gone {
		return
	}
	for _, fd := range q.fds { // a duplicate would keep it watched
		_ = unix.EpollCtl(q.l.epoll, unix.EPOLL_CTL_DEL, fd, nil)
	}
	in, out := tcpConn(q.fds[program]), tcpConn(q.fds[outside])
	q.leave()
	if in == nil || out == nil { // out of descriptors
		for _, c := range []*net.TCPConn{in, out} {
			if c != nil {
				reset(c)
			}
		}
		<-q.l.g.slots
		return
	}
	f := newFlow(q.l.g, in)
	f.request, f.grant, f.dialled, f.out = q.request, byRule, q.dialled, out
	f.name, f.tell, f.opaque = q.name, func() {}, q.opaque
	f.pending, f.passed, f.ended = q.pending, q.passed, q.finish
	q.l.g.run(f, do)
}

// recheck hands over whatever the policy in force now does not let pass at once.
func (q *quick) recheck() {
	r := q.request
	r.Time = q.l.g.cfg.Now()
	if _, ok := q.l.g.isQuick(r); !ok {
		q.handOver((*flow).resume)
	}
}
