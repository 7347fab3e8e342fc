package e2e

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/test/internet"
)

func TestRunPassesTheCodeOn(t *testing.T) {
	h := newHome(t)
	h.must("list")
	before := h.census()
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137, "kill $$": 143} {
		if r := h.nemoclaw("run", "--", "bash", "-c", script); r.code != want || r.err != "" {
			t.Errorf("%s\nwant %d", r, want)
		}
	}
	for want, argv := range map[int][]string{127: {"run", "--", "nosuchprogram"}, 126: {"run", "--", "/etc"}, 125: {"run", "--policy", "nosuch.yaml", "--", "true"}} {
		if r := h.nemoclaw(argv...); r.code != want || !strings.Contains(r.err, "error: ") {
			t.Errorf("%s\nwant %d", r, want)
		}
	}
	if r := h.run(t.Context(), strings.NewReader("typed\n"), "run", "--", "cat"); r.out != "typed\n" {
		t.Error(r)
	}
	h.gone(before)
}

// What is begun ahead may come to nothing; then a run goes the way it always went.
func TestRunWhereNothingIsAhead(t *testing.T) {
	h := newHome(t)
	for _, missing := range []string{"exec 0<&-", "exec 1>&-", "exec 2>&-", "exec 0<&- 1>&- 2>&-"} {
		for range 5 { // whoever comes first
			c := exec.Command("bash", "-c", missing+`; exec "$0" run -- bash -c "exit 3"`, program)
			c.Env = h.env
			if out, _ := c.CombinedOutput(); c.ProcessState.ExitCode() != 3 {
				t.Errorf("%s: %v: %s", missing, c.ProcessState, out)
			}
		}
	}
}

// Before 6.3 Linux knew no memory files that are said to be executable.
func TestRunOnAnOlderKernel(t *testing.T) {
	h := newHome(t)
	c := h.command(t.Context(), nil, "run", "--", "bash", "-c", "exit 3")
	out, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its filter
		err := refuseExecutableMemory()
		if err == nil {
			err = c.Start()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(out)
	if _ = c.Wait(); c.ProcessState.ExitCode() != 3 {
		t.Errorf("%v: %s", c.ProcessState, said)
	}
}

func TestRunTellsWhatItRefused(t *testing.T) {
	h := newHome(t)
	b := &box{h, "run"}
	r := h.nemoclaw("run", "--", "bash", "-c", "curl -sS https://api.github.com/; curl -sS https://api.github.com/; unshare -U true; cat /etc/shadow; true")
	if r.code != 0 {
		t.Error(r)
	}
	_, list, _ := strings.Cut(r.err, "nemoclaw: refused:\n")
	for _, want := range []string{"network api.github.com:443 by /usr/bin/curl", "(2×)", "syscall unshare by /usr/bin/unshare"} {
		if !strings.Contains(list, want) {
			t.Errorf("%s\nwant %q in the list", r, want)
		}
	}
	nothing(t, b, "api.github.com")

	// With a policy the same goes through, and nothing is listed.
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(article), 0o600); err != nil {
		t.Fatal(err)
	}
	r = h.nemoclaw("run", "--policy", file, "--", "curl", "-sS", "https://api.github.com/")
	var echo internet.Echo
	if err := json.Unmarshal([]byte(r.out), &echo); err != nil || r.err != "" || len(b.world.To("api.github.com")) != 1 {
		t.Errorf("%s: %v", r, err)
	}
	// What is not listed is denied: there is nobody to ask.
	if r := h.nemoclaw("run", "--policy", file, "--", "curl", "-sS", "https://"+newcomer+"/"); r.code == 0 || !strings.Contains(r.err, newcomer+":443") {
		t.Error(r)
	}
	nothing(t, b, newcomer)
}

