package pulse

import (
	"context"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is how long the other end may take to answer. A machine that wakes
// needs some of it to find its network again.
const Patience = 15 * time.Second

// longest bounds the kernel's own pause between two tries, TCP_RTO_MAX of
// linux/net/tcp.h.
const longest = 2 * time.Minute

// How the other end is asked, and how often it is looked for its answer. The
// kernel counts tries, too, but does not get to so many.
var asking = net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: 2 * time.Second, Count: 100}

const glance = 500 * time.Millisecond

// rounding is how much later than it came a packet may seem to have come: two
// ticks of the slowest kernel.
const rounding = 20 * time.Millisecond

// Conn is one connection, and what is done when its other end is gone. Gone may
// be called after the connection was closed.
type Conn struct {
	TCP  *net.TCPConn
	Gone func()
}

// Ask asks all of them, and returns when each has answered, was closed or is gone;
// or when ctx ends. It says how many are gone. Nothing else may change their
// keep-alive meanwhile.
func Ask(ctx context.Context, conns []Conn) (gone int) {
	began := time.Now()
	for _, c := range conns {
		_ = c.TCP.SetKeepAliveConfig(asking) // who is closed says so below
	}
	look := time.NewTicker(glance)
	defer look.Stop()
	for len(conns) > 0 {
		select {
		case <-ctx.Done():
			return gone
		case <-look.C:
		}
		var left []Conn
		for _, c := range conns {
			switch judge(c.TCP, time.Since(began)) {
			case unclear:
				left = append(left, c)
			case dead:
				c.Gone()
				gone++
			case alive:
				_ = c.TCP.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}) // as it was
			}
		}
		conns = left
	}
	return gone
}

type state uint8

const (
	unclear state = iota
	alive
	dead
	closed
)

func judge(c *net.TCPConn, waited time.Duration) state {
	info, err := infoOf(c)
	if err != nil {
		return closed
	}
	return stateOf(info, waited)
}

// stateOf is what the kernel's numbers say of the other end of a connection that
// was asked so long ago. They do not count the time asleep.
func stateOf(info *unix.TCPInfo, waited time.Duration) state {
	switch {
	case milliseconds(min(info.Last_ack_recv, info.Last_data_recv))+rounding < waited:
		return alive
	case waited < patience(info, waited):
		return unclear
	}
	return dead
}

// patience is longer with bytes that wait: the kernel sends no probe then, but
// what was not acknowledged, or a question for room, at its own pace. The next of
// these is waited for.
func patience(info *unix.TCPInfo, waited time.Duration) time.Duration {
	tried := info.Unacked > 0 && milliseconds(info.Last_data_sent) < waited
	if tried || info.Unacked == 0 && info.Notsent_bytes == 0 {
		return Patience
	}
	pause := time.Duration(info.Rto) * time.Microsecond << min(info.Backoff, 16)
	return Patience + min(pause, longest)
}

func milliseconds(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }

func infoOf(c *net.TCPConn) (info *unix.TCPInfo, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	inner := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO)
	})
	if inner != nil {
		return nil, inner
	}
	return info, err
}

// Set are connections that live. The zero Set is empty; it is safe for concurrent
// use.
type Set struct {
	mu    sync.Mutex
	conns map[*net.TCPConn]func() // protected by mu
}

// Add lists c, whose other end may be gone one day; remove is for its end.
func (s *Set) Add(c *net.TCPConn, gone func()) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = map[*net.TCPConn]func(){}
	}
	s.conns[c] = gone
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	}
}

// All are those that are listed now.
func (s *Set) All() []Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Conn, 0, len(s.conns))
	for c, gone := range s.conns {
		all = append(all, Conn{c, gone})
	}
	return all
}

// Expire ends both directions of c as one that took too long, for whoever reads
// or writes it: no end of file, which may read as the end of an answer. Closing it
// stays theirs.
func Expire(c net.Conn) { _ = c.SetDeadline(time.Unix(1, 0)) }
