package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// census is what there is in the world that a sandbox could leave behind.
type census struct {
	processes map[string]string // by pid: the command line
	mounts    map[string]string
	cgroups   map[string]string
	sockets   map[string]string // that listen, or have a path
	files     map[string]string // of the home and of its temporary folder
}

func (h *home) census() census {
	h.Helper()
	c := census{processes: processes(), mounts: map[string]string{}, cgroups: map[string]string{}, sockets: map[string]string{}, files: map[string]string{}}
	for line := range strings.Lines(read("/proc/self/mountinfo")) {
		if f := strings.Fields(line); len(f) > 4 {
			c.mounts[f[4]] = line
		}
	}
	for _, dir := range h.cgroups() {
		c.cgroups[dir] = dir
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		for line := range strings.Lines(read("/proc/net/" + table)) {
			f := strings.Fields(line)
			if len(f) > 3 && f[3] == "0A" || strings.HasPrefix(table, "udp") && len(f) > 3 {
				c.sockets[table+" "+f[1]] = line
			}
		}
	}
	for line := range strings.Lines(read("/proc/net/unix")) {
		if f := strings.Fields(line); len(f) == 8 {
			c.sockets[f[7]] = line
		}
	}
	c.walk(filepath.Dir(h.dir))
	entries, _ := os.ReadDir(h.tmp())
	for _, e := range entries { // an empty folder, too
		if strings.HasPrefix(e.Name(), "nemoclaw") {
			c.files[e.Name()] = e.Name()
		}
	}
	return c
}

// cgroups are the control groups of this home's sandboxes, at any depth: that is
// another one for each session.
func (h *home) cgroups() (all []string) {
	_ = filepath.WalkDir("/sys/fs/cgroup", func(dir string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && strings.HasPrefix(e.Name(), "nemoclaw-") && h.owns(e.Name()) {
			all = append(all, dir)
		}
		return nil // a group may end while we look
	})
	return all
}

// cgroupsOf are those of one sandbox.
func (h *home) cgroupsOf(name string) []string {
	return slices.DeleteFunc(h.cgroups(), func(dir string) bool {
		return !strings.HasPrefix(filepath.Base(dir), "nemoclaw-"+name+"-")
	})
}

// owns says whether a control group is of a sandbox of this home: others may
// run on the machine meanwhile.
func (h *home) owns(group string) bool {
	rest := strings.TrimPrefix(group, "nemoclaw-")
	i := strings.LastIndexByte(rest, '-')
	if i < 0 {
		return false
	}
	box := filepath.Join(h.dir, rest[:i])
	return slices.ContainsFunc([]string{box, filepath.Join(box, "trial")}, func(dir string) bool {
		sum := sha256.Sum256([]byte(dir))
		return rest[i+1:] == hex.EncodeToString(sum[:4])
	})
}

// walk notes every file but what a home keeps for good, the store of blueprints and
// its empty folders, and what is temporary.
func (c census) walk(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it went while we looked
		}
		if d.IsDir() && (d.Name() == "blueprints" || path == filepath.Join(dir, "tmp")) {
			return fs.SkipDir
		}
		if !d.IsDir() {
			c.files[path] = d.Type().String()
		}
		return nil
	})
}

// processes are all of the world but the tests themselves and the model
// server's runners, which come and go as it likes.
func processes() map[string]string {
	all := map[string]string{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		line := strings.ReplaceAll(read("/proc/"+e.Name()+"/cmdline"), "\x00", " ")
		if line != "" && !strings.Contains(line, "/ollama ") { // a zombie has no line
			all[e.Name()] = line
		}
	}
	return all
}

func read(path string) string {
	b, _ := os.ReadFile(path) // what is gone is empty
	return string(b)
}

// gone waits until there is nothing that was not there before.
func (h *home) gone(before census) {
	h.Helper()
	h.processesGone(before)
	now := h.census()
	for _, kind := range []struct {
		name    string
		was, is map[string]string
	}{{"mounts", before.mounts, now.mounts}, {"cgroups", before.cgroups, now.cgroups}, {"sockets", before.sockets, now.sockets}, {"files", before.files, now.files}} {
		if left := newer(kind.was, kind.is); len(left) > 0 {
			h.Errorf("left: %s: %q", kind.name, left)
		}
	}
}

// processesGone waits for those that came since.
func (h *home) processesGone(before census) {
	h.Helper()
	h.await("the end of every process", func() bool {
		left := newer(before.processes, processes())
		return len(left) == 0
	})
}

func newer(was, now map[string]string) []string {
	var left []string
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if _, there := was[key]; !there {
			left = append(left, now[key])
		}
	}
	return left
}
