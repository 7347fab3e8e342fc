package escape

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// What others say of the place where they run. They are the system's programs,
// so a machine without one skips its judgement.

// capsh(1) of libcap finds no privilege, and no way to one.
func TestJudgeCapsh(t *testing.T) {
	judge := judgeAt(t, "capsh")
	s := start(t, outside(t), nil)
	out, err := s.run(t, judge, "--print")
	if err != nil {
		t.Fatalf("%q, %v", out, err)
	}
	for _, want := range []string{"Current: =\n", "Bounding set =\n", "Ambient set =\n", "no-new-privs=1"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	if strings.Contains(out, "uid=0") {
		t.Errorf("root: %s", out)
	}
	// The control: where no wall stands it finds some.
	b, err := exec.CommandContext(t.Context(), "unshare", "--user", "--map-root-user", judge, "--print").CombinedOutput()
	if err != nil || strings.Contains(string(b), "Bounding set =\n") {
		t.Errorf("control: %v: %s", err, b)
	}
}

// stress-ng's stressors of namespaces, filters and limits: none gets anywhere,
// and the sandbox lives through all of them.
func TestJudgeStressNG(t *testing.T) {
	judge := judgeAt(t, "stress-ng")
	s := start(t, outside(t), nil)
	for _, stressor := range []string{"clone", "seccomp", "fork", "mknod", "chmod", "pidfd", "ptrace", "mlock", "userfaultfd", "memfd", "key", "sysbadaddr"} {
		t.Run(stressor, func(t *testing.T) {
			out, err := s.run(t, judge, "--"+stressor, "1", "--timeout", "1s", "--temp-path", "/tmp")
			t.Logf("%v: %s", err, lastLine(out)) // one that is refused everything may call that a failure
			if out, err := s.run(t, "echo", "still here"); err != nil || !strings.Contains(out, "still here") {
				t.Fatalf("the sandbox did not live through it: %q, %v", out, err)
			}
		})
	}
}

func judgeAt(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil || !strings.HasPrefix(path, "/usr/") {
		t.Skipf("needs %s in /usr", name)
	}
	return path
}

// floods are what a program may do to use up everything. Each goes on until it
// is killed.
var floods = map[string]string{
	"processes": `b() { b | b & }; b`,
	"descriptors": `exec python3 -c "
import os,time
for _ in range(900): os.open('/dev/null', 0)
time.sleep(60)"`,
	"output": `exec yes flood`,
	"files":  `mkdir /tmp/f; i=0; while :; do : >/tmp/f/$i; i=$((i+1)); done`,
	"calls": `exec python3 -c "
import ctypes
c = ctypes.CDLL(None)
while True: c.unshare(0x10000000)"`,
}

// A flood in one sandbox leaves another responsive, and ends with its own.
func TestFloodsStayInside(t *testing.T) {
	for name, script := range floods {
		t.Run(name, func(t *testing.T) {
			a, b := start(t, outside(t), nil), start(t, outside(t), nil)
			flooded := make(chan struct{})
			go func() {
				defer close(flooded)
				// Its end is that of its sandbox.
				_, _ = a.run(t, "bash", "-c", script)
			}()
			limit := time.Now().Add(2 * time.Second)
			for n := 0; n < 3 || time.Now().Before(limit); n++ {
				begun := time.Now()
				if out, err := b.run(t, "echo", "here"); err != nil || !strings.Contains(out, "here") {
					t.Fatalf("the other sandbox: %q, %v", out, err)
				}
				if took := time.Since(begun); took > patience {
					t.Errorf("the other sandbox took %v", took)
				}
			}
			begun := time.Now()
			if err := a.box.Kill(); err != nil {
				t.Error(err)
			}
			if err := a.box.Wait(); err != nil {
				t.Log(err)
			}
			if took := time.Since(begun); took > patience {
				t.Errorf("the flood took %v to end", took)
			}
			<-flooded
		})
	}
}
