package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// diskSteps are the system calls that decide what is left after a power loss.
const diskSteps = "fsync,fdatasync,syncfs,rename,renameat,renameat2"

var (
	step = regexp.MustCompile(`(?m)^(\d+) +(?:fsync|fdatasync|syncfs|rename|renameat|renameat2)\(`)
	exit = regexp.MustCompile(`(?m)^(\d+) +\+\+\+ (?:exited|killed)`)
)

// killedAt runs the program and kills it with all that it has started, while it
// and they are held before disk step number at. It says whether that came: a
// command that ends before has done fewer.
func (h *home) killedAt(at int, args ...string) (came bool) {
	h.Helper()
	ours, theirs, err := os.Pipe()
	if err != nil {
		h.Fatal(err)
	}
	defer ours.Close()
	// A step is printed, then held for as long as it takes to stop the tracer,
	// after which no step is taken any more.
	c := exec.CommandContext(h.Context(), "strace", append([]string{
		"-f", "--seccomp-bpf", "-q", "-e", "signal=none", "-e", "trace=" + diskSteps,
		"-e", "inject=" + diskSteps + ":delay_enter=8000", "-o", "/dev/fd/3", "--", program,
	}, args...)...)
	c.Env, c.ExtraFiles = h.env, []*os.File{theirs}
	if err := c.Start(); err != nil {
		h.Fatal(err)
	}
	theirs.Close()
	defer func() { _ = c.Wait() }() // it was killed
	said := &traced{tracer: c.Process.Pid}
	for buf := make([]byte, 4096); ; {
		n, err := ours.Read(buf)
		said.text.Write(buf[:n])
		steps, ended := said.look()
		if steps < at && !ended && err == nil {
			continue
		}
		said.kill(h)
		if steps >= at && said.taken(ours, at) {
			h.Logf("%s: killed after step %d, not before", strings.Join(args, " "), at)
		}
		return steps >= at
	}
}

// traced is a command under strace.
type traced struct {
	tracer int
	first  string // the command's own process
	text   bytes.Buffer
}

// look counts the steps so far, and says whether the command itself has ended.
func (s *traced) look() (steps int, ended bool) {
	if s.first == "" {
		s.first = strings.TrimSpace(read(fmt.Sprintf("/proc/%d/task/%[1]d/children", s.tracer)))
	}
	for _, e := range exit.FindAllSubmatch(s.text.Bytes(), -1) {
		ended = ended || string(e[1]) == s.first
	}
	return len(step.FindAllIndex(s.text.Bytes(), -1)), ended
}

// kill ends all that is traced. While the tracer is stopped no step is taken;
// with a kill pending, none is taken once the tracer is gone either.
func (s *traced) kill(h *home) {
	h.Helper()
	_ = syscall.Kill(s.tracer, syscall.SIGSTOP)
	killed := map[string]bool{}
	for more := true; more; { // one of them may have made another meanwhile
		more = false
		for _, pid := range tracees(s.tracer) {
			if n, err := strconv.Atoi(pid); err == nil && !killed[pid] {
				killed[pid], more = true, true
				_ = syscall.Kill(n, syscall.SIGKILL) // gone already is as well
			}
		}
	}
	_ = syscall.Kill(s.tracer, syscall.SIGKILL)
	h.await("the end of what was killed", func() bool {
		for pid := range killed {
			if read("/proc/"+pid+"/cmdline") != "" { // a zombie has none
				return false
			}
		}
		return true
	})
}

