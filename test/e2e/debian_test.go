package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/test/machine"
)

// asDebian runs tests of this package on the machine of package machine: as root in
// systemd's own place; in a scope that systemd hands on whole; as a user as `doctor` says
// it; and as a user to whom nothing is handed on. What it needs of a machine that minimal
// Debian has not, it writes.
const asDebian = `#!/bin/bash
echo 127.0.0.1 localhost >/etc/hosts
export PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/mnt/tmp
chmod 755 /mnt
mkdir -m 1777 /mnt/tmp
chown -R someone /mnt/test /mnt/home /mnt/.cache
cd /mnt/test/e2e
uname -srv; stat -f -c %T /sys/fs/cgroup
systemctl start dbus.socket systemd-logind user@1000.service &
tests() { # NAME COMMAND… TESTS
	{
		echo "== $1"
		HOME=/mnt/home "${@:2:$#-2}" /mnt/e2e.test -test.v -test.run="^(${!#})\$"
		echo "== $1: code $?"
	} >/mnt/tmp/$1 2>&1 &
}
as=(setpriv --reuid=1000 --regid=1000 --clear-groups env XDG_RUNTIME_DIR=/run/user/1000)
tests delegated systemd-run --quiet --scope -p Delegate=yes 'TestEveryLimitAtOnce'
tests root env 'TestWhatTheMachineHas'
wait
tests user "${as[@]}" systemd-run --quiet --user --scope -p Delegate=yes 'TestEveryLimitAtOnce'
tests bare "${as[@]}" 'TestNoControlGroups'
wait
cat /mnt/tmp/{root,delegated,user,bare}
echo "left in groups:" $(find /sys/fs/cgroup -name 'nemoclaw-*')
echo "seconds: $(cut -d' ' -f1 /proc/uptime)"
`

// TestOnDebian uses the product on a machine as most people have it: a distribution's own
// kernel and systemd, control groups of version 2, Landlock ABI 2.
func TestOnDebian(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64: the machine is made for it alone")
	}
	if raced {
		t.Skip("needs a build without the race detector: with it a start takes seconds on an emulated machine")
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		"../../go.mod": "go.mod", program: binary, self: "e2e.test", ollama: ".cache/ollama/ollama", "../../blueprints": "blueprints",
	} {
		to = filepath.Join(dir, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(from); err == nil {
			tool(t, "cp", "-a", "--reflink=auto", from, to)
		}
	}
	for _, d := range []string{"test/e2e", "home"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "run"), []byte(asDebian), 0o755); err != nil {
		t.Fatal(err)
	}
	said := machine.Debian.Run(t, "../..", dir)
	for _, run := range []struct{ as, test string }{
		{"root", "TestWhatTheMachineHas"}, {"delegated", "TestEveryLimitAtOnce"}, {"user", "TestEveryLimitAtOnce"}, {"bare", "TestNoControlGroups"},
	} {
		_, part, _ := strings.Cut(said, "== "+run.as+"\n")
		part, _, ended := strings.Cut(part, fmt.Sprintf("== %s: code 0\n", run.as))
		if !ended || !strings.Contains(part, "--- PASS: "+run.test+" ") {
			t.Errorf("%s did not pass as %s", run.test, run.as)
		}
	}
	for _, word := range []string{"Debian 6.1", "cgroup2fs", "left in groups:\n"} {
		if !strings.Contains(said, word) {
			t.Errorf("it did not say %q", word)
		}
	}
	t.Log(said)
}
