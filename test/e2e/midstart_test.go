package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKilledInTheMiddleOfAStart kills the supervisor, its clerk, and the sandbox's init,
// with -9 at many moments of a start. After each the command ends and says why, nothing of the
// sandbox goes on, and the next start works.
func TestKilledInTheMiddleOfAStart(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	b.do("stop")
	stopped := h.census()
	moments := 12 // from the first sign of who is killed to the end of the command
	if os.Geteuid() != 0 {
		moments = 4 // the second time, see TestAsUser
	}
	for _, victim := range []string{"nemoclaw\x00supervisor\x00box\x00", "nemoclaw\x00clerk\x00box\x00", "nemoclaw-init"} {
		whole := b.startSeen(victim, func(_ int, r *running) { b.end(r) })
		b.do("stop")
		middle := 0
		for moment := range moments {
			after := whole * time.Duration(moment) / time.Duration(moments-1)
			what := fmt.Sprintf("%q killed %s after it came", victim, after)
			b.startSeen(victim, func(pid int, r *running) {
				late := time.NewTimer(after)
				defer late.Stop()
				<-late.C
				if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
					t.Fatal(err)
				}
				switch e := b.end(r); {
				case e.code != 0 && !strings.Contains(e.err, "error: "):
					t.Errorf("%s: nothing is said: %s", what, e)
				case e.code != 0:
					middle++
				}
			})
			h.processesGone(before)
			b.revived(what)
			b.prints("well", "echo well")
			b.do("stop")
			h.gone(stopped)
		}
		t.Logf("%q: a start takes %s from its first sign; %d of %d kills came before its end", victim, whole, middle, moments)
		if middle == 0 {
			t.Errorf("%q: no kill came before the end of the start: this proves nothing", victim)
		}
	}
	b.do("audit", "verify")
	b.do("destroy", "--yes")
	h.gone(before)
}

// startSeen starts the sandbox and calls do as soon as a process below the command has
// a command line that begins with word. It returns how long do took.
func (b *box) startSeen(word string, do func(pid int, r *running)) (took time.Duration) {
	b.Helper()
	r := b.home.start("box", "start")
	for {
		if pid := below(r.Process.Pid, word); pid != 0 {
			seen := time.Now()
			do(pid, r)
			return time.Since(seen)
		}
		select {
		case e := <-r.done:
			b.Fatalf("no %q was seen: %s", word, e)
		default: // as fast as can be: it lives for a tenth of a second
		}
	}
}

// below finds a process among the descendants of pid by how its command line begins.
func below(pid int, word string) int {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // what is gone has none
	for _, task := range tasks {
		for _, child := range strings.Fields(read(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))) {
			n, err := strconv.Atoi(child)
			if err != nil {
				continue
			}
			if strings.HasPrefix(read("/proc/"+child+"/cmdline"), word) {
				return n
			}
			if found := below(n, word); found != 0 {
				return found
			}
		}
	}
	return 0
}
