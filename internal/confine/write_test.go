package confine

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A file of the new root of which only a part could be written is an error.
func TestHalfAFileIsAnError(t *testing.T) {
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_FSIZE, &was) }()
	if err := writeAll(int(f.Fd()), make([]byte, 50)); err != nil {
		t.Errorf("what fits: %v", err)
	}
	if err := writeAll(int(f.Fd()), make([]byte, 100)); !errors.Is(err, unix.EFBIG) {
		t.Errorf("half of it fits: %v", err)
	}
}
