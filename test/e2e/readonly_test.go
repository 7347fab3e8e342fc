package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
)

// A disk that fails while a sandbox runs: the kernel makes it read-only there and then,
// whoever has files open on it. Nothing opens, every command names the cause and what
// helps, the agent can be ended, and what was in the book is there when the disk is mended.
func TestDiskFailsWhileItRuns(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	disk := h.failing()
	before := h.census()
	b := h.shell("box", article)
	b.exec("curl", "-fsS", "https://api.github.com/")
	b.event("the connection", func(e audit.Event) bool { return e.Target == "api.github.com:443" && e.Verdict == "allow" })
	asks := b.start("curl", "-sS", "https://asked.example/")
	question := b.held("asked.example")
	b.end(asks)
	known := len(b.events())
	disk.fail()

	h.await("that the book knows", func() bool {
		b.exec("curl", "-sS", "-m", "5", "https://api.github.com/")
		return strings.Contains(b.status().Why, "the audit book cannot be written")
	})
	dialled := len(b.world.To("api.github.com")) // with what came until it knew
	if r := b.exec("curl", "-sS", "-m", "5", "https://api.github.com/"); r.code == 0 || len(b.world.To("api.github.com")) != dialled {
		t.Errorf("with a book that takes nothing a connection went out: %s", r)
	}
	r := b.nemoclaw("box", "status")
	if r.code != 1 || !strings.Contains(r.out, "then: nemoclaw box restart") {
		t.Errorf("%s\nwant what helps", r)
	}
	readOnly := []string{"read-only file system", "\n→ that disk is read-only"}
	bookSaw := readOnly
	if strings.Contains(r.out, "input/output error") { // it was told by what it had in memory
		bookSaw = []string{"input/output error", "\n→ that disk has errors"}
	}
	for _, args := range [][]string{{"approvals", "allow", question.ID}, {"reload-policy"}, {"reload-inference"}} {
		b.refuses(1, bookSaw, append([]string{"box"}, args...)...)
	}
	for _, args := range [][]string{{"policy", "add", "example.org:443"}, {"set-model", "ollama/other"}, {"snapshot", "create"}, {"rebuild"}, {"restart"}} {
		b.refuses(1, readOnly, append([]string{"box"}, args...)...)
	}
	if q := b.approvals(); len(q) != 1 || q[0].State != "pending" {
		t.Errorf("an answer that is in no book counts: %+v", q)
	}
	if st := b.status(); st.State != control.Running || st.Blueprint.Version != "0.1.0" {
		t.Errorf("%+v", st)
	}
	b.refuses(1, []string{"is stopped, but", "read-only file system", "start --all"}, "box", "stop")
	h.processesGone(before)
	if left := h.cgroupsOf("box"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	b.refuses(1, readOnly, "box", "start")
	disk.mend()
	b.revived("a disk that failed")
	b.do("audit", "verify")
	if n := len(b.events()); n < known {
		t.Errorf("%d events are left of %d", n, known)
	}
	b.exec("curl", "-fsS", "https://api.github.com/")

	disk.fail() // the agent ends with its sandbox, though that cannot be removed
	b.refuses(1, readOnly, "box", "destroy", "--yes")
	h.processesGone(before)
	disk.mend()
	b.do("destroy", "--yes")
	h.gone(before)
}

// failing is a disk of a home's own that can be made to fail.
type failing struct {
	*home
	image, mount string
}

// failing puts the home on one.
func (h *home) failing() *failing {
	h.Helper()
	if os.Geteuid() != 0 {
		h.Skip("needs root, to become someone else, or to mount")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		h.Skip("needs a loop device: " + err.Error())
	}
	own := filepath.Dir(h.dir)
	f := &failing{home: h, image: filepath.Join(h.T.TempDir(), "disk"), mount: filepath.Join(own, "disk")}
	if err := os.Mkdir(f.mount, 0o755); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(f.image, nil, 0o600); err != nil {
		h.Fatal(err)
	}
	if err := os.Truncate(f.image, 256<<20); err != nil {
		h.Fatal(err)
	}
	tool(h.T, "mkfs.ext4", "-q", "-F", f.image)
	tool(h.T, "mount", "-o", "loop,errors=remount-ro", f.image, f.mount)
	h.Cleanup(func() { // of this test's own namespace, and its loop device with it
		h.end() // now, while its sandboxes can be found
		_ = unix.Unmount(f.mount, unix.MNT_DETACH)
	})
	h.dir = filepath.Join(f.mount, "state")
	h.env = append(h.env, "NEMOCLAW_HOME="+h.dir)
	return f
}

// fail has the kernel find an error on the disk, by ext4's own switch for tests.
func (f *failing) fail() {
	f.Helper()
	device, err := exec.CommandContext(f.Context(), "findmnt", "-no", "SOURCE", f.mount).Output()
	if err != nil {
		f.Fatal(err)
	}
	trigger := filepath.Join("/sys/fs/ext4", filepath.Base(strings.TrimSpace(string(device))), "trigger_fs_error")
	if err := os.WriteFile(trigger, []byte("1"), 0); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.mount, "x"), nil, 0o600); err == nil {
		f.Fatal("the disk takes files: this proves nothing")
	}
}

// mend checks the disk and mounts it anew. Nothing may have a file open on it.
func (f *failing) mend() {
	f.Helper()
	if err := unix.Unmount(f.mount, 0); err != nil {
		f.Fatal(err)
	}
	if out, err := exec.CommandContext(f.Context(), "fsck.ext4", "-fy", f.image).CombinedOutput(); err != nil {
		f.Logf("fsck.ext4: %v: %s", err, out) // code 1 is that it mended something
	}
	tool(f.T, "mount", "-o", "loop,errors=remount-ro", f.image, f.mount)
}
