package egress

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// What stands behind urgent data passes too, though each read stops there. The
// urgent byte itself is not part of what is said (tcp(7)).
func TestQuickPassesWhatFollowsUrgentData(t *testing.T) {
	n := newNearby(t, echoes, nil)
	c := n.call()
	check(t, echo(c))
	held, done := make(chan struct{}), make(chan struct{})
	n.gate.loop.post(func() { close(held); <-done }) // all of it is there before any is read
	<-held
	_, err := io.WriteString(c, "before")
	check(t, err)
	raw, err := c.SyscallConn()
	check(t, err)
	check(t, raw.Control(func(fd uintptr) {
		_, err = unix.SendmsgN(int(fd), []byte("!"), nil, nil, unix.MSG_OOB)
	}))
	check(t, err)
	_, err = io.WriteString(c, " behind")
	check(t, err)
	close(done)
	check(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	b := make([]byte, len("before behind"))
	if m, err := io.ReadFull(c, b); string(b) != "before behind" {
		t.Errorf("got %q, %v", b[:m], err)
	}
}

// Who says byte by byte what may go on to be a request, for long, takes no time
// of the thread that all share.
func TestQuickEndsWhereItStaysUnclear(t *testing.T) {
	n := newNearby(t, echoes, nil)
	c := n.call()
	for _, size := range []int{maxLine, 1} {
		said := strings.Repeat("a", size)
		_, err := io.WriteString(c, said)
		check(t, err)
		got := make([]byte, size)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != said {
			t.Fatalf("got %d bytes, %v", len(got), err)
		}
		if quick := n.isQuick(); quick != (size == maxLine) {
			t.Errorf("after %d bytes more: on the quick road %v", size, quick)
		}
	}
}

// The gate's own port leads nowhere, on every road.
func TestQuickLeavesTheGatesPort(t *testing.T) {
	n := newNearby(t, echoes, nil)
	check(t, echo(n.call()))
	n.awaitFlows(1)
	n.gate.loop.do(func() { n.gate.cfg.GatePort = uint16(n.port) })
	n.mustReset(n.call())
	n.events.await(t, func(e Event) bool { return strings.Contains(e.Why, "the gate's own") })
}

// A door that cannot be watched again when its pause ends is, later.
func TestDoorOpensAgain(t *testing.T) {
	n := newNearby(t, echoes, nil)
	check(t, echo(n.call()))
	l, real := n.gate.loop, map[*door]int{}
	l.do(func() {
		for _, d := range l.doors {
			check(t, unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, d.fd, nil))
			real[d] = d.fd
			d.fd, d.pause, d.until = -1, time.Millisecond, time.Now() // no watch of this one
		}
	})
	if len(real) == 0 {
		t.Fatal("no door")
	}
	l.do(func() {
		for d, fd := range real {
			d.fd = fd
		}
	})
	check(t, echo(n.call()))
}

// Without a descriptor for it a connection is reset, not ended as if all were said.
func TestNoDescriptorIsAReset(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	check(t, err)
	defer c.Close()
	far, err := l.Accept()
	check(t, err)
	f, err := far.(*net.TCPConn).File()
	check(t, err)
	far.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	check(t, err)
	f.Close()
	var limit unix.Rlimit
	check(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	none := unix.Rlimit{Cur: 0, Max: limit.Max}
	check(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
	got := tcpConn(fd)
	check(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	if got != nil {
		t.Fatal("there was a descriptor")
	}
	(&bench{t: t}).mustReset(c)
}

// Where the line to init breaks, init is asked the other way.
func TestBrokenLineIsLeft(t *testing.T) {
	line := newLine(t)
	n := newNearby(t, echoes, func(c *Config) {
		c.Line = line
		c.Holder = func(context.Context, netip.AddrPort, netip.AddrPort) (policy.Program, int) {
			return policy.ProgramAt("/usr/bin/psql", nil), 7
		}
	})
	line.err = io.ErrUnexpectedEOF
	_, err := unix.Write(line.w, []byte{1})
	check(t, err)
	n.gate.loop.do(func() {}) // it has heard
	n.gate.loop.do(func() {})
	check(t, echo(n.call()))
	if e := n.events.await(t, to(fmt.Sprintf("%s:%d", byName, n.port), policy.Allow)); e.Program != "/usr/bin/psql" {
		t.Errorf("got %+v", e)
	}
}

// A program that leaves at once, again and again, is asked about no more often
// than is bounded, whatever keeps init.
func TestQuestionsAreBounded(t *testing.T) {
	const many = 4 * mostBeside
	var now, most atomic.Int64
	n := newNearby(t, echoes, func(c *Config) {
		c.Holder = func(ctx context.Context, _, _ netip.AddrPort) (policy.Program, int) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			<-ctx.Done()
			return policy.Program{}, 0
		}
	})
	to := n.lookup(byName)
	for range many {
		c, err := n.inside.Dial("tcp", netip.AddrPortFrom(to, uint16(n.port)).String())
		check(t, err)
		c.Close()
	}
	check(t, echo(n.call())) // all before it were accepted
	n.gate.Close()
	if got := most.Load(); got == 0 || got > mostBeside {
		t.Errorf("%d questions at one time: want some, and at most %d", got, mostBeside)
	}
	allowed := 0
	for _, e := range n.events.list() {
		if e.Verdict == policy.Allow {
			allowed++
		}
	}
	if allowed != many+1 {
		t.Errorf("%d events of %d connections", allowed, many)
	}
}

// Where the gate fails on the quick road, after the connection has its slot, the
// slot is given back.
func TestQuickFailureKeepsNoSlot(t *testing.T) {
	const flows = 2
	n := newNearby(t, echoes, func(c *Config) { c.Flows = flows })
	first := n.call()
	check(t, echo(first))
	first.Close()
	naming := n.gate.naming
	on := func(f func()) {
		done := make(chan struct{})
		n.gate.loop.do(func() { f(); close(done) })
		<-done
	}
	over := func() { // waits until nothing is served: every slot is free
		t.Helper()
		for range flows {
			select {
			case n.gate.slots <- struct{}{}:
			case <-time.After(10 * time.Second):
				t.Fatal("a slot is kept")
			}
		}
		for range flows {
			<-n.gate.slots
		}
	}
	over()
	on(func() { n.gate.naming = nil })
	for range 2 * flows {
		n.mustReset(n.call())
	}
	over()
	on(func() { n.gate.naming = naming })
	check(t, echo(n.call()))
}
