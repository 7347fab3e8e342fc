package escape

import (
	"bytes"
	"context"
	"io"
	"slices"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/tries"
)

// throughOutside are tries that every kernel on which a sandbox starts lets
// through where no wall stands. Many others do too; it depends on the machine.
var throughOutside = []string{
	"A5", "A11", "A16 rules", "A7 UDP-Lite", "A8 packet", "A9", "C50 home", "C50 etc", "C56 init root", "C66 chmod",
	"C61 rename", "C60 over", "C60 umount", "C60 chroot", "C59 handle", "C59 fsopen", "C59 move", "D78 clone3", "D78 setns",
	"D82 TIOCSTI", "D66 gain", "D76 getfd", "D196 fd", "D197 signal", "D197 limits", "D78 user", "D78 mount", "D78 net",
	"D79 keyctl", "D79 quotactl", "D79 personality", "D79 vmsplice", "A19",
}

// What `nemoclaw NAME verify` tries is refused in a real sandbox, and gets
// through in the control.
func TestTries(t *testing.T) {
	program := launch.LoadTries()
	defer program.Close()
	s := start(t, outside(t), nil)
	inside := tried(t, s.box, program)
	b, err := launch.Outside(t.Context(), program, "nemoclaw-tries", "outside")
	check(t, err)
	control, err := tries.Read(bytes.NewReader(b))
	check(t, err)
	through := 0
	for _, c := range tries.All() {
		in, out := c.Of(inside), c.Of(control)
		t.Logf("%-16s %-10s %-40s inside: %v %s; outside: %v %s", c.ID, c.Wall, c.What, in.Refused, in.Got, out.Refused, out.Got)
		if !in.Refused && !c.Router {
			t.Errorf("%s: %s: %s", c.ID, c.What, in.Got)
		}
		if !out.Refused {
			through++
		} else if slices.Contains(throughOutside, c.ID) {
			t.Errorf("%s: %s: it is refused outside the walls too: %s", c.ID, c.What, out.Got)
		}
	}
	t.Logf("%d of %d tries get through where no wall stands", through, len(tries.All()))
}

// With a wall missing the tries say so.
func TestTriesTellAMissingWall(t *testing.T) {
	program := launch.LoadTries()
	defer program.Close()
	for _, l := range layers {
		t.Run("without "+l.name, func(t *testing.T) {
			inside := tried(t, start(t, outside(t), l.drop).box, program)
			var through []string
			for _, c := range tries.All() {
				if !c.Of(inside).Refused && !c.Router {
					through = append(through, c.ID)
				}
			}
			t.Log(through)
			if want := tellsOf[l.name]; !slices.Contains(through, want) && want != "" {
				t.Errorf("%s was refused all the same", want)
			}
		})
	}
}

// tellsOf is a try that one layer alone refuses. The mounts of a test are those
// of the product with one more.
var tellsOf = map[string]string{"Landlock": "D197 signal", "seccomp": "D76 getfd", "capture": "A5"}

// tried runs the program inside.
func tried(t *testing.T, box *launch.Box, program *launch.Program) map[string]tries.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*patience)
	defer cancel()
	p, err := box.RunProgram(ctx, program, "nemoclaw-tries")
	check(t, err)
	p.Stdin().Close()
	said := make(chan []byte)
	go func() { b, _ := io.ReadAll(p.Stderr()); said <- b }()
	all, err := tries.Read(p.Stdout())
	check(t, err)
	if code, sig, err := p.Wait(); code != 0 || sig != 0 || err != nil {
		t.Errorf("code %d, signal %v, %v: %s", code, sig, err, <-said)
	}
	return all
}
