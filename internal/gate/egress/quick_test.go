package egress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// nearby is a server on the host's loopback, which the quick road leads to.
type nearby struct {
	*bench
	port int
}

const byName = "host.docker.internal"

func newNearby(t *testing.T, serve func(*net.TCPConn), change func(*Config)) *nearby {
	t.Helper()
	b := newBench(t, "unlisted: deny\n", change)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go accept(l, serve)
	n := &nearby{b, l.Addr().(*net.TCPAddr).Port}
	b.policy.Store(parse(t, n.rule()))
	return n
}

func (n *nearby) rule() string { return fmt.Sprintf("egress: [{host: localhost, port: %d}]\n", n.port) }

func (n *nearby) call() *net.TCPConn {
	n.t.Helper()
	return n.dial(byName, n.port).(*net.TCPConn)
}

// isQuick says whether one connection is on the quick road now.
func (n *nearby) isQuick() bool { return n.gate.loop.open.Load() == 1 }

func echoes(c *net.TCPConn) { _, _ = io.Copy(c, c) }

// A program gets no answer before it is known who it is: one that leaves with
// its answer is named all the same.
func TestQuickAnswerWaitsForTheName(t *testing.T) {
	for !namedInTime(t) { // on a machine that is too busy the gate goes on without a name
	}
}

// namedInTime says whether the name was said before the gate went on without it.
func namedInTime(t *testing.T) bool {
	t.Helper()
	line := newLine(t)
	n := newNearby(t, echoes, func(c *Config) { c.Line = line })
	c := n.call()
	began := time.Now()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	id := <-line.asked
	b := make([]byte, 1)
	check(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	m, err := c.Read(b)
	late := func() bool { return time.Since(began) >= attributing }
	if !errors.Is(err, os.ErrDeadlineExceeded) && !late() {
		t.Fatalf("got %d bytes, %v, before it is known who asks", m, err)
	}
	check(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	line.answer(id, policy.ProgramAt("/usr/bin/psql", nil), 7)
	if late() {
		return false
	}
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	if !n.isQuick() {
		t.Error("it is not on the quick road")
	}
	e := n.events.await(t, to(fmt.Sprintf("%s:%d", byName, n.port), policy.Allow))
	if late() && e.Program == "unknown" {
		return false
	}
	if e.Program != "/usr/bin/psql" || e.PID != 7 || !strings.HasPrefix(e.Rule, "allow localhost:") {
		t.Errorf("got %+v", e)
	}
	return true
}

// An init that does not say who it is keeps nobody waiting for long.
func TestQuickNameLapses(t *testing.T) {
	n := newNearby(t, echoes, func(c *Config) { c.Line = newLine(t) })
	began := time.Now()
	check(t, echo(n.call()))
	if took := time.Since(began); took < attributing/2 {
		t.Errorf("answered after %s: nobody said who it is", took)
	}
	n.events.await(t, func(e Event) bool { return e.Verdict == policy.Allow && e.Program == "unknown" })
}

// Each side may end alone, and the other goes on.
func TestQuickHalfClose(t *testing.T) {
	n := newNearby(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c) // until the program has ended
		_, _ = fmt.Fprintf(c, "%d", len(all))
	}, nil)
	c := n.call()
	_, _ = io.WriteString(c, "hello")
	check(t, c.CloseWrite())
	if all, err := io.ReadAll(c); string(all) != "5" || err != nil {
		t.Errorf("got %q, %v", all, err)
	}
	n.awaitFlows(0)

	heard := make(chan string, 1)
	n = newNearby(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "banner")
		_ = c.CloseWrite()
		all, _ := io.ReadAll(c)
		heard <- string(all)
	}, nil)
	c = n.call()
	if all, err := io.ReadAll(c); string(all) != "banner" || err != nil {
		t.Errorf("got %q, %v", all, err)
	}
	_, _ = io.WriteString(c, "thanks")
	c.Close()
	if got := <-heard; got != "thanks" {
		t.Errorf("the server heard %q", got)
	}
	n.awaitFlows(0)
}

// A reset of either side is one for the other.
func TestQuickReset(t *testing.T) {
	ended := make(chan error, 1)
	n := newNearby(t, func(c *net.TCPConn) {
		b := make([]byte, 6)
		_, _ = io.ReadFull(c, b)
		if string(b) == "reset\n" {
			_ = c.SetLinger(0)
			return
		}
		_, _ = c.Write(b)
		_, err := c.Read(b)
		ended <- err
	}, nil)
	c := n.call()
	_, _ = io.WriteString(c, "reset\n")
	n.mustReset(c)
	c = n.call()
	check(t, echo(c))
	check(t, c.SetLinger(0))
	c.Close()
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server got %v", err)
	}
	n.awaitFlows(0)
}

