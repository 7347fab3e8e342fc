package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// loop is the one thread on which every connection is accepted, and those on
// the quick road live: an epoll(7) instance of the gate's own. What Go's
// scheduler costs a short connection (goroutines that are woken, threads that
// are woken for them) is more than all that the gate does for it.
//
// Nothing here waits for anything but the next event: whatever may take longer
// is handed over to a goroutine, as a flow.
type loop struct {
	g     *Gate
	epoll int
	bell  int           // an eventfd(2): there are orders
	ended chan struct{} // closed when the thread has left
	open  atomic.Int64  // flows that live here

	mu     sync.Mutex
	orders []func() // guarded by mu; run on the thread
	over   bool     // guarded by mu; no orders are taken any more

	// The rest is the thread's alone.
	flows map[uint64]*quick
	doors map[uint64]*door
	last  uint64   // number of the last flow or door
	room  []byte   // what is read, until it is written
	notes []func() // what is to be written down, when nobody waits
	swept time.Time
}

const (
	// roomSize is what one read takes at most: who fills it has much to say.
	roomSize = 16 << 10
	// sweep is how often it is looked for flows that are silent for too long.
	sweep = 10 * time.Minute
	// batch is how many events are taken at a time.
	batch = 64
)

// door is a transparent listener.
type door struct {
	fd    int
	pause time.Duration // since the last error
	until time.Time     // when it is opened again; zero: it is open
}

func newLoop(g *Gate) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make epoll instance: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	l := &loop{
		g: g, epoll: epoll, bell: bell, ended: make(chan struct{}),
		flows: map[uint64]*quick{}, doors: map[uint64]*door{}, room: make([]byte, roomSize), swept: time.Now(),
	}
	err = l.watch(bell, bellNumber, unix.EPOLLIN)
	if err == nil && g.cfg.Line != nil {
		err = l.watch(g.cfg.Line.Descriptor(), lineNumber, unix.EPOLLIN)
	}
	if err != nil {
		unix.Close(epoll)
		unix.Close(bell)
		return nil, fmt.Errorf("watch: %w", err)
	}
	go l.run()
	return l, nil
}

// The numbers of what is neither flow nor door.
const (
	bellNumber = 0
	lineNumber = 1
)

// number is a fresh one; the two sides of a flow are 2n and 2n+1. They, not
// descriptors, come back with events: a descriptor is used again.
func (l *loop) number() uint64 {
	l.last++
	return l.last << 1
}

func (l *loop) watch(fd int, number uint64, events uint32) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(number), Pad: int32(number >> 32)})
}

func numberOf(e *unix.EpollEvent) uint64 { return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32 }

// run is the thread. The goroutine keeps it to itself: it is woken by the
// kernel, and no other goroutine is ever in its way.
func (l *loop) run() {
	runtime.LockOSThread()
	defer close(l.ended)
	events := make([]unix.EpollEvent, batch)
	for {
		news := events[:l.await(events)]
		for i := range news {
			if news[i].Events&ends == 0 {
				l.see(&news[i])
			}
		}
		for i := range news { // who leaves can wait for who does not
			if news[i].Events&ends != 0 {
				l.see(&news[i])
			}
		}
		if l.rest() {
			return
		}
	}
}

// ends are the events of a side that has finished.
const ends = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR

// awake is how long the thread looks for the next event before it sleeps. What
// follows in a conversation with this machine comes within that time, and to be
// woken takes as long as all that is done then. Meanwhile the processor is
// anybody's who wants it (sched_yield(2)).
const awake = 20 * time.Microsecond

// await takes the next events.
func (l *loop) await(events []unix.EpollEvent) int {
	n, err := unix.EpollWait(l.epoll, events, 0)
	if n == 0 && len(l.flows) > 0 {
		for began := time.Now(); n <= 0 && time.Since(began) < awake; n, err = unix.EpollWait(l.epoll, events, 0) {
			_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
	}
	if n == 0 {
		n, err = unix.EpollWait(l.epoll, events, l.patience())
	}
	if err != nil && !errors.Is(err, unix.EINTR) {
		panic(fmt.Sprintf("epoll_wait: %v", err)) // it cannot fail otherwise: without the gate there is no sandbox
	}
	return max(n, 0)
}

// see acts on one event. Who has left since it was taken is not found.
func (l *loop) see(e *unix.EpollEvent) {
	number := numberOf(e)
	if number == bellNumber {
		// Before the orders are taken: one that comes after rings again.
		var b [8]byte
		_, _ = unix.Read(l.bell, b[:])
	} else if q := l.flows[number&^1]; q != nil {
		q.see(number&1 == 1, e.Events)
	} else if d := l.doors[number]; d != nil {
		l.accept(d)
	} else if number == lineNumber && l.g.naming.hear() {
		_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, l.g.cfg.Line.Descriptor(), nil)
	}
}

