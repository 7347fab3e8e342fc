package confine

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/recent"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// nursery is PID 1's side of the spawner: it passes commands on, and always
// has a spawner, for an agent may kill it.
type nursery struct {
	up     *wire.Conn
	domain *domain
	spec   spec.Spec

	filling atomic.Bool // a spawner is being started

	mu      sync.Mutex
	down    *wire.Conn          // to the spawner
	pid     int                 // the spawner's; 0 where there is none
	last    *recent.Thread      // is told who that is; nil before introduce; protected by mu
	first   *prover             // until it has become a command; protected by mu
	asked   map[uint64]struct{} // commands that have no answer yet; protected by mu
	running map[uint64]int      // command → its pid; protected by mu
}

func newNursery(up *wire.Conn, d *domain, s spec.Spec) *nursery {
	return &nursery{
		up: up, domain: d, spec: spec.Spec{Env: s.Env, Dir: s.Dir, Rlimits: s.Rlimits, Once: s.Once},
		asked: map[uint64]struct{}{}, running: map[uint64]int{},
	}
}

// fill starts a spawner.
func (n *nursery) fill() error {
	n.filling.Store(true)
	defer n.filling.Store(false)
	near, pid, err := n.domain.fork(3, "spawner")
	if err != nil {
		return err
	}
	c := wire.New(near)
	_ = c.SendSpec(n.spec) // one that has been killed is replaced, like any later
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down, n.pid = c, pid
	_ = unix.Kill(pid, unix.SIGCONT) // it may have been stopped before anybody knew that it is the spawner
	if n.last != nil {
		n.last.Spawner(pid)
	}
	return nil
}

// introduce lets t know who is the spawner, from now on.
func (n *nursery) introduce(t *recent.Thread) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = t
	t.Spawner(n.pid)
}

// spawner is the pid of the spawner of this moment.
func (n *nursery) spawner() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pid
}

// startTime bounds how long a spawner may take to start one command; it takes
// milliseconds.
const startTime = 10 * time.Second

// again is how long after a spawner could not be forked that is tried once more.
const again = 50 * time.Millisecond

// run passes a command on: the first to the prover, all others to the
// spawner, which is started for the second. A spawner that does not start one
// in time is replaced: it is of the agents' user, and they may keep it from
// running.
func (n *nursery) run(m spec.Message, fds []int) {
	n.mu.Lock()
	n.asked[m.ID] = struct{}{}
	first, empty := n.first, n.down == nil
	n.mu.Unlock()
	if first != nil {
		// A command that brings its program along, in fds, is the spawner's.
		if len(fds) == 0 && m.Command != nil && suits(*m.Command) {
			if n.become(first, m) {
				return
			}
		} else {
			n.dismiss(first)
		}
	}
	if empty {
		if err := n.fill(); err != nil {
			n.refuse(m.ID, err)
			return
		}
		go n.listen()
	}
	n.mu.Lock()
	down, pid := n.down, n.pid
	n.mu.Unlock()
	time.AfterFunc(startTime, func() { n.giveUp(m.ID, pid) })
	if err := down.Send(m, fds...); err != nil {
		n.refuse(m.ID, err)
	}
}

