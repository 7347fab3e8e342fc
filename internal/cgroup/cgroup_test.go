package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// A sandbox may start as many processes as its group allows, and not one more.
func TestLimitsHold(t *testing.T) {
	g, err := Make("test-"+strings.ToLower(t.Name())+"-"+randomName(t), Limits{Pids: 4, MemoryBytes: 64 << 20, CPUs: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	if g.version == 0 {
		t.Skip("needs a writable control group: " + g.why)
	}
	t.Cleanup(g.Remove)
	for _, c := range []struct {
		name  string
		procs string
		fails bool
	}{
		{"within", "1 2", false},
		{"beyond", "1 2 3 4 5 6", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := runIn(t, g, "for i in "+c.procs+"; do /bin/sleep 5 & done; kill $(jobs -p)")
			if failed := strings.Contains(out, "ork"); failed != c.fails {
				t.Errorf("forking %s: %v, output %q; want a refused fork: %v", c.procs, err, out, c.fails)
			}
		})
	}
	if out, _ := runIn(t, g, `head -c 200000000 /dev/zero | tail; echo "code ${PIPESTATUS[1]}"`); !strings.Contains(out, "code 137") {
		t.Errorf("taking 200 MB of 64: %q; want a kill", out)
	}
	if g.OOMKills() == 0 || g.ForksRefused() == 0 {
		t.Errorf("counted: %d kills, %d refused forks", g.OOMKills(), g.ForksRefused())
	}
	// A machine that is busy itself may give it less than that half for a while.
	for end := time.Now().Add(30 * time.Second); g.count("cpu.stat", "nr_throttled") == 0; {
		if out, err := runIn(t, g, "end=$((SECONDS+2)); while [ $SECONDS -lt $end ]; do :; done"); err != nil || time.Now().After(end) {
			t.Fatalf("a busy loop was not held to half a processor: %v, %s", err, out)
		}
	}
	if g.KeptWaiting() <= 0 || g.KeptWaiting() > time.Minute {
		t.Errorf("kept waiting for %s", g.KeptWaiting())
	}
	if g.Memory() <= 0 || g.Memory() > 64<<20 {
		t.Errorf("it has %d bytes of its 64 MiB", g.Memory())
	}
	v := g.version
	want := fmt.Sprintf("memory 64 MiB (cgroup v%d)\nprocesses 4 (cgroup v%d)\ncpu 0.5 (cgroup v%d)", v, v, v)
	if held := strings.Join(g.Held(), "\n"); held != want || !g.LimitsProcesses() || g.NoProcessors() != "" {
		t.Errorf("held: %s", held)
	}
	// What somebody takes away afterwards is not said to hold.
	none := setting{cpu, "cpu.cfs_quota_us", "-1"}
	if g.version == 2 {
		none = setting{cpu, "cpu.max", "max"}
	}
	if err := g.write(none); err != nil {
		t.Fatal(err)
	}
	if held := strings.Join(g.Held(), "\n"); !strings.Contains(held, "cpu: not limited to 0.5: the control group has lost its cpu controller") || g.NoProcessors() == "" {
		t.Errorf("held without: %s", held)
	}
}

// Where one controller is not handed on, the others limit, and what is not limited is said
// with the reason.
func TestWithoutOneController(t *testing.T) {
	here, err := find(os.DirFS("/"))
	if err != nil {
		t.Skip("needs a writable control group: " + err.Error())
	}
	above, err := here.make("test-above-"+randomName(t), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(above.Remove)
	less, reason := place{version: here.version}, "have no cpu controller"
	if here.version == 1 {
		for _, d := range above.dirs {
			if exists(d+"/memory.limit_in_bytes") || exists(d+"/pids.max") {
				less.parents = append(less.parents, d)
			}
		}
	} else {
		between := above.dirs[0] + "/between"
		if err := os.Mkdir(between, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(between) })
		for _, c := range []string{"+memory", "+pids"} {
			if err := os.WriteFile(above.dirs[0]+"/cgroup.subtree_control", []byte(c), 0); err != nil {
				t.Fatal(err)
			}
		}
		less.parents, reason = []string{between}, "the cpu controller is not handed on to "+between
	}
	g, err := less.make("test-less-"+randomName(t), Limits{Pids: 4, MemoryBytes: 64 << 20, CPUs: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Remove)
	held := strings.Join(g.Held(), "\n")
	for _, words := range []string{"memory 64 MiB (cgroup v", "processes 4 (cgroup v", "cpu: not limited to 0.5: ", reason} {
		if !strings.Contains(held, words) {
			t.Errorf("%q is not in\n%s", words, held)
		}
	}
	if !strings.Contains(g.NoProcessors(), reason) || !g.LimitsProcesses() {
		t.Errorf("%q, %v", g.NoProcessors(), g.LimitsProcesses())
	}
	if out, err := runIn(t, g, "for i in 1 2 3 4 5 6; do /bin/sleep 5 & done; kill $(jobs -p)"); !strings.Contains(out, "ork") {
		t.Errorf("six processes of four: %v, %s", err, out)
	}
}

func randomName(t *testing.T) string {
	return strings.ReplaceAll(strings.TrimPrefix(t.TempDir(), os.TempDir()), "/", "-")
}

// runIn runs a script whose shell is in the group before its first command.
func runIn(t *testing.T, g *Group, script string) (string, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.CommandContext(t.Context(), "/bin/bash", "-c", "read -u 3; "+script)
	cmd.ExtraFiles = []*os.File{r}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := g.Add(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	err = cmd.Wait()
	return out.String(), err
}

// Where a group can be made is read from the kernel's own tables.
func TestPlace(t *testing.T) {
	v1, v2 := hierarchies([]byte("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
		"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n" +
		"36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"))
	if v2 != "/sys/fs/cgroup/unified" || v1["memory"] != "/sys/fs/cgroup/memory" || v1["cpu"] != "/sys/fs/cgroup/cpu,cpuacct" {
		t.Errorf("hierarchies: v1 %v, v2 %q", v1, v2)
	}
	m := memberships([]byte("4:memory:/a/b\n1:cpu,cpuacct:/c\n0::/user.slice/x.scope\n"))
	if m["memory"] != "/a/b" || m["cpuacct"] != "/c" || m[""] != "/user.slice/x.scope" {
		t.Errorf("memberships: %v", m)
	}
	if _, err := find(fstest.MapFS{}); err == nil {
		t.Error("a machine without /proc/self/cgroup has a place")
	}
}
