package e2e

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/test/machine"
)

// onNewest tries the product, and what package launch says of walls that only a new
// kernel has, on a system whose mounts are shared.
const onNewest = `#!/bin/bash
echo 127.0.0.1 localhost >/etc/hosts
export PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/mnt/tmp HOME=/mnt/home
chmod 755 /mnt
mkdir -m 1777 /mnt/tmp
chown -R someone /mnt/home
modprobe vsock_loopback
uname -srv; echo "mounts: $(findmnt -n -o PROPAGATION /)"
/mnt/nemoclaw doctor
setpriv --reuid=1000 --regid=1000 --clear-groups /mnt/nemoclaw run -- sh -c 'echo "user: $(cat /proc/sys/net/vsock/ns_mode)"'
mkdir /mnt/theirs && echo kept >/mnt/theirs/file
/mnt/nemoclaw run --mount /mnt/theirs:/sandbox/theirs:rw -- cat /sandbox/theirs/file
cat /mnt/theirs/file; grep -c nemoclaw /proc/self/mountinfo
cd /mnt/internal/launch
/mnt/launch.test -init /mnt/init -test.v -test.run '^(` + newest + `)$'
echo "launch: code $?"
echo "seconds: $(cut -d' ' -f1 /proc/uptime)"
`

// newest are tests of package launch that see more there than elsewhere.
const newest = `TestVsockIsDivided|TestLowerKillsSockets|TestMountsStayOnTheirSide|TestSourceThroughLinkIsRefused`

// TestOnNewest uses the product on the newest kernel that there is for Debian: each of
// the last ones had something new for an agent to try, and for a wall to refuse.
func TestOnNewest(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64: the machine is made for it alone")
	}
	if raced {
		t.Skip("needs a build without the race detector: it does not run everywhere")
	}
	dir := t.TempDir()
	for _, d := range []string{"internal/launch", "home"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "cp", "-a", "--reflink=auto", program, filepath.Join(dir, "nemoclaw"))
	tool(t, "go", "build", "-trimpath", "-o", filepath.Join(dir, "init"), "../../cmd/init")
	tool(t, "go", "test", "-c", "-o", filepath.Join(dir, "launch.test"), "../../internal/launch")
	if err := os.WriteFile(filepath.Join(dir, "run"), []byte(onNewest), 0o755); err != nil {
		t.Fatal(err)
	}
	said := machine.Newest.Run(t, "../..", dir)
	words := []string{
		"Linux ", "mounts: shared", ", 0 got through", "all four walls can stand on this machine",
		"user: local\n", "kept\nkept\n0\n", "launch: code 0\n",
	}
	for test := range strings.SplitSeq(newest, "|") {
		words = append(words, "--- PASS: "+test+" ")
	}
	for _, word := range words {
		if !strings.Contains(said, word) {
			t.Errorf("it did not say %q", word)
		}
	}
	if _, has, _ := strings.Cut(said, "! without"); has != "" {
		t.Error("a wall is weaker there than it could be")
	}
	t.Log(said)
}
