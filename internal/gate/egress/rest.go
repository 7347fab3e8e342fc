package egress

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// mostLeft bounds what is taken of a socket when serving ends: who fills it may
// go on.
const mostLeft = 4096

// restOfTCP refuses the connections that wait at l when serving ends. Their
// programs may have ended, but they have tried.
func (g *Gate) restOfTCP(l *net.TCPListener) {
	rc, err := l.SyscallConn()
	if err != nil {
		return // closed
	}
	for range mostLeft {
		fd, failed := -1, error(nil)
		err := rc.Control(func(l uintptr) { fd, _, failed = unix.Accept4(int(l), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK) })
		if err != nil || failed != nil {
			return // there is no more
		}
		f := os.NewFile(uintptr(fd), "connection")
		c, err := net.FileConn(f)
		f.Close()
		if tcp, ok := c.(*net.TCPConn); ok && err == nil {
			g.tooLate(tcp)
		}
	}
}

// tooLate refuses c, unless it is nil. Nobody is asked who it was.
func (g *Gate) tooLate(c *net.TCPConn) {
	if c == nil {
		return
	}
	f := newFlow(g, c)
	reset(c)
	g.tally.record(Event{Kind: Network, Program: "unknown", Target: f.target(), Why: "it ended before it was judged"})
}
