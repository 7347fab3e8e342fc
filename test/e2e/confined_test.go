package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
)

// A supervisor has nothing left that it does not need, on any of its threads,
// and status and the book say how that was proved.
func TestSupervisorIsConfined(t *testing.T) {
	modelServer(t)
	b := newShell(t, article)
	st := b.status()
	if !st.Supervisor.Enforced {
		t.Errorf("%+v", st.Supervisor)
	}
	for _, tried := range []string{"open " + filepath.Join(b.dir, "box", "workspace") + ": permission denied",
		"open " + b.dir + ": permission denied", "open " + filepath.Dir(b.dir) + ": permission denied",
		"start a program: operation not permitted", "make a UNIX socket: operation not permitted", "trace a process: operation not permitted"} {
		if !strings.Contains(st.Supervisor.Proof, tried) {
			t.Errorf("%q is not proved: %q", tried, st.Supervisor.Proof)
		}
	}
	if r := b.nemoclaw("box", "status"); !strings.Contains(r.out, "Supervisor confined  open ") {
		t.Error(r)
	}
	b.event("the proof at the start", func(e audit.Event) bool {
		if e.Kind != audit.Start {
			return false
		}
		for _, p := range e.Proofs {
			if p.Wall == "supervisor" {
				return true
			}
		}
		return false
	})
	for _, pid := range []int{st.SupervisorPID, clerkOf(t, st.SupervisorPID)} {
		threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/status")
		if err != nil || len(threads) == 0 {
			t.Fatalf("no threads of %d: %v", pid, err)
		}
		for _, f := range threads {
			text := read(f)
			for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2"} {
				if text != "" && !strings.Contains(text, want) { // a thread may have ended
					t.Errorf("%s: want %q in\n%s", f, want, text)
				}
			}
			for line := range strings.Lines(text) {
				caps, found := strings.CutPrefix(line, "CapEff:")
				n, err := strconv.ParseUint(strings.TrimSpace(caps), 16, 64)
				if found && (err != nil || n&^(1<<unix.CAP_DAC_OVERRIDE) != 0) {
					t.Errorf("%s: %s", f, line)
				}
			}
		}
	}
}

// clerkOf is the supervisor's one child on the host's side that is not init.
func clerkOf(t *testing.T, supervisor int) int {
	t.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range all {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(read(f), ") ")
		if p := strings.Fields(rest); len(p) > 1 && p[1] == strconv.Itoa(supervisor) && strings.Contains(read("/proc/"+strconv.Itoa(pid)+"/cmdline"), "\x00clerk\x00") {
			return pid
		}
	}
	t.Fatal("the supervisor has no clerk")
	return 0
}

// Without its clerk a supervisor could neither reload nor find a key: the
// sandbox ends, and the next start brings it back.
func TestKilledClerkEndsTheSandbox(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	if err := unix.Kill(clerkOf(t, b.status().SupervisorPID), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.processesGone(before)
	if st := b.status(); st.State == control.Running {
		t.Errorf("%+v", st)
	}
	b.do("start")
	if st := b.status(); !st.Supervisor.Enforced {
		t.Errorf("%+v", st.Supervisor)
	}
}

// A policy file that is a link is read where it leads, also after a save there.
func TestPolicyMayBeALink(t *testing.T) {
	modelServer(t)
	b := newShell(t, "unlisted: deny\n")
	b.do("stop")
	notes := filepath.Join(filepath.Dir(b.dir), "notes")
	if err := os.Mkdir(notes, 0o700); err != nil {
		t.Fatal(err)
	}
	real := filepath.Join(notes, "policy.yaml")
	if err := os.Rename(b.policyFile(), real); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, b.policyFile()); err != nil {
		t.Fatal(err)
	}
	b.do("start")
	b.save(real, article)
	b.do("reload-policy")
	if st := b.status(); st.NetworkPolicy.Rules != 3 {
		t.Errorf("%+v", st.NetworkPolicy)
	}
}
