package birth

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch/birth/ahead"
)

func TestConstants(t *testing.T) {
	for _, c := range []struct{ ours, theirs uint64 }{
		{insideUID, spec.UID}, {insideGID, spec.GID}, {sysExecveat, unix.SYS_EXECVEAT}, {atEmptyPath, unix.AT_EMPTY_PATH},
		{capVersion3, unix.LINUX_CAPABILITY_VERSION_3}, {prCapAmbient, unix.PR_CAP_AMBIENT}, {prCapAmbientRaise, unix.PR_CAP_AMBIENT_RAISE},
		{capSetpcap, unix.CAP_SETPCAP}, {capNetBindService, unix.CAP_NET_BIND_SERVICE}, {capNetAdmin, unix.CAP_NET_ADMIN},
		{capSysAdmin, unix.CAP_SYS_ADMIN}, {capSysResource, unix.CAP_SYS_RESOURCE},
		{ahead.Namespaces, unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS},
	} {
		if c.ours != c.theirs {
			t.Errorf("%#x: the kernel's is %#x", c.ours, c.theirs)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, n := range []uint64{0, 9, 10, 1000, 1_999_999_999, 1<<64 - 1} {
		if got := decimal(n); got != strconv.FormatUint(n, 10) {
			t.Errorf("%d: %q", n, got)
		}
	}
}

// However few descriptors there are, it ends, and gives back what it has.
func TestFewDescriptors(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	free := uint64(null.Fd()) // the lowest
	null.Close()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was) }()
	for n := range uint64(7) { // of the 7 that it takes
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: free + n, Max: was.Max}); err != nil {
			t.Fatal(err)
		}
		c := Begin(Options{User: func() (uint32, uint32, error) { return 64321, 64321, nil }})
		if err := c.Wait(); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("%d descriptors: %v", n, err)
		}
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = c.Program.Close() // that it has none was said
		}()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Fatalf("%d descriptors: its program is awaited for ever", n)
		}
	}
}
