package egress

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// mostLeft bounds what is taken of a socket when serving ends: who fills it may
// go on.
const mostLeft = 4096

// restOfTCP refuses the connections that wait at a listener when serving ends.
// Their programs may have ended, but they have tried. Nobody is asked who it was.
func (g *Gate) restOfTCP(listener int) {
	for range mostLeft {
		fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err != nil {
			return // there is no more
		}
		here, err := syscall.Getsockname(fd)
		resetFD(fd)
		if err == nil {
			target := g.requestFor(addrPortOf(here)).Target()
			g.tally.record(Event{Kind: Network, Program: "unknown", Target: target, Why: "it ended before it was judged"})
		}
	}
}