// giveUp kills the spawner that has not answered for command id; replace tells
// all who wait.
func (n *nursery) giveUp(id uint64, pid int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, waits := n.asked[id]; waits && pid > 0 && n.pid == pid {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// refuse says that command id did not start, if nothing else was said yet.
func (n *nursery) refuse(id uint64, err error) {
	n.mu.Lock()
	_, ok := n.asked[id]
	delete(n.asked, id)
	n.mu.Unlock()
	if ok {
		n.tell(failed(id, act("run", "command", err)))
	}
}

// signal sends s to the process group of a running command.
func (n *nursery) signal(id uint64, s syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if pid, ok := n.running[id]; ok {
		// ESRCH means that it has just ended, which is told on its own.
		_ = unix.Kill(-pid, s)
	}
}

// signalAll stops or continues everything inside but this process; kill(2) does
// it in one step, so that nothing can be forked past it. What forks commands
// goes on, so that what is started later runs.
func (n *nursery) signalAll(s syscall.Signal) {
	if s != unix.SIGSTOP && s != unix.SIGCONT {
		return
	}
	_ = unix.Kill(-1, s) // ESRCH: there is nobody
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pid > 0 {
		_ = unix.Kill(n.pid, unix.SIGCONT) // one that has just died is replaced
	}
	if n.first != nil {
		_ = unix.Kill(n.first.pid, unix.SIGCONT)
	}
}

// listen serves spawners, one after the other, for ever.
func (n *nursery) listen() {
	for {
		m, fds, err := n.down.Receive()
		if err != nil {
			n.replace()
			continue
		}
		n.hear(m, fds)
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
}

func (n *nursery) hear(m spec.Message, fds []int) {
	n.mu.Lock()
	_, asked := n.asked[m.ID]
	_, running := n.running[m.ID]
	switch {
	case m.Op == spec.OpStarted && asked:
		delete(n.asked, m.ID)
		n.running[m.ID] = m.PID
	case m.Op == spec.OpFailed && asked:
		delete(n.asked, m.ID)
	case m.Op == spec.OpExited && running:
		delete(n.running, m.ID)
	default: // not an answer to anything; spawners live among the agents
		n.mu.Unlock()
		return
	}
	n.mu.Unlock()
	n.tell(m, fds...)
}

// tell passes a message to the supervisor. An error means that it is gone,
// which answer notices.
func (n *nursery) tell(m spec.Message, fds ...int) { _ = n.up.Send(m, fds...) }

// bereave is told of each child that has ended, before its number can be
// another's. Of a spawner it ends the wire, on which whoever it was forking may
// still have the other end, stopped by an agent.
func (n *nursery) bereave(pid int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if pid != n.pid {
		return
	}
	n.pid = 0
	if n.last != nil {
		n.last.Spawner(0)
	}
	n.down.End()
}

// replace puts a new spawner in the place of one that died. What it ran lives
// on as our children.
func (n *nursery) replace() {
	n.mu.Lock()
	n.down.Close()
	lost := n.asked
	n.asked = map[uint64]struct{}{}
	var gone []uint64
	for id, pid := range n.running {
		// It may have ended with nobody left to say so.
		if errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			delete(n.running, id)
			gone = append(gone, id)
		}
	}
	n.mu.Unlock()
	for id := range lost {
		n.tell(failed(id, act("run", "command", errors.New("the spawner was killed"))))
	}
	for _, id := range gone {
		n.tell(spec.Message{Op: spec.OpExited, ID: id, Signal: int(unix.SIGKILL)})
	}
	for err := n.fill(); err != nil; err = n.fill() {
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ENOMEM) {
			// Without a spawner nothing can run or be stopped in order.
			os.Exit(1)
		}
		<-time.After(again) // the agents have filled the group: whoever runs something meanwhile is refused
	}
}

// ended reports a child of ours: an orphan, or a command whose spawner died.
func (n *nursery) ended(pid int, ws syscall.WaitStatus) {
	n.mu.Lock()
	if n.first != nil && n.first.pid == pid {
		n.first.ended = &ws // told by become, behind its start
	}
	var of uint64
	var found bool
	for id, p := range n.running {
		if p == pid {
			of, found = id, true
			delete(n.running, id)
			break
		}
	}
	n.mu.Unlock()
	if found {
		n.tellEnd(of, ws)
	}
}

// tellEnd tells the end of a command of which no spawner could. Where that was
// all that the sandbox was for, it ends, beside what the supervisor has to do
// then.
func (n *nursery) tellEnd(id uint64, ws syscall.WaitStatus) {
	m := exited(id, ws)
	m.Alone = alone()
	n.tell(m)
	if m.Alone && n.spec.Once {
		os.Exit(0)
	}
}

// alone says whether PID 1 has no child. Then there is nobody: every process
// inside is its descendant, and orphans become its children.
func alone() bool {
	var info unix.Siginfo
	return errors.Is(unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil), unix.ECHILD)
}

func exited(id uint64, ws syscall.WaitStatus) spec.Message {
	m := spec.Message{Op: spec.OpExited, ID: id, Code: ws.ExitStatus()}
	if ws.Signaled() {
		m.Code, m.Signal = 0, int(ws.Signal())
	}
	return m
}
