package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
)

// rollbacks is how often the shared sandbox goes back and forth.
const rollbacks = 6

// measureBlueprint rolls the shared sandbox back, and unpacks real packages
// beside tar and sha256sum.
func measureBlueprint(ctx context.Context, g *ground) ([]row, error) {
	if err := g.ready(ctx); err != nil {
		return nil, err
	}
	for _, args := range [][]string{{box, "set-inference-url", g.model.URL}, {box, "rebuild"}} { // the router's chapter had a model of its own
		if _, err := timed(g.command(ctx, args...)); err != nil {
			return nil, err
		}
	}
	var took sample
	for i := range rollbacks {
		t, err := timed(g.command(ctx, box, "rollback", "--to", fmt.Sprint(1+i%2)))
		if err != nil {
			return nil, err
		}
		took = append(took, t)
	}
	rows := []row{within("rollback of a shell that runs, to healthy", took.median(), time.Second)}
	ours, theirs, err := g.unpacking(ctx)
	if err != nil {
		return rows, err
	}
	// The speed shall be 0.7 of theirs at least, so the time 1/0.7.
	return append(rows, beside("unpack and hash the packages of openclaw@0.1.0", ours, "tar, sha256sum", theirs, 1/0.7)), nil
}

// unpacking is the time from fetched tarballs to content whose every file was
// hashed: by the store, which hashes the tarballs too, and by the two programs.
func (g *ground) unpacking(ctx context.Context) (ours, theirs time.Duration, err error) {
	from, dir := filepath.Join(g.root, ".cache", "blueprints", "blobs"), filepath.Join(g.dir, "unpacking")
	if _, err := os.Stat(from); err != nil {
		return 0, 0, errors.New("needs a warm store: go run ./test/e2e/warm .cache/blueprints openclaw shell")
	}
	all, err := blueprint.Builtin()
	if err != nil {
		return 0, 0, err
	}
	openclaw := all[slices.IndexFunc(all, func(a blueprint.Artifact) bool { return a.Manifest.Name == blueprint.Default })]
	lock, err := openclaw.Lock()
	if err != nil {
		return 0, 0, err
	}
	packages, err := lock.For(blueprint.Here())
	if err != nil {
		return 0, 0, err
	}
	blobs := filepath.Join(dir, "store", "blobs", "sha512")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		return 0, 0, err
	}
	for _, p := range packages {
		name := p.Integrity.Hex()
		if err := os.Link(filepath.Join(from, "sha512", name), filepath.Join(blobs, name)); err != nil && !errors.Is(err, os.ErrExist) {
			return 0, 0, err
		}
	}
	if theirs, err = timed(exec.CommandContext(ctx, "sh", "-c", `mkdir "$1" && cd "$1" && for f in "$0"/*; do d=${f##*/} && mkdir "$d" && tar -xzf "$f" -C "$d" || exit 1; done && sync -f . && find . -type f -print0 | xargs -0 sha256sum >/dev/null`,
		blobs, filepath.Join(dir, "theirs"))); err != nil {
		return 0, 0, err
	}
	s, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	_, err = s.Ensure(ctx, openclaw.Manifest.Ref(), nil)
	return time.Since(began), theirs, err
}
