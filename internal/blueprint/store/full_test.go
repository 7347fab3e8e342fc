package store

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// TestDiskFull makes blueprints on disks of a few kilobytes, each a little
// larger than the last: as long as one is too small, making fails at some step
// and leaves nothing that has a name; on the first that is large enough it is
// whole. The disks are tmpfs in a mount namespace of a child's own.
func TestDiskFull(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_DISK"); dir != "" {
		fillDisks(t, dir)
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestDiskFull$", "-test.v")
	c.Env = append(os.Environ(), "STORE_TEST_DISK="+t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "large enough") {
		t.Errorf("%v\n%s", err, out)
	}
}

func fillDisks(t *testing.T, dir string) {
	r := newRig(t)
	r.usualPackages()
	r.add("node_modules/big", "big", tgz(t, tarFile("package/big", strings.Repeat("big", 20000))), "")
	for kb, failed := 4, 0; kb < 2000; kb += 4 {
		disk := filepath.Join(dir, fmt.Sprint(kb))
		if err := os.Mkdir(disk, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=700", kb)); err != nil {
			t.Fatal(err)
		}
		s := r.store(filepath.Join(disk, "blueprints"))
		c, err := ensure(t, s)
		if err == nil {
			if err := s.Verify(c); err != nil || failed == 0 {
				t.Fatalf("%d kB: %v after %d failures", kb, err, failed)
			}
			t.Logf("%d kB are large enough; %d disks were not", kb, failed)
			return
		}
		failed++
		if left, _ := filepath.Glob(filepath.Join(s.path("content"), "*")); len(left) > 0 {
			t.Errorf("%d kB: %v left %v", kb, err, left)
		}
		for _, name := range files(t, s.path("blobs")) {
			holdsItsName(t, name)
		}
		if err := unix.Unmount(disk, 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("no disk was large enough")
}

// holdsItsName holds a blob to the digest that it is called by.
func holdsItsName(t *testing.T, file string) {
	t.Helper()
	d, err := blueprint.ParseDigest(filepath.Base(filepath.Dir(file)) + ":" + filepath.Base(file))
	if err != nil {
		return // not a blob: still under another name
	}
	if got, err := sumOf(file, d); err != nil || got != d {
		t.Errorf("%s holds %s, %v", file, got, err)
	}
}