// A reload cuts what it denies, and nothing else.
func TestQuickIsCutByAReload(t *testing.T) {
	n := newNearby(t, echoes, nil)
	c := n.call()
	check(t, echo(c))
	if cut := n.gate.Recheck(); cut != 0 || !n.isQuick() {
		t.Fatalf("cut %d", cut)
	}
	check(t, echo(c))
	n.policy.Store(parse(t, n.rule()+"unlisted: deny\nhold: 1s\n"))
	if cut := n.gate.Recheck(); cut != 0 {
		t.Fatalf("cut %d that are allowed", cut)
	}
	check(t, echo(c))
	n.policy.Store(parse(t, "unlisted: deny\n"))
	if cut := n.gate.Recheck(); cut != 1 {
		t.Errorf("cut %d", cut)
	}
	n.mustReset(c)
	n.events.await(t, func(e Event) bool {
		return e.Verdict == policy.Deny && strings.Contains(e.Why, "no rule allows it any more")
	})
	n.awaitFlows(0)
}

// Whatever is said, in whatever pieces, arrives as it was said, in both
// directions at once: on the road, from the road, and off it.
func TestQuickCarriesEveryByte(t *testing.T) {
	n := newNearby(t, echoes, nil)
	var all sync.WaitGroup
	for i := range 12 {
		size := 1 << (2 * i) // to 4 MiB
		c := n.call()
		all.Go(func() { check(t, carries(c, size)) })
	}
	all.Wait()
	n.awaitFlows(0)
	if s := n.gate.Stats(); s.Sent != s.Received || s.Sent < 4<<20 {
		t.Errorf("counted %+v", s)
	}
}

func carries(c *net.TCPConn, size int) error {
	r := rand.New(rand.NewPCG(uint64(size), 1))
	said := make([]byte, size)
	for i := range said {
		said[i] = byte(r.Uint32())
	}
	said[0] = 0 // neither TLS nor HTTP
	go func() {
		for rest := said; len(rest) > 0; {
			m := min(len(rest), 1+r.IntN(1<<r.IntN(18)))
			if _, err := c.Write(rest[:m]); err != nil {
				return
			}
			rest = rest[m:]
		}
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err == nil && !bytes.Equal(got, said) {
		err = fmt.Errorf("%d bytes came back as other %d", size, len(got))
	}
	return err
}

// What is HTTP or TLS is judged as on every other road, however its first bytes
// come.
func TestQuickIsJudged(t *testing.T) {
	n := newNearby(t, func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	}, nil)
	for host, passes := range map[string]bool{byName: true, "evil.example": false} {
		for _, pieces := range []bool{false, true} {
			head := fmt.Sprintf("GET / HTTP/1.1\r\nHost: %s:%d\r\n\r\n", host, n.port)
			c := n.call()
			if pieces {
				for i := range head {
					_, _ = c.Write([]byte(head[i : i+1]))
				}
			} else {
				_, _ = io.WriteString(c, head)
			}
			got, err := io.ReadAll(c)
			c.Close()
			if passed := err == nil && strings.HasSuffix(string(got), "ok"); passed != passes {
				t.Errorf("Host %s, in pieces %v: %q, %v", host, pieces, got, err)
			}
		}
	}
	c := n.call()
	_, _ = c.Write([]byte{0x16, 3, 1, 0, 4, 2, 0, 0, 0}) // a hello of a server
	n.mustReset(c)
	n.awaitFlows(0)
}

// Nobody listens: the program is told at once, and so is the operator, once,
// though it was asked on the quick road already who it is.
func TestQuickToNobody(t *testing.T) {
	line := newLine(t)
	n := newNearby(t, echoes, func(c *Config) { c.Line = line })
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		line.answer(<-line.asked, policy.ProgramAt("/usr/bin/psql", nil), 7)
	}()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	check(t, err)
	n.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	n.policy.Store(parse(t, n.rule()))
	n.mustReset(n.call())
	n.events.await(t, func(e Event) bool { return strings.Contains(e.Why, "allowed, but not reachable") })
	<-answered
	n.gate.Close()
	if all := n.events.list(); len(all) != 1 {
		t.Errorf("got %+v", all)
	}
}