func TestMounts(t *testing.T) {
	ro, rw := t.TempDir(), t.TempDir()
	for _, dir := range []string{ro, rw} {
		if err := os.WriteFile(filepath.Join(dir, "given"), []byte("given\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := newShell(t, article, "--mount", ro+":/sandbox/ro:ro", "--mount", rw+":/sandbox/rw")
	b.prints("given\ngiven", "cat /sandbox/ro/given /sandbox/rw/given")
	if r := b.sh("echo x > /sandbox/ro/new"); r.code == 0 {
		t.Error(r)
	}
	if r := b.sh("echo x >> /sandbox/ro/given"); r.code == 0 {
		t.Error(r)
	}
	b.prints("", "echo made > /sandbox/rw/new; mkdir /sandbox/rw/folder")
	if got := b.text(filepath.Join(rw, "new")); got != "made\n" {
		t.Errorf("outside: %q", got)
	}
	given, err := os.Stat(filepath.Join(rw, "given"))
	if err != nil {
		t.Fatal(err)
	}
	made, err := os.Stat(filepath.Join(rw, "new"))
	if err != nil {
		t.Fatal(err)
	}
	if ownerOf(given) != ownerOf(made) {
		t.Errorf("made by %d in the folder of %d", ownerOf(made), ownerOf(given))
	}
	if got := read(filepath.Join(ro, "given")) + read(filepath.Join(ro, "new")); got != "given\n" {
		t.Errorf("the read-only one: %q", got)
	}
	st := b.status()
	if len(st.Mounts) != 2 || !strings.Contains(st.Mounts[0], ro) || !strings.Contains(st.Mounts[0], "ro") || !strings.Contains(st.Mounts[1], "rw") {
		t.Errorf("%q", st.Mounts)
	}
	b.do("destroy", "--yes")
	if got := b.text(filepath.Join(rw, "new")); got != "made\n" {
		t.Errorf("destroy took what is the operator's: %q", got)
	}
}

func TestExecPassesEverythingOn(t *testing.T) {
	b := newShell(t, article)
	for script, want := range map[string]int{"exit 0": 0, "exit 42": 42, "kill -9 $$": 137} {
		if r := b.sh(script); r.code != want {
			t.Errorf("%s\nwant %d", r, want)
		}
	}
	for want, name := range map[int]string{127: "nosuchprogram", 126: "/etc"} {
		if r := b.exec(name); r.code != want {
			t.Errorf("%s\nwant %d", r, want)
		}
	}
	r := b.run(t.Context(), strings.NewReader("in"), "box", "exec", "-e", "WORD=given", "--", "bash", "-c", "cat; echo $WORD; echo bad >&2; pwd; id -un; id -u")
	if r.out != "ingiven\n/sandbox\nsandbox\n1000\n" || r.err != "bad\n" {
		t.Error(r)
	}
	b.prints("SECRET is ", `echo "SECRET is $SECRET"`)
	// A client that goes takes its command with it.
	b.prints("", "pgrep -x sleep || true")
	sleep := b.start("sleep", "1000")
	b.await("the command", func() bool { return b.sh("pgrep -x sleep").code == 0 })
	if err := sleep.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	b.await("its end", func() bool { return b.sh("pgrep -x sleep").code != 0 })
	b.end(sleep)
}

func TestFilesystemWall(t *testing.T) {
	b := newShell(t, article)
	for _, path := range []string{"/home", "/root", "/var", "/etc"} {
		if r := b.exec("ls", path); r.code == 0 || !strings.Contains(r.err, "Permission denied") {
			t.Error(r)
		}
	}
	for _, path := range []string{"/etc/shadow", b.dir, "/proc/1/environ"} {
		if r := b.exec("cat", path); r.code == 0 {
			t.Error(r)
		}
	}
	for _, path := range []string{"/usr/bin/x", "/etc/x", "/x", "/home/x", "/dev/x"} {
		if r := b.sh("echo x > " + path); r.code == 0 {
			t.Error(r)
		}
	}
	b.prints("fine", "echo fine > /sandbox/x && cp /sandbox/x /tmp/x && cat /tmp/x")
}
