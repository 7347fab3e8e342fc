package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch/launchtest"
)

// within counts the processes of the pid namespace of process pid.
func within(t *testing.T, pid int) (string, func() int) {
	t.Helper()
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid_for_children", pid))
	if err != nil {
		t.Skip("needs to look at init's namespaces: ", err)
	}
	return ns, func() int {
		n := 0
		all, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
		for _, p := range all {
			if l, err := os.Readlink(p); err == nil && l == ns {
				n++
			}
		}
		return n
	}
}

func TestKillLeavesNothing(t *testing.T) {
	s := up(t)
	r := s.sh("for i in 1 2 3 4 5; do setsid nohup bash -c 'trap \"\" TERM HUP; sleep 1000' >/dev/null 2>&1 & done; (setsid sleep 1000 >/dev/null 2>&1 &); echo done")
	if r.out != "done\n" {
		t.Fatalf("%+v", r)
	}
	running, err := s.Run(t.Context(), spec.Command{Argv: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	var count func() int
	if os.Geteuid() == 0 { // init hides from its own user
		_, count = within(t, s.PID())
		if n := count(); n < 9 {
			t.Errorf("%d processes inside before: want the sleepers too", n)
		}
	}
	begin := time.Now()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
	if count != nil && count() != 0 {
		t.Errorf("%d processes are left", count())
	}
	if _, sig, _ := running.Wait(); sig != unix.SIGKILL {
		t.Errorf("a running command ended with %v", sig)
	}
	if _, err := s.Run(t.Context(), spec.Command{Argv: []string{"true"}}); !errors.Is(err, ErrGone) {
		t.Errorf("run after the end: %v", err)
	}
	if err := s.Kill(); err != nil {
		t.Errorf("kill after the end: %v", err)
	}
}

// supervise is another process's main: see TestSupervisorKilled.
func supervise(workspace string) int {
	b, err := Start(context.Background(), launchtest.Spec(workspace), options())
	if err != nil {
		fmt.Println(err)
		if e := new(Error); errors.As(err, &e) {
			fmt.Println(e.Hint())
		}
		return 1
	}
	fmt.Println(b.PID())
	_, _ = b.Run(context.Background(), spec.Command{Argv: []string{"sleep", "1000"}})
	b.Wait()
	return 0
}

func TestSupervisorKilled(t *testing.T) {
	c := exec.Command("/proc/self/exe", "-init", *initProgram, "-supervise", t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(line)
	}
	init, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(init)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	poll := []unix.PollFd{{Fd: int32(init), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, 2000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 {
			t.Errorf("init lives 2 s after its supervisor: %v", err)
		}
		break
	}
	c.Wait()
}

func TestWhatCannotBeBuilt(t *testing.T) {
	for name, c := range map[string]struct {
		wall   spec.Wall
		change func(*spec.Spec)
		says   string
	}{
		"source": {spec.FilesystemWall, func(s *spec.Spec) {
			s.Mounts = append(s.Mounts, spec.Mount{Kind: spec.Bind, Source: "/no/such", Target: "/sandbox/x"})
		}, "/no/such"},
		"rule": {spec.FilesystemWall, func(s *spec.Spec) {
			s.Landlock.Rules = append(s.Landlock.Rules, spec.PathRule{Path: "/no/such", Access: spec.Read})
		}, "/no/such"},
		"target": {spec.FilesystemWall, func(s *spec.Spec) {
			s.Mounts = append(s.Mounts, spec.Mount{Kind: spec.Dir, Target: "/tmp/../etc2"})
		}, "clean"},
		"kind": {spec.FilesystemWall, func(s *spec.Spec) {
			s.Mounts = append(s.Mounts, spec.Mount{Kind: "magic", Target: "/x"})
		}, "magic"},
		"leaking rule": {spec.FilesystemWall, func(s *spec.Spec) {
			s.Landlock.Rules = append(s.Landlock.Rules, spec.PathRule{Path: "/", Access: spec.ReadWrite})
		}, "Landlock does not hold"},
		"taken port": {spec.NetworkWall, func(s *spec.Spec) { s.Network.GatePort = 11434 }, "address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := try(t, c.change)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%v", err)
			}
			if e.Wall != c.wall || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v: want the %s wall and %q", err, c.wall, c.says)
			}
		})
	}
}

func TestRootIsNobodysUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if _, err := Start(t.Context(), launchtest.Spec(t.TempDir()), Options{Program: options().Program}); err == nil {
		t.Fatal("started a sandbox whose user is root")
	}
	s := up(t)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t64321\t64321\t64321\t64321", "Gid:\t64321\t64321\t64321\t64321", "Groups:\t \n", "CapEff:\t0000000000000000"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("init's status lacks %q:\n%s", want, b)
		}
	}
}

func TestCancelledStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, launchtest.Spec(t.TempDir()), options()); !errors.Is(err, context.Canceled) {
		t.Errorf("started with a context that was over: %v", err)
	}
}

func TestJoinComesBeforeTheWalls(t *testing.T) {
	joined := 0
	o := options()
	o.Join = func(pid int) error { joined = pid; return nil }
	b, err := Start(t.Context(), launchtest.Spec(t.TempDir()), o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Wait()
	defer b.Kill()
	if joined != b.PID() {
		t.Errorf("joined %d: want %d", joined, b.PID())
	}
	o.Join = func(int) error { return io.ErrUnexpectedEOF }
	if _, err := Start(t.Context(), launchtest.Spec(t.TempDir()), o); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("started although it did not join: %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := up(t)
	done := make(chan result)
	for i := range 20 {
		go func() { done <- s.do(spec.Command{Argv: []string{"echo", strconv.Itoa(i)}}, "") }()
	}
	sum := 0
	for range 20 {
		r := <-done
		n, err := strconv.Atoi(strings.TrimSpace(r.out))
		if err != nil {
			t.Errorf("%+v", r)
		}
		sum += n
	}
	if sum != 190 {
		t.Errorf("answers were mixed up: %d", sum)
	}
}

func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		x, err := Start(context.Background(), launchtest.Spec(dir), options())
		if err != nil {
			b.Fatal(err)
		}
		x.Kill()
		x.Wait()
	}
}

func BenchmarkRun(b *testing.B) {
	x, err := Start(context.Background(), launchtest.Spec(b.TempDir()), options())
	if err != nil {
		b.Fatal(err)
	}
	defer x.Wait()
	defer x.Kill()
	for b.Loop() {
		p, err := x.Run(context.Background(), spec.Command{Argv: []string{"/bin/true"}})
		if err != nil {
			b.Fatal(err)
		}
		p.Wait()
		p.Close()
	}
}
