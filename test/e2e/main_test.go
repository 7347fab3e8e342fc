package e2e

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nemoclaw/nemoclaw/test/internet"
)

// The repository, as seen from the folder that go test runs in.
const (
	program = "../../" + binary
	warm    = "../../.cache/blueprints"
	// those of agents beside OpenClaw, which are two gigabytes
	othersStore = "../../.cache/agent-blueprints"
	ollama      = "../../.cache/ollama/ollama"
)

// user is who runs the tests a second time.
const user = 64322

// get makes this program a client of Go's own, to be run inside.
var get = flag.String("get", "", "print what this address answers, and end")

func TestMain(m *testing.M) {
	flag.Parse()
	if *get != "" {
		os.Exit(fetch(*get))
	}
	internet.Main(tests{m})
}

func fetch(address string) int {
	r, err := http.Get(address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer r.Body.Close()
	if _, err := io.Copy(os.Stdout, r.Body); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestAsUser runs all other tests again, as a user without any right, from a
// copy of what they need in a folder that this user may read. Only the case that
// needs a memory limit by cgroup may be left out: few users can make one.
func TestAsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become someone else")
	}
	internet.Use(t)
	dir := settle(t)
	args := []string{"-test.v", "-test.count=1", "-test.timeout=" + flag.Lookup("test.timeout").Value.String(), "-test.skip=" + skipped()}
	if which := flag.Lookup("test.run").Value.String(); !strings.Contains(which, "AsUser") {
		args = append(args, "-test.run="+which)
	}
	c := exec.CommandContext(t.Context(), filepath.Join(dir, "e2e.test"), args...)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}, Pdeathsig: syscall.SIGKILL}
	c.Dir = filepath.Join(dir, "test", "e2e")
	c.Env = environment("HOME="+filepath.Join(dir, "home"), "TMPDIR="+filepath.Join(dir, "tmp"))
	out, err := c.CombinedOutput()
	var missing []string
	reason := ""
	for line := range strings.Lines(string(out)) {
		word := strings.TrimSpace(line)
		if err != nil || strings.HasPrefix(word, "---") {
			t.Log(strings.TrimRight(line, "\n"))
		}
		if strings.Contains(word, "needs ") {
			reason = word
		}
		if strings.HasPrefix(word, "--- SKIP") && !strings.Contains(word, "TestOutOfMemoryIsSaid") {
			missing = append(missing, reason)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(missing) > 0 { // whoever judges skips shall see these, too
		t.Skipf("%d cases: %s", len(missing), missing[0])
	}
}

// environment is what another user gets: own, and nothing else of the caller's but
// where programs are, and what the race detector shall do (scripts/race.sh).
func environment(own ...string) []string {
	return append(own, "PATH="+os.Getenv("PATH"), "GORACE="+os.Getenv("GORACE"))
}

// skipped is what the second run leaves out: itself, what the caller said, and
// those whose needs are too big for a copy, too slow to do twice, or root. What they
// show, TestOpenClaw and TestKilledChange show as a user.
func skipped() string {
	const always = "TestAsUser|TestOnDebian|TestOnNewest|TestUpgradeOfALiveOpenClaw|TestAgents|TestWhatsApp|TestToolchains|TestFullDisk|TestReadOnlyDisk|TestDiskFailsWhileItRuns|TestHiddenProc|TestTwoUsers|TestKilledAtEachStep|TestConnectionsAfterASleep"
	if s := flag.Lookup("test.skip").Value.String(); s != "" {
		return always + "|" + s
	}
	return always
}

// settle makes a repository with nothing in it but what the tests use, which
// belongs to the user.
func settle(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, d := range []string{filepath.Dir(binary), ".cache/ollama", "docs", "test/e2e", "home", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		"../../go.mod": "go.mod", program: binary, self: "e2e.test",
		ollama: ".cache/ollama/ollama", warm: ".cache/blueprints", "../../.cache/registry": ".cache/registry", "../../blueprints": "blueprints", "../../docs/files.md": "docs/files.md",
	} {
		if _, err := os.Stat(from); err == nil {
			tool(t, "cp", "-a", "--reflink=auto", from, filepath.Join(dir, to))
		}
	}
	tool(t, "chown", "-R", "64322:64322", dir)
	return dir
}

// tool runs a program of the machine's that must do its work.
func tool(t *testing.T, argv ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
}
