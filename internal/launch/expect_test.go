package launch

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/launch/launchtest"
)

// Whoever no longer wants a sandbox is not kept waiting by a host that hangs
// before init has its spec, and what hung ends when it goes on.
func TestStartEndsWhileTheHostHangs(t *testing.T) {
	hangs, goes := make(chan int, 1), make(chan struct{})
	o := options()
	o.Join = func(pid int) error {
		hangs <- pid
		<-goes
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := Start(ctx, launchtest.Spec(t.TempDir()), o)
		ended <- err
	}()
	init, err := unix.PidfdOpen(<-hangs, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(init)
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the end of the context is not heeded")
	}
	close(goes)
	poll := []unix.PollFd{{Fd: int32(init), Events: unix.POLLIN}}
	for n := 0; n == 0; {
		if n, err = unix.Poll(poll, 10_000); n == 0 && err == nil {
			t.Fatal("init lives on")
		}
	}
}

// A program that its user may execute and not read cannot make namespaces; the
// hint says that, and not that the machine could not.
func TestUnreadableProgramIsNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become someone else")
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "nemoclaw")
	body, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(name, body, 0o700), os.Chmod(name, 0o711)); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), name, "-init", *initProgram, "-supervise", "/nonexistent")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}, Pdeathsig: syscall.SIGKILL}
	c.Dir = "/"
	if out, _ := c.CombinedOutput(); !strings.Contains(string(out), "chmod a+r "+name) {
		t.Errorf("got %q", out)
	}
}