// patience is how long to wait for an event, in milliseconds.
func (l *loop) patience() int {
	wait := time.Duration(-1)
	if len(l.flows) > 0 {
		wait = sweep
	}
	for _, d := range l.doors {
		if !d.until.IsZero() && (wait < 0 || d.pause < wait) {
			wait = d.pause
		}
	}
	if wait < 0 {
		return -1
	}
	return int(wait.Milliseconds()) + 1
}

// rest is what is due beside events: orders, doors, and the forgotten. It says
// whether the thread is to leave.
func (l *loop) rest() (over bool) {
	l.mu.Lock()
	orders := l.orders
	l.orders = nil
	over = l.over
	l.mu.Unlock()
	for _, f := range orders {
		f()
	}
	if over {
		l.clear()
	}
	for _, note := range l.notes {
		note()
	}
	clear(l.notes)
	l.notes = l.notes[:0]
	if over {
		return true
	}
	for number, d := range l.doors {
		if !d.until.IsZero() && !time.Now().Before(d.until) {
			l.reopen(number, d)
		}
	}
	if len(l.flows) > 0 {
		l.sweep(time.Now())
	}
	return false
}

// sweep ends the flows that have been silent for too long.
func (l *loop) sweep(now time.Time) {
	if now.Sub(l.swept) < sweep {
		return
	}
	l.swept = now
	for _, q := range l.flows {
		if now.Sub(q.heard) >= idleTime {
			q.fail(program, errSlow)
		}
	}
}

// post has f run on the thread, soon; not at all once the loop is over.
func (l *loop) post(f func()) (taken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	l.orders = append(l.orders, f)
	if len(l.orders) == 1 {
		l.ring()
	}
	return true
}

// recheck hands over whatever the policy in force now does not let pass at once,
// to be judged again as a flow.
func (l *loop) recheck() {
	for _, q := range l.flows {
		q.recheck()
	}
}

func (l *loop) ring() {
	one := [8]byte{1, 1, 1, 1, 1, 1, 1} // any number but 0, whatever the byte order
	_, _ = unix.Write(l.bell, one[:])
}

// do runs f on the thread and waits for it. It must not be called there.
func (l *loop) do(f func()) {
	done := make(chan struct{})
	if !l.post(func() { defer close(done); f() }) {
		return
	}
	<-done
}

// close ends the thread, and resets what lives here.
func (l *loop) close() {
	l.mu.Lock()
	first := !l.over
	l.over = true
	if first {
		l.ring()
	}
	l.mu.Unlock()
	<-l.ended
}

func (l *loop) clear() {
	for _, q := range l.flows {
		q.cut()
	}
	unix.Close(l.epoll)
	unix.Close(l.bell)
}

// openDoor begins to accept from listener fd, which stays the caller's.
func (l *loop) openDoor(fd int) (shut func(), err error) {
	var number uint64
	l.do(func() {
		number = l.number()
		if err = l.watch(fd, number, unix.EPOLLIN); err == nil {
			l.doors[number] = &door{fd: fd}
		}
	})
	return func() {
		l.do(func() {
			delete(l.doors, number)
			_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil) // a door that pauses is not there
		})
	}, err
}

// accept takes one connection; if there are more, the next event says so.
func (l *loop) accept(d *door) {
	fd, far, err := syscall.Accept4(d.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC) // package unix asks for the protocol, each time
	switch {
	case err == nil:
		d.pause = 0
		l.take(fd, addrPortOf(far))
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED): // the program left before we looked
	default: // out of descriptors: the kernel may find new ones, of which no event tells
		d.pause = min(2*d.pause+time.Millisecond, time.Second)
		d.until = time.Now().Add(d.pause)
		_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, d.fd, nil)
	}
}

// reopen ends the pause of a door, or goes on with it: the watches of one user
// are counted together (epoll(7), max_user_watches), and an agent may have taken
// them all for a moment.
func (l *loop) reopen(number uint64, d *door) {
	d.until = time.Time{}
	if l.watch(d.fd, number, unix.EPOLLIN) != nil {
		d.until = time.Now().Add(d.pause)
	}
}

// take serves a connection on the quick road where that is possible, else as a
// flow.
func (l *loop) take(fd int, from netip.AddrPort) {
	if q := l.begin(fd, from); q != nil {
		q.serve()
		return
	}
	if c := tcpConn(fd); c != nil {
		l.g.take(c)
		return
	}
	l.g.tally.record(Event{Kind: Network, Program: "unknown", Target: "any destination", Why: "the gate is out of descriptors"})
}

// tcpConn makes fd, which it takes over, one of Go's connections. Without a
// descriptor for it there is none, and fd is reset.
func tcpConn(fd int) *net.TCPConn {
	f := os.NewFile(uintptr(fd), "connection")
	defer f.Close()
	c, err := net.FileConn(f) // duplicates it
	tcp, ok := c.(*net.TCPConn)
	if err != nil || !ok {
		resetOnClose(fd)
		return nil
	}
	return tcp
}

func addrPortOf(a syscall.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}
