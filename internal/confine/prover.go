package confine

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// proverFd is where the prover has its end of the wire: it proves that it has
// no descriptor but 0 to 2, so it is one of those.
const proverFd = 0

// prover is PID 1's side of the process that proved the walls. Like the
// spawner it was forked from the domain's thread.
type prover struct {
	wire  *wire.Conn
	fd    int // of wire
	pid   int
	ended *syscall.WaitStatus // set where it was reaped before its start was told
}

// startProver starts it; the report comes over its descriptor.
func (n *nursery) startProver(door []string) (*prover, error) {
	fd, pid, err := n.domain.fork(proverFd, door...)
	if err != nil {
		return nil, err
	}
	p := &prover{wire: wire.New(fd), fd: fd, pid: pid}
	n.mu.Lock()
	n.first = p
	n.mu.Unlock()
	return p, p.wire.SendSpec(n.spec)
}

// become makes the prover the command of m, and tells how that went. The end
// of the wire means that it was executed: its own end is close-on-exec.
func (n *nursery) become(p *prover, m spec.Message) {
	defer p.wire.Close()
	defer func() {
		n.mu.Lock()
		n.becoming = nil
		n.mu.Unlock()
	}()
	if err := p.wire.Send(m); err != nil {
		n.refuse(m.ID, err)
		return
	}
	var started spec.Message
	var streams []int
	defer func() { closeAll(streams) }()
	for {
		r, fds, err := p.wire.Receive()
		switch {
		case err == nil && r.Op == spec.OpStarted && streams == nil:
			started, streams = r, fds
		case err == nil:
			closeAll(fds)
			n.hear(r, nil) // that it failed
			return
		case streams == nil:
			n.refuse(m.ID, errors.New("the prover is gone"))
			return
		default:
			n.became(p, started, streams)
			return
		}
	}
}

// became tells the start of the first command, and its end where that came
// before.
func (n *nursery) became(p *prover, m spec.Message, streams []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.asked, m.ID)
	n.tell(m, streams...) // under the lock: its end must not be told before
	if p.ended != nil {
		e := exited(m.ID, *p.ended)
		e.Alone = alone()
		n.tell(e)
		return
	}
	n.running[m.ID] = p.pid
}

// become waits for the first command and executes it in this very process,
// which proved the walls. It does not return.
func become(fd int) {
	far, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		os.Exit(1)
	}
	up := wire.New(far)
	unix.CloseOnExec(fd) // until it is the command's standard input
	s, _, err := up.ReceiveSpec()
	if err != nil {
		os.Exit(1)
	}
	m, _, err := up.Receive()
	if err != nil || m.Op != spec.OpRun || m.Command == nil {
		os.Exit(1)
	}
	p := &spawner{up: up, env: s.Env, dir: s.Dir}
	err = p.settle(s.Rlimits)
	if err == nil {
		err = p.execute(m.ID, *m.Command)
	}
	p.tell(failed(m.ID, err))
	os.Exit(1)
}

// execute turns this process, which leads a session of its own, into c. The
// start is told before, since nobody could afterwards; a failure takes it back.
func (p *spawner) execute(id uint64, c spec.Command) error {
	at, err := p.place(c)
	if err != nil {
		return err
	}
	st, err := openStreams(c)
	if err != nil {
		return act("open streams of", c.Argv[0], err)
	}
	p.tell(spec.Message{Op: spec.OpStarted, ID: id, PID: os.Getpid()}, st.ours...)
	for to, from := range st.files() {
		if err := unix.Dup3(int(from), to, 0); err != nil {
			return act("open streams of", c.Argv[0], err)
		}
	}
	if c.TTY {
		if err := unix.IoctlSetInt(0, unix.TIOCSCTTY, 0); err != nil {
			return act("open terminal of", c.Argv[0], err)
		}
	}
	if err := unix.Chdir(at.dir); err != nil {
		return act("execute", c.Argv[0], err)
	}
	return act("execute", c.Argv[0], syscall.Exec(at.exe, c.Argv, at.env))
}
