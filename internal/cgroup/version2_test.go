//go:build !race

// The race detector wants addresses of 47 bits, and a process of User Mode Linux
// has 39.

package cgroup

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// asInit makes a machine of its own with control groups of version 2 alone, runs
// the tests there as root and as a user to whom a folder is delegated, as systemd
// does it (user@.service), and switches it off.
const asInit = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd /sys/fs/cgroup
echo "$(cat cgroup.controllers) of version 2"
mkdir -p own user/session
echo $$ > own/cgroup.procs
echo "+memory +pids +cpu" > cgroup.subtree_control
chmod 1777 /run
export TMPDIR=/run
cd /
"$TESTS" -test.v -test.skip=TestVersion2
echo "as root: code $?"
echo $$ > /sys/fs/cgroup/user/session/cgroup.procs
cd /sys/fs/cgroup/user
chown 1000:1000 . cgroup.procs cgroup.subtree_control session session/cgroup.procs
cd /
setpriv --reuid=1000 --regid=1000 --clear-groups "$TESTS" -test.v -test.skip=TestVersion2
echo "as a user: code $?"
echo o > /proc/sysrq-trigger
sleep 60
`

// TestVersion2 runs the tests of this package again on a kernel whose controllers
// are all in version 2: Linux as a program of its own (User Mode Linux), since a
// machine that uses them in version 1 cannot lend them.
func TestVersion2(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64: Linux as a program is made for it alone")
	}
	kernel, err := exec.LookPath("linux.uml")
	if err != nil {
		t.Skip("needs user-mode-linux")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} { // the user inside comes here, too
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tests, script := filepath.Join(dir, "cgroup.test"), filepath.Join(dir, "init")
	program, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(tests, program, 0o755)
	}
	if err == nil {
		err = os.WriteFile(script, []byte(asInit), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	c := exec.CommandContext(ctx, kernel, "rootfstype=hostfs", "rootflags=/", "ro", "mem=512M", "init="+script, "TESTS="+tests,
		"con=null", "con0=fd:0,fd:1", "quiet", "umid="+filepath.Base(filepath.Dir(dir)), "uml_dir="+dir)
	c.Env = []string{"TMPDIR=" + dir} // its memory is a file there
	out, err := c.CombinedOutput()
	said := string(out)
	for _, word := range []string{"memory", "pids", "of version 2", "as root: code 0", "as a user: code 0"} {
		if !strings.Contains(said, word) {
			t.Errorf("it did not say %q", word)
		}
	}
	for _, test := range []string{"TestLimitsHold", "TestWithoutOneController", "TestSweep", "TestMakeBesideASweep"} {
		if n := strings.Count(said, fmt.Sprintf("--- PASS: %s ", test)); n != 2 {
			t.Errorf("%s passed %d times, want once as root and once as a user", test, n)
		}
	}
	if t.Failed() {
		t.Logf("%v\n%s", err, said)
	}
}