// tracees are the processes that tracer holds.
func tracees(tracer int) (pids []string) {
	mark := fmt.Sprintf("\nTracerPid:\t%d\n", tracer)
	files, _ := filepath.Glob("/proc/[0-9]*/status") // the pattern is well formed
	for _, file := range files {
		if strings.Contains(read(file), mark) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}

// taken reads the rest, and says whether step number at was taken after all.
func (s *traced) taken(rest *os.File, at int) bool {
	_, _ = s.text.ReadFrom(rest) // until the tracer's end of it is gone
	all := s.text.Bytes()
	i := step.FindAllSubmatchIndex(all, -1)[at-1]
	line, after, _ := bytes.Cut(all[i[0]:], []byte("\n"))
	done := regexp.MustCompile(`(?m)^` + string(all[i[2]:i[3]]) + ` +<\.\.\. \w+ resumed>`)
	return bytes.Contains(line, []byte(") ")) || done.Match(after)
}

// TestKilledAtEachStep kills what changes a sandbox, with all that it has
// started, before each sync and each rename of theirs. After each, the version
// in force is the old or the new, the sandbox starts, its files are equal and
// its book is whole; and at the end nothing is left of any.
func TestKilledAtEachStep(t *testing.T) {
	needsStrace(t)
	h := newHome(t)
	modelServer(t) // listens from here on
	before := h.census()
	b := h.shell("box", "")
	h.must("blueprint", "build", b.newerShell())
	b.sh("for i in 1 2 3 4 5; do echo $i > /sandbox/f$i; done")
	files := b.sh(sums).out
	saved := strings.TrimSpace(b.do("snapshot", "create"))
	b.do("upgrade", "--blueprint", "v0.2.0")
	been := map[string]bool{"1": true, "2": true} // in force at some time
	for _, verb := range []change{
		{"create", func(*box) []string { return []string{"snapshot", "create"} }, 2},
		{"restore", func(*box) []string { return []string{"snapshot", "restore", saved} }, 5},
		{"rollback", func(b *box) []string { return []string{"rollback", "--to", b.otherGeneration()} }, 5},
		{"rebuild", func(*box) []string { return []string{"rebuild"} }, 30},
		{"upgrade", func(b *box) []string { return []string{"upgrade", "--downgrade", "--blueprint", next(b)} }, 30},
	} {
		t.Run(verb.name, func(t *testing.T) { b.in(t).survives(verb, files, been) })
	}
	b.do("rebuild") // a last change sweeps what the killed ones left
	b.do("snapshot", "create")
	for _, pattern := range []string{"trial", "snapshots/.new-*", "generations/.*", "../.new-*", "../.gone-*"} {
		if left, _ := filepath.Glob(b.file(pattern)); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	b.do("destroy", "--yes")
	h.gone(before)
}

// change is a verb that changes a sandbox.
type change struct {
	name string
	args func(*box) []string
	// at the least, so that a trace that sees nothing does not pass
	steps int
}

// survives kills verb before one step after the other, until it ends before the next.
func (b *box) survives(verb change, files string, been map[string]bool) {
	b.Helper()
	inForce := map[string]int{}
	for at := 1; ; at++ {
		was := b.active()
		came := b.killedAt(at, append([]string{b.name}, verb.args(b)...)...)
		been[b.active()] = true
		b.whole(fmt.Sprintf("%s killed before step %d", verb.name, at), files, been)
		if b.active() == was {
			inForce["the old"]++
		} else {
			inForce["the new"]++
		}
		if came {
			continue
		}
		b.Logf("%s: killed before each of %d steps; in force afterwards: %v", verb.name, at-1, inForce)
		if at-1 < verb.steps {
			b.Errorf("%s: only %d steps", verb.name, at-1)
		}
		return
	}
}

func needsStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("needs strace: scripts/needs.sh installs it")
	}
}

// whole holds that the sandbox is well after what was done to it, and that it can
// go back to nothing but what was in force.
func (b *box) whole(what, files string, been map[string]bool) {
	b.Helper()
	version := b.revived(what).Blueprint.Version
	if version != "0.1.0" && version != "0.2.0" {
		b.Errorf("%s: version %q", what, version)
	}
	if now := b.sh(sums).out; now != files {
		b.Errorf("%s: the files are %q, were %q", what, now, files)
	}
	if r := b.nemoclaw(b.name, "audit", "verify"); r.code != 0 {
		b.Errorf("%s: %s", what, r)
	}
	var all []struct{ Number int }
	if err := json.Unmarshal([]byte(b.do("rollback", "--list", "--json")), &all); err != nil || len(all) == 0 {
		b.Errorf("%s: kept: %v, %v", what, all, err)
	}
	for _, g := range all {
		if !been[strconv.Itoa(g.Number)] {
			b.Errorf("%s: generation %d was never in force and can be gone back to", what, g.Number)
		}
	}
}

// active is the number of the generation in force.
func (b *box) active() string {
	b.Helper()
	link, err := os.Readlink(b.file("active"))
	if err != nil {
		b.Fatal(err)
	}
	return filepath.Base(link)
}

// otherGeneration is the number of one that is not in force.
func (b *box) otherGeneration() string {
	b.Helper()
	active := b.active()
	all, _ := filepath.Glob(b.file("generations/[0-9]*")) // the pattern is well formed
	for _, g := range all {
		if n := filepath.Base(g); n != active {
			return n
		}
	}
	b.Fatalf("only generation %s", active)
	return ""
}
