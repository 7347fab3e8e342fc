package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
)

// A supervisor that is stopped lets nothing through, holds nobody for ever, goes
// on when it is continued, and can be ended.
func TestStoppedSupervisor(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	supervisor := b.status().SupervisorPID
	client := b.start("bash", "-c", `read -r; until curl -fsS -m 60 https://api.github.com/ && echo through; do sleep 0.2; done; read -r`)
	b.await("the client", func() bool { return b.sh("pgrep -x bash").code == 0 })
	h.stop(supervisor)
	if _, err := io.WriteString(client.in, "go\n"); err != nil {
		t.Fatal(err)
	}
	b.refuses(125, []string{"does not answer within", "stop"}, "box", "exec", "--", "true")
	if st := b.status(); st.State == control.Running && st.Healthy || !strings.Contains(st.Why, "does not answer") {
		t.Errorf("%+v", st)
	}
	nothing(t, b, "api.github.com")
	if err := unix.Kill(supervisor, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	b.sees(client, "through")
	b.prints("well", "echo well")
	h.stop(supervisor)
	b.do("stop")
	b.end(client)
	h.processesGone(before)
	b.do("start")
	b.do("audit", "verify")
	b.do("destroy", "--yes")
	h.gone(before)
}

// So does a PID 1 that is stopped: what runs goes on, nothing new begins.
func TestStoppedInit(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	h.stop(initOf(t, b.status().SupervisorPID))
	b.refuses(125, []string{"PID 1 does not answer within", "stop"}, "box", "exec", "--", "true")
	began := time.Now()
	b.do("stop")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("stopping took %s", took)
	}
	h.processesGone(before)
	b.do("start")
	b.prints("well", "echo well")
	b.do("audit", "verify")
	b.do("destroy", "--yes")
	h.gone(before)
}

