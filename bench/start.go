package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"time"
)

// Turns of the quick contenders; the slow ones take part in every fifth.
const (
	startTurns = 30
	slow       = 5
)

// measureStart starts /bin/true in every sandbox that this machine has.
func measureStart(ctx context.Context, g *ground) ([]row, error) {
	if err := g.ready(ctx); err != nil {
		return nil, err
	}
	work := filepath.Join(g.dir, "work")
	cold := &contender{name: "run", once: func(ctx context.Context) (time.Duration, error) {
		return timed(g.command(ctx, "run", "--", "/bin/true"))
	}}
	warm := &contender{name: "exec", once: func(ctx context.Context) (time.Duration, error) {
		return timed(g.command(ctx, box, "exec", "--", "/bin/true"))
	}}
	bwrap := argv("bwrap --unshare-all --ro-bind / /", bwrapWhole(work))
	built := argv("bwrap --unshare-all, root built up", bwrapBuilt(work))
	peers := []*contender{
		bwrap, built,
		argv("firejail --noprofile --net=none --seccomp", []string{"firejail", "--quiet", "--noprofile", "--net=none", "--caps.drop=all", "--nonewprivs", "--seccomp", "--", "/bin/true"}),
		runc(ctx, g, work), docker(ctx, g), srt(ctx, g, work),
		argv("no sandbox at all", []string{"/bin/true"}),
	}
	all := []*contender{cold, warm}
	for _, p := range peers {
		if p.out == nil {
			_, p.out = p.once(ctx) // once to warm up, or to learn why it cannot
		}
		if p.out != nil {
			g.lacks(p.name, p.out)
			continue
		}
		all = append(all, p)
	}
	race(ctx, startTurns, all)
	return startRows(g, cold, warm, all[2:]), nil
}

func startRows(g *ground, cold, warm *contender, peers []*contender) []row {
	var rows []row
	for _, ours := range []struct {
		c    *contender
		what string
		goal float64
	}{{cold, "start: `nemoclaw run -- /bin/true`, cold", 2}, {warm, "start: `nemoclaw NAME exec -- /bin/true`", 1}} {
		if ours.c.out != nil {
			g.lacks(ours.what, ours.c.out)
			continue
		}
		for i, p := range peers {
			goal := ours.goal
			if i > 1 || p.name[:5] != "bwrap" {
				goal = 0 // the goals are set against bwrap
			}
			rows = append(rows, beside(ours.what, ours.c.took.median(), p.name, p.took.median(), goal))
		}
	}
	for _, p := range peers {
		if p.out != nil {
			g.lacks(p.name, p.out)
		}
	}
	return rows
}

// argv is a contender that is one program.
func argv(name string, args []string) *contender {
	c := &contender{name: name}
	if _, err := exec.LookPath(args[0]); err != nil {
		c.out = err
	}
	c.once = func(ctx context.Context) (time.Duration, error) {
		return timed(exec.CommandContext(ctx, args[0], args[1:]...))
	}
	return c
}

// bwrapWhole shows the machine's own root, read-only.
func bwrapWhole(work string) []string {
	return []string{"bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
		"--tmpfs", "/tmp", "--bind", work, work, "--chdir", work, "/bin/true"}
}

// bwrapBuilt builds a root from nothing, as nemoclaw does.
func bwrapBuilt(work string) []string {
	args := []string{"bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr"}
	for _, d := range systemFolders() {
		if d.target != "" {
			args = append(args, "--symlink", d.target, d.path)
		} else {
			args = append(args, "--ro-bind", d.path, d.path)
		}
	}
	for _, f := range []string{"/etc/passwd", "/etc/group", "/etc/hosts", "/etc/resolv.conf", "/etc/ssl", "/etc/ld.so.cache"} {
		args = append(args, "--ro-bind-try", f, f)
	}
	return append(args, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", work, "/sandbox",
		"--chdir", "/sandbox", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", "/sandbox", "/bin/true")
}
