package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// PortTaken says that another program has the host's port.
type PortTaken struct{ Port int }

func (p *PortTaken) Error() string {
	return fmt.Sprintf("listen on 127.0.0.1:%d: another program has this port", p.Port)
}

// Hint is the remedy.
func (p *PortTaken) Hint() string {
	return fmt.Sprintf("stop what listens there (ss -ltnp 'sport = :%d'), or create the sandbox with another --gateway-port", p.Port)
}

// listenLoopback takes a port of the host's loopback, both families where the
// machine has both.
func listenLoopback(ctx context.Context, port int) ([]net.Listener, error) {
	var lc net.ListenConfig
	l4, err := lc.Listen(ctx, "tcp4", netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)).String())
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &PortTaken{port}
	}
	if err != nil {
		return nil, fmt.Errorf("listen for the agent's gateway: %w", err)
	}
	ls := []net.Listener{l4}
	if l6, err := lc.Listen(ctx, "tcp6", netip.AddrPortFrom(netip.IPv6Loopback(), uint16(port)).String()); err == nil {
		ls = append(ls, l6) // a machine without IPv6 has one listener
	}
	return ls, nil
}

// forward leads every connection of l to an address inside, until ctx ends. Every
// user of the machine can make one: what is beyond most waits in the kernel's queue.
func forward(ctx context.Context, l net.Listener, box inside, to netip.AddrPort, most int) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, most)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		c, err := l.Accept()
		if err != nil && ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
			<-slots
			pause(ctx) // out of descriptors, or the other side left: the next one may do
			continue
		}
		if err != nil {
			return
		}
		all.Go(func() {
			defer func() { <-slots }()
			forwardOne(ctx, c, box, to)
		})
	}
}

// pause keeps a listener that fails from being asked in a circle.
func pause(ctx context.Context) {
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func forwardOne(ctx context.Context, out net.Conn, box inside, to netip.AddrPort) {
	defer out.Close()
	dial, cancel := context.WithTimeout(ctx, 10*time.Second)
	in, err := box.Dial(dial, to)
	cancel()
	if err != nil {
		if t, ok := out.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // a reset, not an empty answer
		}
		return
	}
	defer in.Close()
	stop := context.AfterFunc(ctx, func() { out.Close(); in.Close() })
	defer stop()
	join(out, in)
}

// join copies both ways and hands on each side's end.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	one := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // an error here is an end like any other
		if c, ok := to.(interface{ CloseWrite() error }); ok {
			_ = c.CloseWrite()
		}
	}
	both.Go(func() { one(a, b) })
	both.Go(func() { one(b, a) })
	both.Wait()
}