// Peers that never read are held by the kernel's buffers alone, and cut as ever.
func TestQuickPeersThatNeverRead(t *testing.T) {
	const peers = 32
	n := newNearby(t, func(c *net.TCPConn) {
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		for block := make([]byte, 64<<10); ; {
			if _, err := c.Write(block); err != nil {
				break
			}
		}
		<-t.Context().Done()
	}, nil)
	before := used()
	var full sync.WaitGroup
	for range peers {
		c := n.call()
		check(t, c.SetWriteDeadline(time.Now().Add(time.Second)))
		full.Go(func() {
			for block := make([]byte, 64<<10); ; {
				if _, err := c.Write(block); err != nil {
					return
				}
			}
		})
	}
	full.Wait()
	if grown := used() - before; grown > 32*mega {
		t.Errorf("%d peers that never read took %d MiB", peers, grown/mega)
	}
	n.policy.Store(parse(t, "unlisted: deny\n"))
	if cut := n.gate.Recheck(); cut != peers {
		t.Errorf("%d flows cut: want %d", cut, peers)
	}
	n.awaitFlows(0)
}

// As many as the limit are open, silent ones too; they cost next to nothing, and
// the forgotten are ended.
func TestQuickManyAndForgotten(t *testing.T) {
	n := newNearby(t, echoes, nil)
	c := n.crowd(byName, n.port)
	before := used()
	for range DefaultFlows {
		if !c.join() {
			t.Fatalf("refused after %d connections", len(c.in))
		}
	}
	if c.join() {
		t.Errorf("%d connections: the limit is %d", len(c.in), DefaultFlows)
	}
	if grown := used() - before; grown > 8*mega {
		t.Errorf("%d connections took %d MiB", DefaultFlows, grown/mega)
	}
	if m := n.gate.loop.open.Load(); m != DefaultFlows {
		t.Errorf("%d are on the quick road", m)
	}
	l := n.gate.loop
	l.do(func() { l.sweep(time.Now().Add(idleTime - time.Minute)) })
	if m := n.gate.Stats().Flows; m != DefaultFlows {
		t.Errorf("%d left too early", DefaultFlows-m)
	}
	l.do(func() { l.swept = time.Time{}; l.sweep(time.Now().Add(idleTime + time.Minute)) })
	n.awaitFlows(0)
}

// What began on the road, and was unclear at first, loses and repeats nothing
// where the connection is handed over, whichever side has ended before.
func TestQuickHandsOverWhatIsLeft(t *testing.T) {
	much := bytes.Repeat([]byte("\x00much"), 2<<20)
	for _, ended := range []string{"", "program", "server"} {
		heard := make(chan []byte, 1)
		made := make(chan *nearby, 1)
		n := newNearby(t, func(c *net.TCPConn) {
			n := <-made
			_, _ = io.CopyN(c, c, 3)
			if ended == "server" {
				_ = c.CloseWrite()
			}
			if ended != "program" {
				n.awaitHandOver() // nobody reads
			}
			all, _ := io.ReadAll(c)
			heard <- all
			_, _ = c.Write(much)
		}, nil)
		made <- n
		c := n.call()
		_, err := io.WriteString(c, "abc") // may be a method
		check(t, err)
		_, err = io.ReadFull(c, make([]byte, 3))
		check(t, err)
		if ended != "program" {
			_, err = c.Write(much)
			check(t, err)
		}
		check(t, c.CloseWrite())
		if all := <-heard; ended != "program" && !bytes.Equal(all, much) {
			t.Errorf("%s ended: the server heard %d bytes: want %d", ended, len(all), len(much))
		}
		if ended == "program" {
			n.awaitHandOver()
		}
		if all, err := io.ReadAll(c); err != nil || ended != "server" && !bytes.Equal(all, much) {
			t.Errorf("%s ended: the program got %d bytes, %v: want %d", ended, len(all), err, len(much))
		}
		for _, e := range n.events.list() {
			if e.Verdict != policy.Allow {
				t.Errorf("%s ended: %+v", ended, e)
			}
		}
	}
}

// awaitHandOver waits until the one connection has left the quick road.
func (n *nearby) awaitHandOver() {
	for n.isQuick() {
		runtime.Gosched()
	}
}

// What is near is not paced, on either road, whatever the machine's own
// congestion control is.
func TestNearIsNotPaced(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := addrPort(l.Addr())
	quick, err := dialNear(at.Addr(), at.Port())
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(quick)
	slow, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(slow)
	// Another one first, where the machine has it: the control.
	if unix.SetsockoptString(slow, unix.SOL_TCP, unix.TCP_CONGESTION, "cubic") == nil {
		if got, err := unix.GetsockoptString(slow, unix.SOL_TCP, unix.TCP_CONGESTION); got != "cubic" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	begin(slow, at)
	for name, fd := range map[string]int{"quick": quick, "slow": slow} {
		if got, err := unix.GetsockoptString(fd, unix.SOL_TCP, unix.TCP_CONGESTION); got != "reno" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
