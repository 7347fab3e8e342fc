package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDiskOfChanges makes the disk full at many moments of everything that changes a
// sandbox or the store: on a disk that has room for a tenth of what it writes,
// then for two, and so on. As long as there is too little, it is refused and the
// cause is named, the sandbox that ran goes on running, whole, and nothing of
// the try is left; with room enough it is done.
func TestFullDiskOfChanges(t *testing.T) {
	h := newHome(t)
	if err := os.Mkdir(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const size = 96 << 20
	if err := unix.Mount("tmpfs", h.dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,mode=700", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // before the folder goes
		h.end()
		if err := unix.Unmount(h.dir, 0); err != nil {
			t.Error(err)
		}
	})
	before := h.census()
	b := h.shell("box", "")
	b.save(b.file("sandbox.yaml"), regexp.MustCompile(`(?m)^( *)tmp_bytes: .*$`).ReplaceAllString(b.text(b.file("sandbox.yaml")), "$0\n${1}disk_reserve_bytes: 1"))
	b.do("rebuild")
	b.sh("mkdir /sandbox/d; for i in $(seq 40); do head -c 100000 /dev/urandom > /sandbox/d/$i; done")
	d := &smallDisk{box: b, files: b.sh(sumOfFiles).out}
	recipe := filepath.Join(t.TempDir(), "shell")
	tool(t, "cp", "-r", "../../blueprints/shell/0.1.0", recipe)
	b.save(filepath.Join(recipe, "blueprint.yaml"), strings.Replace(b.text(filepath.Join(recipe, "blueprint.yaml")), "version: 0.1.0", "version: 0.2.0\nfiles: [{path: big, file: big}]", 1))
	big := make([]byte, 3<<20)
	for i := range big {
		big[i] = byte(i * i >> 7)
	}
	b.save(filepath.Join(recipe, "big"), string(big))
	layout := t.TempDir() // on another disk
	h.must("blueprint", "build", recipe)
	h.must("blueprint", "push", "shell@0.2.0", layout)
	h.must("blueprint", "cache", "clear")

	d.tries("blueprint build", 4<<20, nil, "blueprint", "build", recipe)
	h.must("blueprint", "cache", "clear")
	d.tries("blueprint pull", 4<<20, nil, "blueprint", "pull", "--unsigned", layout+":0.2.0")
	d.tries("snapshot create", 5<<20, func() { d.dropSnapshots() }, "box", "snapshot", "create")
	packed := filepath.Join(h.dir, "packed.tar.gz")
	d.tries("snapshot export", 10<<20, nil, "box", "snapshot", "export", packed)
	d.tries("snapshot import", 10<<20, func() { h.must("twin", "destroy", "--yes") }, "snapshot", "import", packed, "--name", "twin")
	h.must("box", "snapshot", "create")
	saved := strings.TrimSpace(b.do("snapshot", "create"))
	d.tries("snapshot restore", 5<<20, nil, "box", "snapshot", "restore", saved)
	d.tries("upgrade", 14<<20, nil, "box", "upgrade", "--blueprint", "v0.2.0")
	b.do("audit", "verify")
	b.do("destroy", "--yes")
	if err := os.Remove(packed); err != nil {
		t.Error(err)
	}
	h.gone(before)
}

const sumOfFiles = "cd /sandbox/d && cat $(ls | sort -n) | sha256sum"

// smallDisk is a sandbox on a small disk of its own.
type smallDisk struct {
	*box
	files string
}

// tries runs a command with room for more and more of what it needs. undo takes
// back what the last try, which went well, has made.
func (d *smallDisk) tries(what string, needs int64, undo func(), args ...string) {
	d.Helper()
	before := d.names()
	failed, last := 0, result{}
	for tenth := range int64(12) {
		free := needs * tenth / 10
		d.fill(free)
		r := d.nemoclaw(args...)
		d.fill(-1)
		if r.code == 0 {
			d.Logf("%s: with %d kB free it went well, after %d that were refused", what, free>>10, failed)
			if failed == 0 {
				d.Errorf("%s: a full disk did not stop it", what)
			}
			d.whole(what)
			if undo != nil {
				undo()
			}
			return
		}
		failed, last = failed+1, r
		if !slices.ContainsFunc([]string{"no space left on device", "free", "disk"}, func(w string) bool { return strings.Contains(r.err, w) }) {
			d.Errorf("%s with %d kB free: the cause is not named: %s", what, free>>10, r)
		}
		d.whole(fmt.Sprintf("%s with %d kB free", what, free>>10))
		if now := d.names(); !slices.Equal(now, before) {
			d.Errorf("%s with %d kB free: left behind: %v", what, free>>10, minus(now, before))
		}
	}
	d.Fatalf("%s: it never went well: %s", what, last)
}

// fill leaves so many bytes free; all of them with -1.
func (d *smallDisk) fill(free int64) {
	d.Helper()
	name := filepath.Join(d.dir, "filler")
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		d.Fatal(err)
	}
	if free < 0 {
		return
	}
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		d.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		d.Fatal(err)
	}
	defer f.Close()
	if n := int64(st.Bavail)*st.Bsize - free; n > 0 {
		if err := unix.Fallocate(int(f.Fd()), 0, 0, n); err != nil {
			d.Fatal(err)
		}
	}
}

// whole holds that the sandbox runs and that its files are what they were.
func (d *smallDisk) whole(what string) {
	d.Helper()
	// Without a byte left it may have been paused; with some it goes on by itself.
	d.await(what+": that it runs", func() bool { return d.status().Healthy })
	if st := d.status(); !st.Blueprint.Verified {
		d.Errorf("%s: %+v", what, st)
	}
	if now := d.sh(sumOfFiles).out; now != d.files {
		d.Errorf("%s: the files are %q, were %q", what, now, d.files)
	}
}

// names are the files below the home but those that are written to all the time,
// and content that was unpacked whole, which is there for the next try.
func (d *smallDisk) names() (all []string) {
	_ = filepath.WalkDir(d.dir, func(name string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(d.dir, name)
		switch {
		case err != nil, strings.Contains(rel, "/workspace/"), strings.Contains(rel, "/run/"), strings.Contains(rel, "/audit/"),
			strings.HasPrefix(rel, "anchors"), strings.Contains(rel, "blueprints/locks/"),
			strings.HasPrefix(rel, "blueprints/content/") && !strings.Contains(rel, "/."):
		default:
			all = append(all, rel)
		}
		return nil
	})
	return all
}

func (d *smallDisk) dropSnapshots() {
	entries, _ := os.ReadDir(d.file("snapshots"))
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			d.do("snapshot", "remove", e.Name())
		}
	}
}

func minus(all, without []string) (left []string) {
	for _, one := range all {
		if !slices.Contains(without, one) {
			left = append(left, one)
		}
	}
	return left
}
