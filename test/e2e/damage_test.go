package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/host"
)

// A blueprint whose bytes are not the right ones is not used, nor mended in
// silence.
func TestDamagedBlueprint(t *testing.T) {
	b := newShell(t, article)
	b.do("stop")
	blobs, err := filepath.Glob(filepath.Join(b.dir, "blueprints/blobs/sha256/*"))
	if err != nil || len(blobs) == 0 {
		t.Fatal(blobs, err)
	}
	for _, path := range blobs {
		good := b.text(path)
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		b.save(path, strings.Replace(good, good[:1], "x", 1))
		r := b.refuses(1, []string{"Blueprint digest mismatch", "→ nemoclaw blueprint cache clear"}, "box", "start")
		if r.code == 0 {
			t.Errorf("%s changed: it started", path)
		}
		b.save(path, good)
	}
	b.do("start")
}

// What a registry gives is not what the lockfile says: nothing of it is used,
// and nothing half-made is left.
func TestRegistryThatLies(t *testing.T) {
	h := newHome(t)
	r := h.refuses(1, []string{"error: "}, "onboard", "--yes", "--name", "claw", "--blueprint", "openclaw@0.1.0", "--inference-url", modelServer(t), "--model", "tiny")
	if !strings.Contains(r.err, "mismatch") {
		t.Logf("refused with: %s", r.err)
	}
	if out := strings.TrimSpace(h.must("list", "--json")); out != "[]" {
		t.Errorf("left: %s", out)
	}
	if entries, _ := filepath.Glob(filepath.Join(h.dir, "claw*")); len(entries) > 0 {
		t.Errorf("left: %q", entries)
	}
}

func TestInterruptedOnboardLeavesNothing(t *testing.T) {
	h := newHome(t)
	h.must("list")
	before := h.census()
	// A server that never answers: the registry of every machine is out there.
	quiet, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	r := h.start("onboard", "--yes", "--agent", "none", "--name", "box", "--inference-url", "http://"+quiet.Addr().String(), "--model", "tiny")
	c, err := quiet.Accept() // it is asking
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := r.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	if e := h.endOf(r); e.code == 0 {
		t.Error(e)
	}
	quiet.Close()
	if out := strings.TrimSpace(h.must("list", "--json")); out != "[]" {
		t.Errorf("left: %s", out)
	}
	h.processesGone(before)
}

func TestOutOfMemoryIsSaid(t *testing.T) {
	b := newShell(t, article)
	b.needs("python3")
	if !slices.ContainsFunc(b.status().Limits, func(l string) bool { return strings.Contains(l, "memory") && strings.Contains(l, "cgroup") }) {
		t.Skip("needs a cgroup that this user may make")
	}
	b.limit("memory_bytes", "104857600")
	r := b.exec("python3", "-c", "x = b'x' * (400 << 20); print('got it')")
	if r.code != 137 || strings.Contains(r.out, "got it") {
		t.Error(r)
	}
	out := b.nemoclaw("box", "status").out
	if !strings.Contains(out, "OOMKilled") || !strings.Contains(out, "100 MiB") {
		t.Errorf("%s", out)
	}
	b.prints("alive", "echo alive")
}

// limit puts a limit of sandbox.yaml in force.
func (b *box) limit(name, value string) {
	b.Helper()
	var edited strings.Builder
	for line := range strings.Lines(b.text(b.file("sandbox.yaml"))) {
		if strings.Contains(line, " "+name+":") {
			continue
		}
		edited.WriteString(line)
		if strings.HasPrefix(line, "limits:") {
			edited.WriteString("  " + name + ": " + value + "\n")
		}
	}
	b.save(b.file("sandbox.yaml"), edited.String())
	b.do("rebuild")
}

