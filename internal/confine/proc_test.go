package confine

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// A signal cuts short what getdents(2) gives: nothing is overlooked for it. PID
// 1 gets one for each orphan that ends, so agents choose when.
func TestSignalsHideNothing(t *testing.T) {
	dir := t.TempDir()
	const all = 100 // one reading's worth
	for i := range all {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self, us, stop := os.Getpid(), unix.Gettid(), make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Tgkill(self, us, unix.SIGURG) // a goroutine's turn may have ended: the runtime sends it too
			}
		}
	}()
	for range 2000 {
		var got []int
		if err := eachNumber(dir, func(n int) bool { got = append(got, n); return true }); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(got); len(slices.Compact(got)) != all {
			t.Fatalf("%d of %d were seen", len(got), all)
		}
	}
}
