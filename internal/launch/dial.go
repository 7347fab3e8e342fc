package launch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// pool is how many unconnected sockets are fetched at a time.
const pool = 4

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

// Dial connects to to, an address inside, on a socket that init made there. It
// reaches what a program inside would reach: its own loopback; everything else
// ends in the gate.
func (b *Box) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	fd, err := b.dialer(ctx, to.Addr().Is6())
	if err != nil {
		return nil, fmt.Errorf("dial %s inside: %w", to, err)
	}
	// The file takes the descriptor over, and hands the caller a duplicate.
	f := os.NewFile(uintptr(fd), "dialer")
	defer f.Close()
	if err := connect(ctx, f, address(to)); err != nil {
		return nil, fmt.Errorf("dial %s inside: %w", to, err)
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("dial %s inside: %w", to, err)
	}
	return c, nil
}

// dialer takes a socket of the pool, which it fills when empty.
func (b *Box) dialer(ctx context.Context, v6 bool) (int, error) {
	if fd, ok := b.pooled(v6); ok {
		return fd, nil
	}
	r, err := b.ask(ctx, spec.Message{Op: spec.OpDialers, Count: pool, IPv6: v6}, nil)
	if err != nil {
		return -1, err
	}
	if r.m.Op != spec.OpSock || len(r.fds) == 0 {
		closeAll(r.fds)
		return -1, errors.New("init made no socket")
	}
	for _, fd := range r.fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			closeAll(r.fds)
			return -1, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dialers == nil {
		closeAll(r.fds)
		return -1, ErrGone
	}
	b.dialers[v6] = append(b.dialers[v6], r.fds[1:]...)
	return r.fds[0], nil
}

func (b *Box) pooled(v6 bool) (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	have := b.dialers[v6]
	if len(have) == 0 {
		return -1, false
	}
	b.dialers[v6] = have[:len(have)-1]
	return have[len(have)-1], true
}

// connect is connect(2) that ends with ctx.
func connect(ctx context.Context, f *os.File, to unix.Sockaddr) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetDeadline(aLongTimeAgo) })
	defer stop()
	begun := false
	var result error
	err = raw.Write(func(fd uintptr) bool {
		if !begun {
			begun = true
			result = unix.Connect(int(fd), to)
			return !errors.Is(result, unix.EINPROGRESS)
		}
		// Writable: connected, or never.
		n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			result = err
		case n != 0:
			result = unix.Errno(n)
		default:
			result = nil
		}
		return true
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return result
}

func address(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
