package escape

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/plan"
)

// agentID is who the sandbox's user is on the host, when root runs the tests.
const agentID = 200000

// sandbox is a real one, of the real plan, with this test at its edge in the
// supervisor's place.
type sandbox struct {
	box  *launch.Box
	edge *edge
	args world
}

// start makes one for w; change may take walls away from its spec.
func start(t *testing.T, w world, change func(*spec.Spec, *world)) *sandbox {
	t.Helper()
	work := filepath.Join(w.Folder, "workspace")
	check(t, os.Mkdir(work, 0o755))
	exe, err := os.Executable()
	check(t, err)
	b, err := os.ReadFile(exe)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(work, "escape.test"), b, 0o755))
	check(t, os.Mkdir(filepath.Join(work, "scratch"), 0o755))
	if os.Getuid() == 0 {
		check(t, filepath.WalkDir(work, func(p string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Chown(p, agentID, agentID)
		}))
	}
	s, err := plan.Make(plan.Input{
		Name: "escapes", System: host.System(), Workspace: work,
		Mounts: []plan.Mount{{Host: w.Shared, Target: "/sandbox/shared", ReadOnly: true}},
		Limits: plan.Limits{Pids: 1024, Files: 1024, TmpBytes: 256 << 20},
	})
	check(t, err)
	w.Root, w.System = "/", "/usr/bin/env"
	w.Shared, w.Bound, w.Scratch = "/sandbox/shared", "/sandbox/shared", "/sandbox/scratch"
	if change != nil {
		change(&s, &w)
	}
	t.Setenv("KEY_OF_THE_OPERATOR", w.Token)
	box, err := launch.Start(t.Context(), s, launch.Options{UID: agentID, GID: agentID, Stderr: os.Stderr})
	if err != nil {
		t.Fatalf("start sandbox: %v", err)
	}
	t.Cleanup(func() { box.Kill(); box.Wait() })
	return &sandbox{box, watch(t, box), w}
}

// attack runs a case inside.
func (s *sandbox) attack(t *testing.T, c attackCase) outcome {
	t.Helper()
	b, err := json.Marshal(s.args)
	check(t, err)
	out, err := s.run(t, "/sandbox/escape.test", attackWord, c.id, string(b))
	return read(out, err)
}

// run starts a program inside and gives what it said on both streams.
func (s *sandbox) run(t *testing.T, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*patience)
	defer cancel()
	p, err := s.box.Run(ctx, spec.Command{Argv: argv})
	if err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { p.Signal(9) })
	defer stop()
	p.Stdin().Close()
	said := make(chan []byte)
	go func() { said <- begun(p.Stderr()) }()
	out := begun(p.Stdout())
	out = bytes.Join([][]byte{out, <-said}, nil)
	code, sig, err := p.Wait()
	switch {
	case err != nil:
		return string(out), err
	case sig != 0:
		return string(out), ended{"killed by " + sig.String()}
	case code != 0:
		return string(out), ended{"failed"}
	}
	return string(out), nil
}

// begun reads r to its end and keeps how it began: a flood is not kept whole.
func begun(r io.Reader) []byte {
	b, _ := io.ReadAll(io.LimitReader(r, 8<<20))
	_, _ = io.Copy(io.Discard, r) // it ends with the program
	return b
}

type ended struct{ how string }

func (e ended) Error() string { return e.how }