// A limit that is reached is named by status, with what to do.
func TestReachedLimitsAreSaid(t *testing.T) {
	b := newShell(t, article)
	b.limit("connections", "3")
	held := b.start("bash", "-c", `for i in 1 2 3; do exec {fd}<>/dev/tcp/api.github.com/443; done; echo open; sleep 1000`)
	b.sees(held, "open")
	b.await("three connections", func() bool {
		return strings.Contains(b.nemoclaw("box", "status").out, "3 connections are open, which is the limit")
	})
	if r := b.exec("curl", "-sS", "https://api.github.com/"); r.code == 0 {
		t.Error(r)
	}
	b.event("the refusal", func(e audit.Event) bool { return strings.Contains(e.Why, "3 connections are open already") })
	if err := held.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	b.end(held)
	b.await("room", func() bool { return b.exec("curl", "-fsS", "https://api.github.com/").code == 0 })

	b.limit("pids", "40")
	b.sh(`for i in $(seq 100); do sleep 2 & done; wait`)
	out := b.nemoclaw("box", "status").out
	if strings.Contains(out, "processes 40 (cgroup") && !strings.Contains(out, "times no process could be started, since there were 40 already") || !strings.Contains(out, "processes 40 (") {
		t.Error(out)
	}
	b.prints("alive", "echo alive")
}

// Where there is no control group at all status says what is not limited, and why;
// processes and files are bounded all the same, and who reaches a bound is told.
func TestNoControlGroups(t *testing.T) {
	b := newShell(t, article)
	b.limit("pids", "40")
	if os.Geteuid() == 0 { // others have none as it is, or one that they were given
		b.startWithin("unshare", "--mount", "sh", "-ec", `umount --recursive --lazy /sys/fs/cgroup; exec "$@"`, "sh")
	}
	st := b.status()
	if slices.ContainsFunc(st.Limits, func(l string) bool { return strings.Contains(l, "cgroup") }) {
		t.Skip("needs root, to hide the control groups that this user has")
	}
	if !st.Healthy || !slices.Contains(st.Limits, "processes 40 (rlimit)") {
		t.Errorf("%+v", st)
	}
	out := b.nemoclaw("box", "status").out
	for _, word := range []string{"memory: not limited to ", "no control group"} {
		if !strings.Contains(out, word) {
			t.Errorf("%q is not in\n%s", word, out)
		}
	}
	if r := b.sh(`for i in $(seq 100); do sleep 2 & done; wait`); !strings.Contains(r.err, "fork") {
		t.Errorf("a hundred processes: %s", r)
	}
	if r := b.sh(`i=0; while exec {fd}</dev/null; do i=$((i+1)); [ $i -lt 100000 ] || break; done; echo $i`); strings.Contains(r.out, "100000") || !strings.Contains(r.err, "Too many open files") {
		t.Errorf("files without end: %s", r)
	}
	b.prints("alive", "echo alive")
	if left := b.cgroups(); len(left) > 0 {
		t.Errorf("%q", left)
	}
}

// What doctor says of this machine: what is weaker on it, and that the walls refuse, as
// they do in a sandbox on it. On an old kernel that is without the newest Landlock.
func TestWhatTheMachineHas(t *testing.T) {
	h := newHome(t)
	r := h.nemoclaw("doctor")
	if r.code != 0 {
		t.Error(r)
	}
	for _, c := range host.Look().Costs() {
		if !strings.Contains(r.out, "! without "+c.Without+": "+c.Lost) {
			t.Errorf("%s\nwant the cost of being without %s", r, c.Without)
		}
	}
	t.Log(r.out)
	b := h.shell("box", "")
	for _, said := range []string{r.out, b.do("verify")} {
		for _, word := range []string{"network: ", "filesystem: ", "process: ", " 0 got through"} {
			if !strings.Contains(said, word) {
				t.Errorf("%q is not in\n%s", word, said)
			}
		}
	}
	if out, err := exec.CommandContext(t.Context(), program, "--version").Output(); err != nil || !strings.HasPrefix(string(out), "nemoclaw ") {
		t.Errorf("%q, %v", out, err)
	}
}

// In a container whose engine hides parts of /proc no sandbox can have one of its own:
// that is said, with what helps, before there is a sandbox.
func TestHiddenProc(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become someone else, or to mount")
	}
	h := newHome(t)
	c := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-ec", `mount -t tmpfs hidden /proc/tty; exec "$0" doctor`, program)
	c.Env = h.env
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "mount /proc") || !strings.Contains(string(out), "\n→ parts of /proc are hidden") {
		t.Errorf("%v: %s", err, out)
	}
	h.must("doctor")
}
