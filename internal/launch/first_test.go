package launch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch/launchtest"
)

// The first command is executed by the process that proved the walls; to it,
// and to those that come after, that makes no difference.
func TestFirstCommand(t *testing.T) {
	const look = "grep -hE 'Cap|NoNewPrivs|Seccomp:|SigIgn|SigBlk' /proc/self/status | sort; ls /proc/self/fd; ulimit -n; env | sort; pwd; ps -o sid= -p $$ | tr -d ' ' | grep -qx $$ && echo leads"
	s := up(t, func(s *spec.Spec) { s.Rlimits = []spec.Rlimit{{Resource: 7, Soft: 99, Hard: 99}} })
	s.needs("ps") // uses up the first
	later := s.sh(look)
	first := up(t, func(s *spec.Spec) { s.Rlimits = []spec.Rlimit{{Resource: 7, Soft: 99, Hard: 99}} }).sh(look)
	if first != later || first.out == "" {
		t.Errorf("the first command: %+v, a later one: %+v", first, later)
	}
}

func TestFirstCommandThatIsNotThere(t *testing.T) {
	s := up(t)
	_, err := s.Run(t.Context(), spec.Command{Argv: []string{"no-such-program"}})
	if !errors.Is(err, ErrNotStarted) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such program: %v", err)
	}
	s.wants("echo next", "next\n")
	s = up(t)
	_, err = s.Run(t.Context(), spec.Command{Argv: []string{"/etc/hosts"}})
	if !errors.Is(err, ErrNotStarted) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("no program: %v", err)
	}
	s.wants("echo next", "next\n")
}

// What the prover has no room for, the spawner starts.
func TestFirstCommandOfManyWords(t *testing.T) {
	s := up(t)
	words := strings.Repeat("x", 100_000)
	p, err := s.Run(t.Context(), spec.Command{Argv: []string{"sh", "-c", "echo ${#1} ${#2} $A", "sh", words, words}, Env: []string{"A=b"}})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := io.ReadAll(p.Stdout()); err != nil || string(out) != "100000 100000 b\n" {
		t.Errorf("%q, %v", out, err)
	}
	s.wants("echo next", "next\n")
}

// What the prover does not become, it does not wait beside: nobody could look
// into it, so of no connection could be said who has it, and an agent that
// killed it would take the next command's place away.
func TestFirstCommandOnATerminal(t *testing.T) {
	s := up(t)
	l := s.listener(spec.Capture4, "")
	_, err := s.Run(t.Context(), spec.Command{Argv: []string{"bash", "-c", "exec 3<>/dev/tcp/203.0.113.5/80; read -u 3"}, TTY: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if p, ok := s.Who(t.Context(), addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())); !ok || p.Name != "bash" {
		t.Errorf("who: %+v, %v", p, ok)
	}
	s.wants("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '^nemoclaw-init$'", "2\n") // init and the spawner
}

// Both signal each other, since they are in one domain.
func TestFirstCommandAndLaterOnesAreInOneDomain(t *testing.T) {
	s := up(t)
	p, err := s.Run(t.Context(), spec.Command{Argv: []string{"sleep", "60"}})
	if err != nil {
		t.Fatal(err)
	}
	s.wants("pkill -x sleep && echo told", "told\n")
	if _, sig, _ := p.Wait(); sig == 0 {
		t.Error("the first command outlived a signal of a later one")
	}
}

// Alone is said only where it is so.
func TestAlone(t *testing.T) {
	for script, want := range map[string]bool{
		"exit 0":                      true,
		"sleep 60 & exit 0":           false,
		"(setsid sleep 60 &); exit 0": false,
	} {
		s := up(t)
		p, err := s.Run(t.Context(), spec.Command{Argv: []string{"bash", "-c", script + " >/dev/null 2>&1"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Alone(); got != want {
			t.Errorf("%s: alone %v: want %v", script, got, want)
		}
	}
}

// An init that is not wanted in the end leaves nothing.
func TestExpectedAndNotWanted(t *testing.T) {
	e := Begin(options())
	e.Close()
	select {
	case <-e.box.Done():
	default:
		t.Error("init is left")
	}
	if os.Geteuid() != 0 {
		return
	}
	e = Begin(Options{Program: fresh()})
	if _, err := e.Start(t.Context(), launchtest.Spec(t.TempDir())); err == nil || !strings.Contains(err.Error(), "would be root") {
		t.Errorf("for root: %v", err)
	}
	e.Close()
}

// A prover that was killed while it waited, for want of memory say, is no reason
// for the first command to fail.
func TestFirstCommandWithoutItsProver(t *testing.T) {
	s := up(t)
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, f := range children {
		b, _ := os.ReadFile(f) // a thread may have ended
		for _, pid := range strings.Fields(string(b)) {
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Kill(n, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			for unix.Kill(n, 0) == nil { // until PID 1 has reaped it
				runtime.Gosched()
			}
			killed++
		}
	}
	if killed != 1 {
		t.Fatalf("killed %d children of PID 1, want its prover", killed)
	}
	s.wants("echo first", "first\n")
	s.wants("echo second", "second\n")
}
