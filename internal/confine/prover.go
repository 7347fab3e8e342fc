package confine

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/bare"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// prover is PID 1's side of the process that proved the walls. Like the
// spawner it was forked from the domain's thread; it waits for orders, and
// executes the first command in its own place.
type prover struct {
	fd     int // our end of its socket
	pid    int
	trials *trials
	ended  *syscall.WaitStatus // set where it was reaped before its start was told
}

// prepared is a prover before it is started.
type prepared struct {
	attempts  *attempts
	near, far int // of its socket
}

// prepareProver makes what a prover of s tries.
func prepareProver(s spec.Spec) (*prepared, error) {
	near, far, err := wire.Pair()
	if err != nil {
		return nil, err
	}
	return &prepared{newAttempts(far, s.Network.Routers, s.Rlimits), near, far}, nil
}

// startProver forks it. That its attempts were made comes over its socket.
func (n *nursery) startProver(r *prepared) (*prover, error) {
	defer unix.Close(r.far)
	p := &prover{fd: r.near, trials: r.attempts.trials}
	if err := n.domain.do(func() (err error) { p.pid, err = bare.Start(&p.trials.List, 0, 0); return err }); err != nil {
		return nil, act("start", "prover", err)
	}
	n.mu.Lock()
	n.first = p
	n.mu.Unlock()
	return p, nil
}

// suits says whether the prover can become c: its streams are pipes, and its
// words have room.
func suits(c spec.Command) bool {
	size := 0
	for _, s := range c.Argv {
		size += len(s) + 32
	}
	for _, s := range c.Env {
		size += len(s) + 32
	}
	return !c.TTY && size < mostData/2
}

// errGone means that the prover was killed while it waited: for want of memory,
// say.
var errGone = errors.New("the prover is gone")

// become makes the prover the command of m, and tells how that went; nothing is
// told, and nothing was done, where the prover is gone. Nothing else is inside
// until then, so that nobody can be in its way, and no agent meets a process that
// has memory of PID 1's.
func (n *nursery) become(p *prover, m spec.Message) (told bool) {
	ours, err := n.order(p, *m.Command)
	defer closeAll(ours)
	if err != nil {
		n.dismiss(p)
		if errors.Is(err, errGone) {
			return false
		}
		n.hear(failed(m.ID, err), nil)
		return true
	}
	unix.Close(p.fd)
	n.became(p, spec.Message{Op: spec.OpStarted, ID: m.ID, PID: p.pid}, ours)
	return true
}

// dismiss ends a prover that becomes nothing, before anything else is started.
func (n *nursery) dismiss(p *prover) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.first = nil
	if p.ended == nil {
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
	unix.Close(p.fd)
}

// order orders p to execute c, and waits until it has.
func (n *nursery) order(p *prover, c spec.Command) (ours []int, err error) {
	at, err := (&spawner{env: n.spec.Env, dir: n.spec.Dir}).place(c)
	if err != nil {
		return nil, err
	}
	st, err := openStreams(c)
	if err != nil {
		return nil, act("open streams of", c.Argv[0], err)
	}
	defer closeAll(st.theirs)
	if !p.trials.become(c.Argv, at) {
		return st.ours, act("execute", c.Argv[0], unix.E2BIG)
	}
	if err := unix.Sendmsg(p.fd, []byte{1}, unix.UnixRights(st.theirs...), nil, unix.MSG_NOSIGNAL); err != nil {
		if call, err := p.trials.Failed(); call > 0 {
			return st.ours, act("run", "command", err) // of a limit that cannot be set
		}
		return st.ours, errGone
	}
	// It says nothing more: its end of the socket is closed by execve, or by its
	// own end.
	if err := wait(p.fd, startTime); err != nil {
		return st.ours, act("run", "command", err)
	}
	if call, err := p.trials.Failed(); call > 0 {
		return st.ours, act("execute", c.Argv[0], err)
	}
	return st.ours, nil
}

// became tells the start of the first command, and its end where that came
// before.
func (n *nursery) became(p *prover, m spec.Message, streams []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.first = nil
	delete(n.asked, m.ID)
	n.tell(m, streams...) // under the lock: its end must not be told before
	if p.ended != nil {
		n.tellEnd(m.ID, *p.ended)
		return
	}
	n.running[m.ID] = p.pid
}
