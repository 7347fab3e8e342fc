package egress

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// crowd opens connections from inside, as many as are wanted, with nothing in
// this process for each but its descriptor: what grows is the gate.
type crowd struct {
	b  *bench
	to unix.SockaddrInet4
	in []*os.File
}

func (b *bench) crowd(host string, port int) *crowd {
	return &crowd{b: b, to: unix.SockaddrInet4{Addr: b.lookup(host).As4(), Port: port}}
}

// join opens one more, and says whether a byte came back.
func (c *crowd) join() (echoed bool) {
	c.b.t.Helper()
	f := c.b.inside.Socket()
	c.b.t.Cleanup(func() { f.Close() })
	fd := int(f.Fd())
	check(c.b.t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}))
	switch err := unix.Connect(fd, &c.to); {
	case errors.Is(err, unix.ECONNRESET): // refused before connect(2) was back
		f.Close()
		return false
	case err != nil:
		c.b.t.Fatal(err)
	}
	one := []byte{1}
	if _, err := unix.SendmsgN(fd, one, nil, nil, unix.MSG_NOSIGNAL); err != nil {
		return false // reset already
	}
	n, err := unix.Read(fd, one)
	for errors.Is(err, unix.EINTR) { // the runtime signals its threads
		n, err = unix.Read(fd, one)
	}
	if n == 1 {
		c.in = append(c.in, f)
		return true
	}
	if !errors.Is(err, unix.ECONNRESET) {
		c.b.t.Fatalf("got %d, %v: want a byte or a reset", n, err)
	}
	f.Close()
	return false
}

// used is what the process holds on to.
func used() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

const mega = 1 << 20

// Ten thousand connections are tried: as many as the limit are open, the others
// are reset at once, and neither memory nor another sandbox's gate notices.
func TestManyConnections(t *testing.T) {
	const tried = 10000
	b := newBench(t, github, nil)
	other := newBench(t, github, nil)
	c := b.crowd("db.example", 5432)
	for range DefaultFlows {
		if !c.join() {
			t.Fatalf("refused after %d connections: the limit is %d", len(c.in), DefaultFlows)
		}
	}
	full := used()
	for range tried - DefaultFlows {
		if c.join() {
			t.Fatalf("connection %d was served: the limit is %d", len(c.in), DefaultFlows)
		}
	}
	if s := b.gate.Stats(); s.Flows != DefaultFlows || s.Crowded != tried-DefaultFlows {
		t.Errorf("%d flows, %d refused: want %d and %d", s.Flows, s.Crowded, DefaultFlows, tried-DefaultFlows)
	}
	if grown := used() - full; grown > 8*mega {
		t.Errorf("%d refused connections took %d MiB", tried-DefaultFlows, grown/mega)
	}
	check(t, echo(other.dial("db.example", 5432)))
	for _, f := range c.in[:10] { // those that stand, stand
		one := []byte{2}
		if _, err := f.Write(one); err != nil {
			t.Fatal(err)
		}
		if n, err := f.Read(one); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	for _, f := range c.in[:100] { // and one that leaves makes room
		f.Close()
	}
	c.in = c.in[100:]
	b.awaitFlows(DefaultFlows - 100)
	if !c.join() {
		t.Error("refused although there is room")
	}
}

// awaitFlows waits until the gate has n flows or fewer.
func (b *bench) awaitFlows(n int) {
	b.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 10000 {
		if b.gate.Stats().Flows <= n {
			return
		}
		<-tick.C
	}
	b.t.Fatalf("%d flows remain: want %d", b.gate.Stats().Flows, n)
}

// Peers that never read, on either side, hold what the kernel's buffers hold
// and nothing of the gate's; a reload still cuts them.
func TestPeersThatNeverRead(t *testing.T) {
	const peers = 32
	b := newBench(t, github, nil)
	flooded := make(chan struct{}, peers)
	b.world.Service("db.example", 5432, func(c net.Conn) { // speaks without end, and never listens
		defer c.Close()
		block := make([]byte, 64<<10)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		for {
			if _, err := c.Write(block); err != nil {
				break
			}
		}
		flooded <- struct{}{}
		<-t.Context().Done()
	})
	before := used()
	addr := netip.AddrPortFrom(b.lookup("db.example"), 5432).String()
	block := make([]byte, 64<<10)
	var full sync.WaitGroup
	for range peers {
		c, err := b.inside.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetWriteDeadline(time.Now().Add(time.Second))
		full.Go(func() {
			for {
				if _, err := c.Write(block); err != nil {
					return // all buffers on the way are full
				}
			}
		})
	}
	full.Wait()
	for range peers {
		<-flooded
	}
	if grown := used() - before; grown > 32*mega {
		t.Errorf("%d peers that never read took %d MiB of the gate", peers, grown/mega)
	}
	b.policy.Store(parse(t, "unlisted: deny\n"))
	if cut := b.gate.Recheck(); cut != peers {
		t.Errorf("%d flows cut: want %d", cut, peers)
	}
	b.awaitFlows(0)
}

// A thousand questions are open: each connection is held, for little memory, a
// rule that comes lets all of them go on, and the operator is asked no more.
func TestManyQuestions(t *testing.T) {
	const held = 1000
	d := newDesk()
	d.questions, d.left = make(chan Question, held), make(chan error, held)
	b := newBench(t, asking, withDesk(d))
	to := unix.SockaddrInet4{Addr: [4]byte{203, 0, 113, 9}, Port: 9000} // no name, so that nothing is looked up
	before := used()
	all := make([]*os.File, held)
	for i := range all {
		all[i] = b.inside.Socket()
		t.Cleanup(func() { all[i].Close() })
		if err := unix.Connect(int(all[i].Fd()), &to); err != nil {
			t.Fatal(err)
		}
	}
	for range held {
		<-d.questions
	}
	if grown := used() - before; grown > 32*mega {
		t.Errorf("%d held connections took %d MiB", held, grown/mega)
	}
	b.policy.Store(parse(t, asking+"hold: 1s\n"))
	b.gate.Recheck()
	if n := len(d.left); n != 0 {
		t.Errorf("%d were let go of, though nothing allows them", n)
	}
	b.policy.Store(parse(t, "egress: [{host: 203.0.113.9, port: 9000}]\n"))
	b.gate.Recheck()
	one := []byte{1}
	for _, f := range all {
		fd := int(f.Fd())
		if _, err := unix.Write(fd, one); err != nil {
			t.Fatal(err)
		}
		if n, err := unix.Read(fd, one); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if n := len(d.questions); n != 0 {
		t.Errorf("%d questions more", n)
	}
}

// A head of a gibibyte is refused when its limit is reached, long before it has
// been sent.
func TestEndlessHead(t *testing.T) {
	b := newBench(t, github, nil)
	for _, port := range []int{80, 8080} {
		before := used()
		c := b.dial("plain.example", port)
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: plain.example\r\n"); err != nil {
			t.Fatal(err)
		}
		field := "X-More: " + strings.Repeat("a", 1<<20) + "\r\n"
		sent := 0
		for sent < 1<<30 {
			n, err := io.WriteString(c, field)
			sent += n
			if err != nil {
				break
			}
		}
		if sent > 64*mega {
			t.Errorf("port %d took %d MiB of one head", port, sent/mega)
		}
		if grown := used() - before; grown > 8*mega {
			t.Errorf("port %d holds %d MiB for one head", port, grown/mega)
		}
	}
	if got := b.world.To("plain.example"); len(got) > 1 {
		t.Errorf("arrived: %+v", got)
	}
}
