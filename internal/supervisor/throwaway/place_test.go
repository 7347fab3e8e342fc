package throwaway

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/launch"
)

// This program is also a run that hangs before anybody heeds its signals, and
// one that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 {
		switch os.Args[1] {
		case "hang":
			hang()
		case "keep":
			if _, err := MakePlace(); err != nil {
				os.Exit(1)
			}
			os.Stdout.WriteString("made\n")
			select {}
		}
	}
	os.Exit(m.Run())
}

// hang is a run whose control group does not answer.
func hang() {
	o, err := options()
	if err != nil {
		os.Exit(1)
	}
	o.Join = func(int) error {
		os.Stdout.WriteString("hangs\n")
		select {}
	}
	Begin(launch.Begin(o))
}

// other starts this program as another one, which lives until it has said word.
func other(t *testing.T, as, word string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], as)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(said) != word {
		t.Fatalf("%s: %q, %v", as, said, err)
	}
	return c
}

// Ctrl-C ends a run also where the host hangs before its init has anything to
// obey, and leaves no folder.
func TestSignalWhileItHangs(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := other(t, "hang", "hangs")
	for tick := time.Tick(time.Millisecond); len(left(t)) == 0 && t.Context().Err() == nil; <-tick {
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() })
	defer late.Stop()
	if err := c.Wait(); c.ProcessState.ExitCode() != 128+int(syscall.SIGINT) {
		t.Errorf("it ended with %v: want the code of the signal", err)
	}
	if len(left(t)) != 0 {
		t.Errorf("left: %v", left(t))
	}
}

// What a killed run left goes. What lives stays, and whatever else has such a
// name.
func TestSweep(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	live, err := MakePlace()
	if err != nil {
		t.Fatal(err)
	}
	defer live.Remove(os.RemoveAll)
	killed := other(t, "keep", "made")
	all := func() bool { return true }
	stays := left(t)
	if Sweep(all, os.RemoveAll); !slices.Equal(left(t), stays) || len(stays) != 2 {
		t.Fatalf("of %v there is %v: both live", stays, left(t))
	}
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()
	precious := filepath.Join(t.TempDir(), "precious")
	for _, err := range []error{
		os.Mkdir(precious, 0o700),
		os.Symlink(precious, filepath.Join(os.TempDir(), prefix+"link")),
		os.Mkdir(filepath.Join(os.TempDir(), "nemoclaw-run-of-an-older-one"), 0o700),
		os.Mkdir(filepath.Join(os.TempDir(), prefix+"open"), 0o700),
		os.Chmod(filepath.Join(os.TempDir(), prefix+"open"), 0o777),
		os.WriteFile(filepath.Join(os.TempDir(), prefix+"file"), nil, 0o600),
		os.Mkdir(filepath.Join(os.TempDir(), prefix), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		theirs := filepath.Join(os.TempDir(), prefix+"theirs")
		if err := errors.Join(os.Mkdir(theirs, 0o700), os.Chown(theirs, 4321, 4321)); err != nil {
			t.Fatal(err)
		}
	}
	before := left(t)
	Sweep(all, os.RemoveAll)
	after := left(t)
	if len(after) != len(before)-1 || !slices.Contains(after, filepath.Base(live.folder.Dir)) {
		t.Errorf("of %v there is %v", before, after)
	}
	if _, err := os.Stat(live.Workspace()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}
