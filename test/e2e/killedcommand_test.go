package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKilledCommand kills the operator's own command, and nothing else, with -9 at many
// moments of each verb that a sandbox runs through. Whatever it had begun ends by itself
// or stands whole: the next start works, the files are equal, and once the sandbox is
// stopped no process, mount, socket or control group is left.
func TestKilledCommand(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	h.must("blueprint", "build", b.newerShell())
	b.sh("for i in $(seq 50); do echo $i > /sandbox/f$i; done")
	files := b.sh(sums).out
	saved := strings.TrimSpace(b.do("snapshot", "create"))
	moments := 5
	if os.Geteuid() != 0 {
		moments = 2 // the second time, see TestAsUser
	}
	for _, verb := range []struct {
		name string
		down bool // it is for a sandbox that does not run
		args func() []string
	}{
		{"start", true, func() []string { return []string{"start"} }},
		{"stop", false, func() []string { return []string{"stop"} }},
		{"restart", false, func() []string { return []string{"restart"} }},
		{"exec", false, func() []string {
			return []string{"exec", "--", "sh", "-c", "sleep 1000 & sleep 0.1; echo x > /tmp/x; pkill sleep"}
		}},
		{"verify", false, func() []string { return []string{"verify"} }},
		{"snapshot create", false, func() []string { return []string{"snapshot", "create"} }},
		{"snapshot restore", false, func() []string { return []string{"snapshot", "restore", saved} }},
		{"rebuild", false, func() []string { return []string{"rebuild"} }},
		{"upgrade", false, func() []string { return []string{"upgrade", "--downgrade", "--blueprint", next(b)} }},
	} {
		b.do("stop")
		stopped := h.census()
		ready := func() {
			if verb.down {
				b.do("stop")
			} else {
				b.revived("making ready for " + verb.name)
			}
		}
		ready()
		began := time.Now()
		b.do(verb.args()...)
		whole := time.Since(began)
		middle := 0
		for moment := range moments {
			ready()
			args := append([]string{"box"}, verb.args()...)
			if h.killedAfter(whole*time.Duration(moment)/time.Duration(moments), args...) {
				middle++
			}
			what := verb.name + " killed"
			b.revived(what)
			if now := b.sh(sums).out; now != files {
				t.Errorf("%s: the files are %q, were %q", what, now, files)
			}
			b.awaitNoneOf("sleep")
			b.do("audit", "verify")
			b.do("stop")
			stopped.files = h.census().files // snapshots and generations stay
			h.gone(stopped)
		}
		t.Logf("%s takes %s; %d of %d kills came before its end", verb.name, whole, middle, moments)
		if middle == 0 {
			t.Errorf("%s: no kill came before its end: this proves nothing", verb.name)
		}
	}
	b.do("rebuild") // a last change sweeps what the killed ones left
	for _, pattern := range []string{"trial", "generations/.*", "../.new-*", "../.gone-*", ".tmp-*"} {
		if left, _ := filepath.Glob(b.file(pattern)); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	b.do("destroy", "--yes")
	h.gone(before)
}

// killedAfter runs the program and kills its process, and no other, after a while. It says
// whether that came before its end.
func (h *home) killedAfter(wait time.Duration, args ...string) (came bool) {
	h.Helper()
	r := h.start(args...)
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-late.C:
		if err := unix.Kill(r.Process.Pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
			h.Fatal(err)
		}
		return h.endOf(r).code == -1
	case e := <-r.done:
		if e.code != 0 {
			h.Errorf("nobody killed it yet: %s", e)
		}
		return false
	}
}

// awaitNoneOf waits until nothing of that name runs inside: what a client that is gone
// had started there gets two seconds.
func (b *box) awaitNoneOf(name string) {
	b.Helper()
	b.await("the end of every "+name+" inside", func() bool { return b.sh("pgrep -x "+name).code == 1 })
}
