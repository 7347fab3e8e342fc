package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
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
	return []row{within("onboard shell, warm", took.median(), time.Second)}, nil
}

// measureOpenclaw sets up the openclaw blueprint from a warm store. The
// agent's own start is what lies between its two events in the book.
func measureOpenclaw(ctx context.Context, g *ground) ([]row, error) {
	const name state.Name = "bench-openclaw"
	if err := g.warmStore(); err != nil {
		return nil, err
	}
	rows, err := g.openclaw(ctx, name, "openclaw@0.1.0")
	if err != nil {
		return nil, err
	}
	pinned, err := g.openclaw(ctx, name, "openclaw@0.3.0")
	return append(rows, pinned...), err
}

// openclaw sets one version up, and looks at what one more sandbox of it takes
// on disk once its agent has come up.
func (g *ground) openclaw(ctx context.Context, name state.Name, version string) ([]row, error) {
	total, err := g.onboard(ctx, string(name), "--agent", "openclaw", "--blueprint", version)
	s := state.Home{Dir: g.home()}.Sandbox(name)
	if s.Exists() {
		defer func() { _ = g.destroy(string(name)) }() // the ground's folder goes with all that is left
	}
	if err != nil {
		return nil, err
	}
	own, err := agentsOwn(s)
	if err != nil {
		return nil, err
	}
	disk, err := g.tenMore(ctx, s, version)
	if err != nil {
		return nil, err
	}
	return []row{
		within("onboard "+version+", warm, beyond the agent's own start", total-own, 3*time.Second),
		within("onboard "+version+": the agent's own start", own, 0),
		disk[0], disk[1],
	}, nil
}

// tenMore compares the folders of ten sandboxes with what they share, the
// blueprint's content and its base: sandboxes whose agent was never started,
// which is what we add, and such as s, with what its agent has written since.
func (g *ground) tenMore(ctx context.Context, s state.Sandbox, version string) (rows [2]row, err error) {
	shared, err := g.shared(ctx, version)
	if err != nil {
		return rows, err
	}
	const (
		quiet state.Name = "bench-quiet"
		most             = 0.05
	)
	defer func() { err = errors.Join(err, g.destroy(string(quiet))) }()
	if _, err := g.onboard(ctx, string(quiet), "--agent", "none", "--blueprint", version); err != nil {
		return rows, err
	}
	for i, one := range []struct {
		of   state.Sandbox
		what string
	}{{state.Home{Dir: g.home()}.Sandbox(quiet), "ten sandboxes of " + version}, {s, "the same when their agents have come up"}} {
		own, err := blocks(one.of.Dir())
		if err != nil {
			return rows, err
		}
		ratio := 10 * float64(own) / float64(shared)
		rows[i] = row{
			what: "disk: " + one.what, ours: mebibytes(10 * own), peer: "what they share", theirs: mebibytes(shared),
			ratio: ratio, goal: fmt.Sprintf("≤ %.4g×", most), met: ratio <= most,
		}
	}
	return rows, nil
}

// shared is what all sandboxes of a version take once.
func (g *ground) shared(ctx context.Context, version string) (total int64, err error) {
	ref, err := blueprint.ParseRef(version, "")
	if err != nil {
		return 0, err
	}
	blueprints, err := store.Open(filepath.Join(g.home(), "blueprints"))
	if err != nil {
		return 0, err
	}
	c, err := blueprints.Ensure(ctx, ref, nil)
	if err != nil {
		return 0, err
	}
	for _, dir := range []string{c.Dir, c.Base} {
		if dir == "" {
			continue
		}
		size, err := blocks(dir)
		if err != nil {
			return 0, err
		}
		total += size
	}
	return total, nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// blocks are the bytes that a tree takes on disk, a file with several names
// once.
func blocks(dir string) (total int64, err error) {
	seen := map[uint64]bool{}
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !seen[st.Ino] {
			seen[st.Ino] = true
			total += st.Blocks * 512
		}
		return nil
	})
	return total, err
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
