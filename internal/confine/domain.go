package confine

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// domain is the one thread of PID 1 that is where the agents are: in their
// Landlock domain and their view of control groups. The spawner is forked from
// it and so inherits both; the rest of PID 1 stays outside, sees the agents,
// and is out of their reach.
type domain struct{ calls chan func() }

// openDomain starts the thread. It lasts as long as the process.
func openDomain() *domain {
	d := &domain{calls: make(chan func())}
	go func() {
		// Never unlocked: whatever this thread entered, no other goroutine may
		// run in.
		runtime.LockOSThread()
		for f := range d.calls {
			f()
		}
	}()
	return d
}

// do runs f on the thread.
func (d *domain) do(f func() error) error {
	done := make(chan error)
	d.calls <- func() { done <- f() }
	return <-done
}

// root makes the thread's control group the top of what it sees. It is done
// here and not at clone, since the supervisor may have moved us only after.
func (d *domain) root() error {
	return d.do(func() error { return act("unshare", "control groups", unix.Unshare(unix.CLONE_NEWCGROUP)) })
}

// dropBounding empties the capability bounding set of the domain's thread. It
// means something at exec alone (capabilities(7)), and PID 1 executes nothing
// from any other thread; on all of them it would take 4 ms.
func (d *domain) dropBounding() error {
	return d.do(func() error {
		for c := uintptr(0); ; c++ {
			err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
			if errors.Is(err, unix.EINVAL) && c > 0 {
				return nil // there are no more
			}
			if err != nil {
				return act("empty", "bounding set", err)
			}
		}
	})
}

// promise gives up gaining privileges by exec, for ever. Installing the filter
// makes the same promise on all other threads (seccomp(2), TSYNC), but comes
// too late for enter. See PR_SET_NO_NEW_PRIVS.
func (d *domain) promise() error {
	return d.do(func() error { return act("set", "no_new_privs", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) })
}

// enter puts the thread behind ruleset, and closes it.
func (d *domain) enter(ruleset int) error {
	defer unix.Close(ruleset)
	return d.do(func() error { return act("enter", "Landlock domain", landlock.LandlockRestrictSelf(ruleset, 0)) })
}

// self is the program that we are: a memory file, so no path leads to it.
const self = "/proc/self/exe"

// fork starts the spawner, and returns the wire to it.
func (d *domain) fork() (*wire.Conn, int, error) {
	near, far, err := wire.Pair()
	if err != nil {
		return nil, 0, err
	}
	defer unix.Close(far)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(near)
		return nil, 0, act("open", "/dev/null", err)
	}
	defer unix.Close(null)
	var pid int
	err = d.do(func() (err error) {
		pid, err = syscall.ForkExec(self, []string{"nemoclaw-init", "spawner"}, &syscall.ProcAttr{
			Dir: "/", Env: []string{}, Files: []uintptr{uintptr(null), uintptr(null), uintptr(null), uintptr(far)},
		})
		return err
	})
	if err != nil {
		unix.Close(near)
		return nil, 0, fmt.Errorf("start spawner: %w", err)
	}
	c, err := wire.New(near)
	return c, pid, err
}
