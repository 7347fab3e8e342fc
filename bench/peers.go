package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// systemFolder is /bin and its like: a folder, or a link into /usr.
type systemFolder struct{ path, target string }

func systemFolders() []systemFolder {
	var all []systemFolder
	for _, p := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64"} {
		if target, err := os.Readlink(p); err == nil {
			all = append(all, systemFolder{p, target})
		} else if _, err := os.Stat(p); err == nil {
			all = append(all, systemFolder{path: p})
		}
	}
	return all
}

// runc runs a bundle made of its own `runc spec`, with the system's folders
// bound read-only as everywhere else here.
func runc(ctx context.Context, g *ground, work string) *contender {
	bundle := filepath.Join(g.dir, "runc")
	c := &contender{name: "runc run"}
	c.out = makeBundle(ctx, bundle, work)
	turn := 0
	c.once = func(ctx context.Context) (time.Duration, error) {
		turn++
		return timed(exec.CommandContext(ctx, "runc", "--root", filepath.Join(bundle, "state"), "run", "--bundle", bundle,
			fmt.Sprintf("%s-%d", filepath.Base(g.dir), turn)))
	}
	return c
}

func makeBundle(ctx context.Context, bundle, work string) error {
	if _, err := exec.LookPath("runc"); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("needs root with this bundle")
	}
	if err := os.MkdirAll(filepath.Join(bundle, "rootfs"), 0o755); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "runc", "spec", "--bundle", bundle).CombinedOutput(); err != nil {
		return fmt.Errorf("runc spec: %w: %s", err, lastLine(string(out)))
	}
	path := filepath.Join(bundle, "config.json")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(b, &config); err != nil {
		return err
	}
	process, okP := config["process"].(map[string]any)
	mounts, okM := config["mounts"].([]any)
	if !okP || !okM {
		return errors.New("runc spec: no process or no mounts")
	}
	process["terminal"], process["args"], process["cwd"] = false, []string{"/bin/true"}, "/sandbox"
	bind := func(from, to, mode string) {
		mounts = append(mounts, map[string]any{"destination": to, "source": from, "type": "bind", "options": []string{"rbind", mode, "nosuid", "nodev"}})
	}
	bind("/usr", "/usr", "ro")
	for _, d := range systemFolders() {
		if d.target == "" {
			bind(d.path, d.path, "ro")
		} else if err := os.Symlink(d.target, filepath.Join(bundle, "rootfs", d.path)); err != nil {
			return err
		}
	}
	bind(work, "/sandbox", "rw")
	config["mounts"] = mounts
	if b, err = json.Marshal(config); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// docker runs an image that holds the probe alone.
func docker(ctx context.Context, g *ground) *contender {
	image := filepath.Base(g.dir)
	c := &contender{name: "docker run --network none", every: slow}
	c.once = func(ctx context.Context) (time.Duration, error) {
		return timed(exec.CommandContext(ctx, "docker", "run", "--rm", "--network", "none", "--read-only", image, "/probe", "nothing"))
	}
	if _, c.out = exec.LookPath("docker"); c.out != nil {
		return c
	}
	if _, c.out = timed(exec.CommandContext(ctx, "docker", "version")); c.out != nil {
		c.out = fmt.Errorf("no engine answers: %w", c.out)
		return c
	}
	if c.out = importImage(ctx, image, g.probe); c.out == nil {
		g.closers = append(g.closers, func() error {
			_, err := timed(exec.Command("docker", "image", "rm", "--force", image))
			return err
		})
	}
	return c
}

func importImage(ctx context.Context, image, program string) error {
	b, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "probe", Mode: 0o755, Size: int64(len(b))}); err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	load := exec.CommandContext(ctx, "docker", "import", "-", image)
	load.Stdin = &layer
	_, err = timed(load)
	return err
}
