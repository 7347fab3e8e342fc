package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// onboards is how often the shell blueprint is set up.
const onboards = 5

// measureOnboard sets up the shell blueprint; the last one stays for the other
// chapters.
func measureOnboard(ctx context.Context, g *ground) ([]row, error) {
	var took sample
	for i := range onboards {
		if i > 0 {
			if err := g.destroy(box); err != nil {
				return nil, err
			}
			g.running = false
		}
		t, err := g.onboardShell(ctx)
		if err != nil {
			return nil, err
		}
		g.running = true
		took = append(took, t)
	}
	return []row{within("onboard shell, warm", took.median(), 3*time.Second)}, nil
}

// measureOpenclaw sets up the openclaw blueprint from a warm store. The
// agent's own start is what lies between its two events in the book.
func measureOpenclaw(ctx context.Context, g *ground) ([]row, error) {
	const name = "bench-openclaw"
	if err := g.warmStore(); err != nil {
		return nil, err
	}
	total, err := g.onboard(ctx, name, "--agent", "openclaw", "--blueprint", "openclaw@0.1.0")
	s := state.Home{Dir: g.home()}.Sandbox(name)
	if s.Exists() {
		defer func() { _ = g.destroy(name) }() // the ground's folder goes with all that is left
	}
	if err != nil {
		return nil, err
	}
	own, err := agentsOwn(s)
	if err != nil {
		return nil, err
	}
	return []row{
		within("onboard openclaw, warm, beyond the agent's own start", total-own, 10*time.Second),
		within("onboard openclaw: the agent's own start", own, 0),
	}, nil
}

// agentsOwn is the time from the agent's start to its first healthy answer.
func agentsOwn(s state.Sandbox) (time.Duration, error) {
	var started, healthy time.Time
	err := audit.Read(s.AuditDir(), func(e audit.Event) error {
		switch {
		case e.Kind == audit.Agent && e.Verdict == "started" && started.IsZero():
			started = e.Time
		case e.Kind == audit.Agent && e.Verdict == "healthy" && healthy.IsZero():
			healthy = e.Time
		}
		return nil
	})
	if err == nil && (started.IsZero() || healthy.IsZero()) {
		err = errors.New("the book does not say when the agent started and was healthy")
	}
	return healthy.Sub(started), err
}

// warmStore gives our state folder what .cache/blueprints has, by hard links:
// nobody writes to what a store holds.
func (g *ground) warmStore() error {
	from, to := filepath.Join(g.root, ".cache", "blueprints"), filepath.Join(g.home(), "blueprints")
	if done, err := filepath.Glob(filepath.Join(from, "content", "*", "index*")); err != nil || len(done) == 0 {
		return errors.New("needs a warm store: go run ./test/e2e/warm .cache/blueprints openclaw shell")
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return relink(path, filepath.Join(to, rel), d)
	})
}

func relink(from, to string, d os.DirEntry) error {
	switch {
	case d.IsDir():
		i, err := d.Info()
		if err != nil {
			return err
		}
		return os.MkdirAll(to, i.Mode().Perm()|0o200)
	case d.Type()&os.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	if err := os.Link(from, to); err != nil {
		return fmt.Errorf("warm the store: %w", err)
	}
	return nil
}
