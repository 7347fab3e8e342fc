package confine

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"syscall"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/bare"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// domain is the one thread of PID 1 that is where the agents are: in their
// Landlock domain and their view of control groups. The spawner is forked from
// it and so inherits both; the rest of PID 1 stays outside, sees the agents,
// and is out of their reach.
type domain struct{ calls chan func() }

// openDomain starts the thread. It lasts as long as the process.
func openDomain() *domain {
	d := &domain{calls: make(chan func(), 8)}
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

// begin runs f on the thread, after what was begun before; the channel gives
// its error.
func (d *domain) begin(f func() error) <-chan error {
	done := make(chan error, 1)
	d.calls <- func() { done <- f() }
	return done
}

// do runs f on the thread and waits for it.
func (d *domain) do(f func() error) error { return <-d.begin(f) }

// part parts the thread, on which it runs, from the rest of PID 1.
func (d *domain) part() error {
	// Here and not at clone, since the supervisor may have moved us only
	// after: the thread's control group becomes the top of what it sees.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return act("unshare", "control groups", err)
	}
	if err := forgetKeys(); err != nil {
		return err
	}
	if err := dropBounding(); err != nil {
		return err
	}
	if err := asUsual(); err != nil {
		return err
	}
	// Gives up gaining privileges by exec, for ever. Installing the filter
	// promises the same for all other threads (seccomp(2), TSYNC), but too
	// late for entering the domain, which asks for it.
	return act("set", "no_new_privs", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

// asUsual undoes for the agents what the start of a run did for itself alone.
func asUsual() error {
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err == nil && slack == bare.Calm {
		err = unix.Prctl(unix.PR_SET_TIMERSLACK, bare.Usual, 0, 0, 0)
	}
	return act("set", "timer slack", err)
}

// enter enters the agents' domain, after part. ruleset is closed; without
// Landlock it is negative.
func (d *domain) enter(ruleset int) error {
	if ruleset < 0 {
		return nil
	}
	defer unix.Close(ruleset)
	return d.do(func() error {
		return act("enter", "Landlock domain", landlock.LandlockRestrictSelf(ruleset, 0))
	})
}

// dropBounding empties the capability bounding set of the calling thread. It
// means something at exec alone (capabilities(7)), and PID 1 executes nothing
// from any other thread; on all of them it would take 4 ms.
func dropBounding() error {
	for c := uintptr(0); ; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && c > 0 {
			return nil // there are no more
		}
		if err != nil {
			return act("empty", "bounding set", err)
		}
	}
}

// self is the program that we are: a memory file, so no path leads to it.
const self = "/proc/self/exe"

// fork starts this program again through another of its doors, and returns
// our end of a socket pair, of which the other is its descriptor at; what else
// it has below 3 is /dev/null.
func (d *domain) fork(at int, door ...string) (near, pid int, err error) {
	near, far, err := wire.Pair()
	if err != nil {
		return -1, 0, err
	}
	defer unix.Close(far)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(near)
		return -1, 0, act("open", "/dev/null", err)
	}
	defer unix.Close(null)
	files := []uintptr{uintptr(null), uintptr(null), uintptr(null), uintptr(far)}[:max(3, at+1)]
	files[at] = uintptr(far)
	err = d.do(func() (err error) {
		// Until it has executed something, forking keeps a processor from the
		// runtime, and to collect garbage takes all of them. An agent may stop it
		// meanwhile, and then somebody has to run who lets it go on. What is being
		// collected already is collected first.
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		runtime.GC()
		pid, err = syscall.ForkExec(self, append([]string{"nemoclaw-init"}, door...), &syscall.ProcAttr{
			Dir: "/", Env: []string{}, Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
		})
		return err
	})
	if err != nil {
		unix.Close(near)
		return -1, 0, fmt.Errorf("start %s: %w", door[0], err)
	}
	return near, pid, nil
}
