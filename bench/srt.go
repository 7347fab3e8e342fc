package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// srtPackage is Anthropic's sandbox-runtime, as npm has it.
const srtPackage = "@anthropic-ai/sandbox-runtime@0.0.83"

// srtPolicy denies the network and lets it write to /tmp.
const srtPolicy = `{"network":{"allowedDomains":[],"deniedDomains":[]},"filesystem":{"denyRead":[],"allowWrite":["/tmp"],"denyWrite":[]}}`

// srt is installed by npm below .cache/peers, once. It needs bwrap, socat and
// ripgrep; on Debian and its like the two are unpacked there, not installed.
func srt(ctx context.Context, g *ground, work string) *contender {
	c := &contender{name: "srt (sandbox-runtime)", every: slow}
	dir := srtFolder(g)
	settings := filepath.Join(g.dir, "srt.json")
	env, err := makeSRT(ctx, dir, settings)
	c.out = err
	c.once = func(ctx context.Context) (time.Duration, error) {
		run := exec.CommandContext(ctx, filepath.Join(dir, "node_modules", ".bin", "srt"), "-s", settings, "-c", "/bin/true")
		run.Dir, run.Env = work, env
		return timed(run)
	}
	return c
}

func makeSRT(ctx context.Context, dir, settings string) (env []string, err error) {
	for _, needed := range []string{"bwrap"} {
		if _, err := exec.LookPath(needed); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(settings, []byte(srtPolicy), 0o600); err != nil {
		return nil, err
	}
	if err := installSRT(ctx, dir); err != nil {
		return nil, err
	}
	return toolsFor(ctx, filepath.Join(dir, "tools"))
}

func srtFolder(g *ground) string { return filepath.Join(g.root, ".cache", "peers", "srt") }

// installSRT installs the package in dir, once.
func installSRT(ctx context.Context, dir string) error {
	for _, needed := range []string{"node", "npm"} {
		if _, err := exec.LookPath(needed); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".bin", "srt")); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	say("installing %s in %s", srtPackage, dir)
	return in(ctx, dir, "npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", dir, srtPackage)
}

// toolsFor is an environment in which socat and rg are found.
func toolsFor(ctx context.Context, dir string) ([]string, error) {
	_, noSocat := exec.LookPath("socat")
	_, noRipgrep := exec.LookPath("rg")
	if noSocat == nil && noRipgrep == nil {
		return os.Environ(), nil
	}
	bin := filepath.Join(dir, "usr", "bin")
	if _, err := os.Stat(filepath.Join(bin, "rg")); err != nil {
		if err := unpackTools(ctx, dir); err != nil {
			return nil, errors.Join(noSocat, noRipgrep, err)
		}
	}
	libraries := ""
	for _, pattern := range []string{"lib/*-linux-gnu", "usr/lib/*-linux-gnu"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			libraries += l + ":"
		}
	}
	return append(os.Environ(), "PATH="+os.Getenv("PATH")+":"+bin, "LD_LIBRARY_PATH="+libraries+os.Getenv("LD_LIBRARY_PATH")), nil
}

// unpackTools fetches the packages of this system's own source and unpacks
// them in dir, so that nothing on the machine changes.
func unpackTools(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := in(ctx, dir, "apt-get", "download", "socat", "ripgrep", "libwrap0"); err != nil {
		return err
	}
	packages, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, p := range packages {
		if err := in(ctx, dir, "dpkg", "-x", p, dir); err != nil {
			return err
		}
	}
	return nil
}

// in runs one program in dir.
func in(ctx context.Context, dir string, argv ...string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir = dir
	if _, err := timed(c); err != nil {
		return fmt.Errorf("prepare a peer: %w", err)
	}
	return nil
}
