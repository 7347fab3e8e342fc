package launch

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch/launchtest"
	"github.com/nemoclaw/nemoclaw/internal/launch/program"
)

var (
	initProgram = flag.String("init", "", "cmd/init, built; empty builds it")
	shared      = flag.Bool("shared", false, "the mounts here are shared, as a system's are")
	keep        = flag.String("supervise", "", "be a supervisor of a sandbox on this workspace, until killed")
)

// user is who the sandbox's user is on the host when root runs the tests, and
// who runs them a second time.
const user = 64321

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "init")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := run(m, dir)
	os.RemoveAll(dir)
	os.Exit(code)
}

func run(m *testing.M, dir string) int {
	if *initProgram == "" {
		// Always fresh: what the Makefile embedded may be older than the code.
		*initProgram = filepath.Join(dir, "nemoclaw-init")
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", *initProgram, "github.com/nemoclaw/nemoclaw/cmd/init")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build init: %v\n%s", err, out)
			return 1
		}
		// For the second run, of another user.
		if err := os.Chmod(dir, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if *keep != "" {
		return supervise(*keep)
	}
	return m.Run()
}

// options are those of the user who runs the tests.
func options() Options {
	return Options{UID: user, GID: user, Stderr: os.Stderr, Program: fresh()}
}

var fresh = sync.OnceValue(func() *Program {
	return program.From("nemoclaw-init", func() ([]byte, error) { return os.ReadFile(*initProgram) })
})

// TestAsUser runs all other tests again, as a user without any right.
func TestAsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become someone else")
	}
	// The program file lies where only root may go; this link does not ask.
	c := exec.Command("/proc/self/exe", "-test.v", "-test.count=1", "-test.timeout=4m", "-init", *initProgram)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}, Pdeathsig: syscall.SIGKILL}
	c.Dir = "/"
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "TMPDIR=/tmp"}
	out, err := c.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if err != nil || strings.HasPrefix(line, "---") {
			t.Log(strings.TrimRight(line, "\n"))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sandbox is one for a test, gone when it ends.
type sandbox struct {
	*Box
	t         *testing.T
	workspace string
	asked     uint64 // on the line
}

// up starts a sandbox after changes to the spec.
func up(t *testing.T, change ...func(*spec.Spec)) *sandbox {
	t.Helper()
	b, workspace, err := try(t, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Kill()
		b.Wait()
	})
	go refuseAll(b)
	return &sandbox{Box: b, t: t, workspace: workspace}
}

func try(t *testing.T, change ...func(*spec.Spec)) (*Box, string, error) {
	t.Helper()
	workspace := t.TempDir()
	s := launchtest.Spec(workspace)
	for _, c := range change {
		c(&s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	b, err := Start(ctx, s, options())
	return b, workspace, err
}

// refuseAll stands for the supervisor, which answers refused calls.
func refuseAll(b *Box) {
	if b.Notify() == nil {
		return
	}
	c, err := answerCalls(int(b.Notify().Fd()))
	if err != nil {
		return
	}
	<-b.Done()
	c.stop()
}

// result is how a command ended.
type result struct {
	out, err string
	code     int
	sig      syscall.Signal
}

// sh runs a script inside to its end.
func (s *sandbox) sh(script string) result {
	s.t.Helper()
	return s.do(spec.Command{Argv: []string{"bash", "-c", script}}, "")
}

func (s *sandbox) do(c spec.Command, stdin string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	p, err := s.Run(ctx, c)
	if err != nil {
		s.t.Fatal(err)
	}
	stop := context.AfterFunc(ctx, func() { p.Signal(syscall.SIGKILL) })
	defer stop()
	errs := make(chan string, 1)
	go func() {
		if p.Stderr() == nil {
			errs <- ""
			return
		}
		b, _ := io.ReadAll(p.Stderr())
		errs <- string(b)
	}()
	if !c.TTY {
		io.WriteString(p.Stdin(), stdin)
		p.Stdin().Close()
	}
	out, err := io.ReadAll(p.Stdout())
	if err != nil {
		s.t.Error(err)
	}
	var r result
	r.out, r.err = string(out), <-errs
	if r.code, r.sig, err = p.Wait(); err != nil {
		s.t.Error(err)
	}
	p.Close()
	return r
}

// wants holds that script prints exactly out.
func (s *sandbox) wants(script, out string) {
	s.t.Helper()
	if r := s.sh(script); r.out != out || r.code != 0 {
		s.t.Errorf("%s: printed %q, errors %q, code %d, signal %v: want %q", script, r.out, r.err, r.code, r.sig, out)
	}
}

// refuses holds that script fails and says why.
func (s *sandbox) refuses(script, why string) {
	s.t.Helper()
	r := s.sh(script)
	if r.code == 0 || !strings.Contains(r.err, why) {
		s.t.Errorf("%s: code %d, printed %q, errors %q: want refusal with %q", script, r.code, r.out, r.err, why)
	}
}

// needs skips a test for which a program is missing inside.
func (s *sandbox) needs(program string) {
	s.t.Helper()
	if r := s.sh("command -v " + program); r.code != 0 {
		s.t.Skip("needs " + program + " in /usr")
	}
}
