package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// place is where a group of ours can be made: below each of parents.
type place struct {
	version int
	parents []string
}

// controllers are those that the limits need on v1.
var controllers = []string{"memory", "pids", "cpu"}

// find looks for a writable place: a delegated v2 folder beside our own, or
// the v1 controllers.
func find(root fs.FS) (place, error) {
	own, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return place{}, errors.New("this kernel has no control groups")
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return place{}, err
	}
	v1, v2 := hierarchies(mounts)
	mine := memberships(own)
	if v2 != "" {
		if dir, ok := delegated(v2, mine[""]); ok {
			return place{2, []string{dir}}, nil
		}
	}
	if p := v1Parents(v1, mine); len(p) > 0 {
		return place{1, p}, nil
	}
	return place{}, errors.New("no control group is delegated to this user")
}

// delegated is the nearest folder above our own in which we may make others
// and which hands memory on.
func delegated(mount, own string) (string, bool) {
	for dir := path.Dir(path.Join("/", own)); ; dir = path.Dir(dir) {
		full := path.Join(mount, dir)
		if unix.Access(path.Join(full, "cgroup.procs"), unix.W_OK) == nil && hasMemory(full) {
			return full, true
		}
		if dir == "/" {
			return "", false
		}
	}
}

func hasMemory(dir string) bool {
	b, err := os.ReadFile(path.Join(dir, "cgroup.controllers"))
	return err == nil && slices.Contains(strings.Fields(string(b)), "memory")
}

func v1Parents(mounts map[string]string, mine map[string]string) []string {
	var out []string
	for _, c := range controllers {
		mount, ok := mounts[c]
		if !ok {
			continue
		}
		dir := path.Join(mount, mine[c])
		if unix.Access(dir, unix.W_OK) != nil {
			return nil
		}
		if !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}

// hierarchies finds the mount of v2 and, by controller, those of v1
// (proc_pid_mountinfo(5)).
func hierarchies(mountinfo []byte) (v1 map[string]string, v2 string) {
	v1 = map[string]string{}
	s := bufio.NewScanner(bytes.NewReader(mountinfo))
	for s.Scan() {
		before, after, ok := strings.Cut(s.Text(), " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 3 {
			continue
		}
		switch g[0] {
		case "cgroup2":
			v2 = f[4]
		case "cgroup":
			for _, c := range strings.Split(g[2], ",") {
				v1[c] = f[4]
			}
		}
	}
	return v1, v2
}

// memberships is our own path by controller, "" for v2 (cgroups(7)).
func memberships(own []byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(own)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		for _, c := range strings.Split(f[1], ",") {
			out[c] = f[2]
		}
	}
	return out
}