// And a clerk that is stopped is left behind neither by `stop` nor by a supervisor
// that is killed, though it sees the end of nothing.
func TestStoppedClerk(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	h.stop(clerkOf(t, b.status().SupervisorPID))
	b.prints("well", "echo well")        // which needs no clerk
	b.save(b.policyFile(), article+"\n") // of this it is asked, and says nothing
	b.do("stop")
	h.processesGone(before)
	if left := h.cgroupsOf("box"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	b.event("the end", func(e audit.Event) bool { return e.Kind == audit.Stop })
	b.do("start")
	supervisor := b.status().SupervisorPID
	h.stop(clerkOf(t, supervisor))
	if err := unix.Kill(supervisor, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.processesGone(before)
	b.revived("a supervisor killed beside a stopped clerk")
	b.do("audit", "verify")
	b.do("destroy", "--yes")
	h.gone(before)
}

// stop stops every thread of pid: until the last one is told, the others go on.
func (h *home) stop(pid int) {
	h.Helper()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		h.Fatal(err)
	}
	h.await("every thread stopped", func() bool {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the pattern is well formed
		for _, task := range tasks {
			if _, state, _ := strings.Cut(read(task), ") "); !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return len(tasks) > 0
	})
}

// initOf is the child of a supervisor that is PID 1 inside.
func initOf(t *testing.T, supervisor int) int {
	t.Helper()
	for _, line := range strings.Fields(read(fmt.Sprintf("/proc/%d/task/%d/children", supervisor, supervisor)) + read(childrenOf(supervisor))) {
		if strings.HasPrefix(read("/proc/"+line+"/cmdline"), "nemoclaw-init") {
			var pid int
			if _, err := fmt.Sscan(line, &pid); err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("no init among the supervisor's children")
	return 0
}

// childrenOf is the list of the thread that has children.
func childrenOf(supervisor int) string {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", supervisor)) // the pattern is well formed
	for _, f := range tasks {
		for _, pid := range strings.Fields(read(f)) {
			if strings.HasPrefix(read("/proc/"+pid+"/cmdline"), "nemoclaw-init") {
				return f
			}
		}
	}
	return ""
}

// Of two starts at once, one starts and both end well, or say why not.
func TestTwoStartsAtOnce(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	for round := range 5 {
		b.do("stop")
		var both []*running
		for range 3 {
			both = append(both, h.start("box", "start"))
		}
		well := 0
		for _, r := range both {
			switch e := h.endOf(r); {
			case e.code == 0:
				well++
			case !strings.Contains(e.err, "in use by") && !strings.Contains(e.err, "just starting or ending"):
				t.Errorf("round %d: %s", round, e)
			}
		}
		if n := supervisors(h); well == 0 || n != 1 {
			t.Errorf("round %d: %d starts went well, %d supervisors", round, well, n)
		}
		b.prints("well", "echo well")
	}
	b.do("audit", "verify")
	b.do("destroy", "--yes")
	h.gone(before)
}

// supervisors counts those of sandboxes called box.
func supervisors(h *home) (n int) {
	for pid, line := range processes() {
		if strings.HasPrefix(line, "nemoclaw supervisor box ") && strings.Contains(read("/proc/"+pid+"/environ")+h.dir, h.dir) {
			n++
		}
	}
	return n
}

// After the machine went down nothing of a sandbox runs, and all that it has left
// lies about: sockets, locks, PIDs of others, control groups.
func TestAfterTheMachineWentDown(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	b.exec("curl", "-sS", "https://api.github.com/")
	b.sh("echo kept > /sandbox/note")
	b.start("sleep", "1000")
	for pid := range since(before.processes, processes()) {
		var n int
		if _, err := fmt.Sscan(pid, &n); err == nil {
			_ = unix.Kill(n, unix.SIGKILL) // some end with others
		}
	}
	h.processesGone(before)
	if left := h.census(); len(left.files) <= len(before.files) {
		t.Fatal("nothing was left about: this proves nothing")
	}
	if st := b.status(); st.State == control.Running {
		t.Errorf("%+v", st)
	}
	h.must("start", "--all")
	b.prints("kept", "cat /sandbox/note")
	b.do("audit", "verify")
	b.event("the connection of before", func(e audit.Event) bool { return e.Target == "api.github.com:443" && e.Verdict == "allow" })
	b.do("destroy", "--yes")
	h.gone(before)
}

// Where a supervisor was killed and its folder taken away, nobody knows any more
// what that had outside; the next start of anything else clears it up.
func TestFolderTakenAway(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	if err := unix.Kill(b.status().SupervisorPID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.processesGone(before)
	if err := os.RemoveAll(filepath.Join(h.dir, b.name)); err != nil {
		t.Fatal(err)
	}
	if left := h.cgroups(); len(left) == 0 && os.Geteuid() == 0 {
		t.Fatal("no control group was left: this proves nothing")
	}
	h.shell("other", article)
	if left := h.cgroupsOf("box"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	h.must("other", "destroy", "--yes")
}

func since(was, now map[string]string) map[string]string {
	out := map[string]string{}
	for key, line := range now {
		if _, there := was[key]; !there {
			out[key] = line
		}
	}
	return out
}

// A home whose path has spaces and letters of other scripts, and more of them than fit
// into the address of a socket (unix(7): 108 bytes), is one like another.
func TestHomeWithAStrangePath(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	h.dir = filepath.Join(filepath.Dir(h.dir), "ein Haus", "日本語 — “ünïcode” 'q' $HOME 🏠", strings.Repeat("x", 200))
	h.env = append(h.env, "NEMOCLAW_HOME="+h.dir)
	handed := filepath.Join(t.TempDir(), "mein Ordner ü")
	if err := os.MkdirAll(handed, 0o777); err != nil {
		t.Fatal(err)
	}
	h.must("list")
	before := h.census()
	b := h.shell("box", article, "--mount", handed+":/sandbox/handed")
	b.prints("x y", "echo 'x y' > /sandbox/handed/'a b' && cat /sandbox/handed/a*")
	b.exec("curl", "-fsS", "https://api.github.com/")
	b.put("/sandbox/a file", []byte("x y"))
	b.prints("x y", "cat '/sandbox/a file'")
	b.do("snapshot", "create")
	b.do("restart")
	b.do("audit", "verify")
	if st := b.status(); !st.Healthy {
		t.Errorf("%+v", st)
	}
	b.do("destroy", "--yes")
	h.gone(before)
}

// Two users of one machine know nothing of each other, whatever their sandboxes
// are called.
func TestTwoUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become someone else")
	}
	modelServer(t)
	h := newHome(t)
	before := h.census()
	url := modelServer(t)
	type person struct {
		uid uint32
		dir string
	}
	as := func(p person, args ...string) (string, error) {
		c := exec.CommandContext(t.Context(), filepath.Join(p.dir, "nemoclaw"), args...)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: p.uid, Gid: p.uid}}
		c.Dir, c.Env = p.dir, environment("HOME="+p.dir, "NEMOCLAW_HOME="+p.dir+"/state", "TMPDIR="+p.dir+"/tmp")
		out, err := c.CombinedOutput()
		return string(out), err
	}
	var people []person
	for uid := range uint32(2) {
		p := person{user + uid, filepath.Join(filepath.Dir(h.dir), fmt.Sprint("of", uid))}
		tool(t, "sh", "-ec", `chmod 755 "$(dirname "$0")"; mkdir "$0" "$0/tmp"; cp "$1" "$0/nemoclaw"; chown -R "$2:$2" "$0"`, p.dir, program, fmt.Sprint(p.uid))
		people = append(people, p)
		if out, err := as(p, "onboard", "--yes", "--agent", "none", "--inference-url", url, "--model", "tiny", "--name", "box"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for i, p := range people {
		if out, err := as(p, "box", "exec", "--", "sh", "-c", "echo of $0 > /sandbox/x; cat /sandbox/x; pgrep -c .", fmt.Sprint(i)); err != nil || !strings.HasPrefix(out, fmt.Sprint("of ", i)) {
			t.Errorf("%v: %s", err, out)
		}
		other := people[1-i]
		c := person{p.uid, p.dir}
		if out, err := as(person{c.uid, other.dir}, "box", "exec", "--", "true"); err == nil {
			t.Errorf("user %d ran something in the sandbox of %d: %s", p.uid, other.uid, out)
		}
	}
	for _, p := range people {
		if out, err := as(p, "box", "destroy", "--yes"); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		if left, err := os.ReadDir(p.dir + "/tmp"); err != nil || len(left) > 0 {
			t.Errorf("user %d left temporary files: %v, %v", p.uid, left, err)
		}
		tool(t, "rm", "-rf", p.dir)
	}
	h.gone(before)
}

// small puts a home on a file system of its own, of so many bytes.
func (h *home) small(size string) (mount string) {
	h.Helper()
	mount = filepath.Join(filepath.Dir(h.dir), "small")
	tool(h.T, "mkdir", "-p", mount)
	if err := unix.Mount("small", mount, "tmpfs", 0, "mode=755,size="+size); err != nil {
		h.Skip("needs root, to become someone else, or to mount: " + err.Error())
	}
	h.Cleanup(func() { // of this test's own namespace
		h.end() // now, while its sandboxes can be found
		_ = unix.Unmount(mount, unix.MNT_DETACH)
	})
	h.dir = filepath.Join(mount, "state")
	h.env = append(h.env, "NEMOCLAW_HOME="+h.dir)
	return mount
}

// On a disk that is full nothing opens, what was in the book stays, commands say
// why, and with room all goes on.
func TestFullDisk(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	mount := h.small("96m")
	start := h.census()
	b := h.shell("box", article)
	b.exec("curl", "-fsS", "https://api.github.com/")
	b.event("the connection", func(e audit.Event) bool { return e.Target == "api.github.com:443" && e.Verdict == "allow" })
	known := len(b.events())
	before := len(b.world.To("api.github.com"))
	fill := filepath.Join(mount, "fill")
	_ = exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of="+fill, "bs=64k").Run() // until it is full
	h.await("that status names it", func() bool {
		out := b.nemoclaw("box", "status").out
		return strings.Contains(out, "no space left") || strings.Contains(out, "free on the disk")
	})
	for range 3 { // what is refused for want of a book is refused at once
		b.exec("curl", "-sS", "-m", "5", "https://api.github.com/")
	}
	if n := len(b.world.To("api.github.com")); n != before && len(b.events()) == known {
		t.Errorf("%d connections went out, and none is in the book", n-before)
	}
	if r := b.nemoclaw("box", "restart"); r.code == 0 {
		t.Log("a restart goes well on a full disk")
	} else if !strings.Contains(r.err, "no space left") && !strings.Contains(r.err, "paused") {
		t.Errorf("%s\nwant the cause", r)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	h.await("that it goes on", func() bool { return b.nemoclaw("box", "start").code == 0 })
	b.revived("a full disk")
	b.do("audit", "verify")
	if n := len(b.events()); n < known {
		t.Errorf("%d events are left of %d", n, known)
	}
	b.exec("curl", "-fsS", "https://api.github.com/")
	b.do("destroy", "--yes")
	h.gone(start)
}

// So on one that has become read-only.
func TestReadOnlyDisk(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	mount := h.small("96m")
	before := h.census()
	b := h.shell("box", article)
	b.exec("curl", "-fsS", "https://api.github.com/")
	b.event("the connection", func(e audit.Event) bool { return e.Target == "api.github.com:443" && e.Verdict == "allow" })
	known := len(b.events())
	b.do("stop")
	again := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("", mount, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	again(unix.MS_RDONLY)
	stopped := h.census()
	b.refuses(1, []string{"read-only file system"}, "box", "start")
	h.gone(stopped)
	b.do("audit", "verify") // what can be read is
	if r := b.nemoclaw("box", "policy", "add", "example.org:443"); r.code == 0 || !strings.Contains(r.err, "read-only file system") {
		t.Error(r)
	}
	again(0)
	b.revived("a read-only disk")
	b.do("audit", "verify")
	if n := len(b.events()); n < known {
		t.Errorf("%d events are left of %d", n, known)
	}
	b.do("destroy", "--yes")
	h.gone(before)
}
