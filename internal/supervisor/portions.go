package supervisor

import (
	"cmp"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/gate/egress"
	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
)

// portions are how many connections may be open at one time. A process without a
// descriptor left cannot take what PID 1 hands it, nor accept its operator's word:
// so what others can open costs fewer than there are.
type portions struct {
	flows    int // of programs, through the gate
	calls    int // of programs, to the router
	forwards int // to the agent's gateway port, from this machine
}

// What each of them costs in descriptors, at most.
const (
	eachFlow    = 7 // two sockets, a pipe for either direction, and one more to the server
	eachCall    = 2
	eachForward = 2

	ownFiles     = 256 // of the supervisor's own: the book, PID 1, its operators and their sessions
	mostForwards = 256
	fewest       = 4
)

// portionsFor divides files among what flows (0: as many as ever), calls and forwards
// are to be; where they are not enough for all, each gets fewer.
func portionsFor(files uint64, flows int) portions {
	b := portions{cmp.Or(flows, egress.DefaultFlows), inference.DefaultConnections, mostForwards}
	left := int(max(min(files, 1<<30), ownFiles)) - ownFiles
	all := b.flows*eachFlow + b.calls*eachCall + b.forwards*eachForward
	if all <= left {
		return b
	}
	part := func(n int) int { return max(n*left/all, fewest) }
	return portions{part(b.flows), part(b.calls), part(b.forwards)}
}

// openFiles is how many descriptors this process may have.
func openFiles() uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 1024 // what every system grants
	}
	return l.Cur
}
