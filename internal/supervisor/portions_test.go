package supervisor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/gate/egress"
	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
)

// What is open from inside and from other users leaves descriptors for the
// operator, however few there are.
func TestDescriptorsAreLeftForTheOperator(t *testing.T) {
	for _, files := range []uint64{512, 1024, 4096, 20000, 1 << 20, 1<<64 - 1} {
		for _, flows := range []int{0, 10, 5000} {
			b := portionsFor(files, flows)
			if cost := b.flows*eachFlow + b.calls*eachCall + b.forwards*eachForward; uint64(cost) > files-ownFiles/2 || min(b.flows, b.calls, b.forwards) < fewest {
				t.Errorf("%d descriptors, %d flows: %+v", files, flows, b)
			}
		}
	}
	if got, want := portionsFor(20000, 0), (portions{egress.DefaultFlows, inference.DefaultConnections, mostForwards}); got != want {
		t.Errorf("%+v where there are enough, want %+v", got, want)
	}
	if got := portionsFor(1<<20, 5000); got.flows != 5000 {
		t.Errorf("%+v, want what the operator says", got)
	}
}

// doors is an inside that keeps what is dialled.
type doors struct {
	inside
	dialled chan net.Conn // our ends of them
	open    *atomic.Int32
	most    *atomic.Int32 // that were open at one time
}

// door counts itself out when it is closed.
type door struct {
	net.Conn
	open *atomic.Int32
}

func (d door) Close() error {
	d.open.Add(-1)
	return d.Conn.Close()
}

func newDoors() doors {
	return doors{dialled: make(chan net.Conn, 100), open: new(atomic.Int32), most: new(atomic.Int32)}
}

func (d doors) Dial(context.Context, netip.AddrPort) (net.Conn, error) {
	ours, theirs := net.Pipe()
	if n := d.open.Add(1); n > d.most.Load() {
		d.most.Store(n)
	}
	d.dialled <- ours
	return door{theirs, d.open}, nil
}

// Another user of the machine can connect to the agent's gateway as often as the
// kernel lets him. The supervisor takes some of them at a time.
func TestForwardsAreBounded(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	d := newDoors()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); forward(ctx, l, d, netip.AddrPort{}, 3) }()
	var all []net.Conn
	for range 10 {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		check(t, err)
		all = append(all, c)
	}
	for range 3 {
		all = append(all, <-d.dialled)
	}
	for _, c := range all { // each that ends makes room for one
		check(t, c.Close())
	}
	for range 7 {
		check(t, (<-d.dialled).Close())
	}
	stop()
	<-ended
	if n := d.most.Load(); n != 3 {
		t.Errorf("%d at a time, want 3", n)
	}
}

// without is a listener that has no descriptor for what comes, for a while.
type without struct {
	net.Listener
	times atomic.Int32
}

func (w *without) Accept() (net.Conn, error) {
	if w.times.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return w.Listener.Accept()
}

func TestForwardOutlivesWantOfDescriptors(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	short := &without{Listener: l}
	short.times.Store(2)
	d := newDoors()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); forward(ctx, short, d, netip.AddrPort{}, 3) }()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	check(t, err)
	defer c.Close()
	select {
	case <-d.dialled:
	case <-ended:
		t.Fatal("it listens no more")
	}
	stop()
	<-ended
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want that the listener is closed", err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
