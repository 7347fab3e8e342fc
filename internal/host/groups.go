package host

import (
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// groups is where control groups are mounted and in which of them we live
// (cgroups(7), proc_pid_mountinfo(5)).
type groups struct {
	root    string
	unified string            // mount of version 2, "" for none
	v1      map[string]string // mounts of version 1, by controller
	mine    map[string]string // our own path by controller, "" for version 2
	systemd bool              // a systemd of this user's own is running
}

func groupsOf(root string) groups {
	g := groups{root: root, v1: map[string]string{}, mine: map[string]string{}}
	for l := range strings.Lines(text(root, "proc/self/mountinfo")) {
		before, after, _ := strings.Cut(l, " - ")
		b, a := strings.Fields(before), strings.Fields(after)
		if len(b) < 5 || len(a) < 3 {
			continue
		}
		switch a[0] {
		case "cgroup2":
			g.unified = b[4]
		case "cgroup":
			for _, c := range strings.Split(a[2], ",") {
				g.v1[c] = b[4]
			}
		}
	}
	for l := range strings.Lines(text(root, "proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(l), ":", 3)
		if len(f) != 3 {
			continue
		}
		for _, c := range strings.Split(f[1], ",") {
			g.mine[c] = f[2]
		}
	}
	g.systemd = strings.Contains(g.mine[""], "/user@") || strings.Contains(g.mine["name=systemd"], "/user@")
	return g
}

// writable says where a group of ours could be made.
func (g groups) writable() Cgroup {
	c := Cgroup{Unified: g.unified != "" && g.hasMemory(g.unified), Mounted: g.unified != "" || len(g.v1) > 0, Systemd: g.systemd}
	if g.unified != "" {
		for dir := path.Join("/", g.mine[""]); ; dir = path.Dir(dir) {
			full := path.Join(g.unified, dir)
			if g.hasMemory(full) && g.mayWrite(path.Join(full, "cgroup.procs")) {
				c.Version, c.Path = 2, full
				return c
			}
			if dir == "/" {
				break
			}
		}
	}
	if mount, ok := g.v1["memory"]; ok {
		if dir := path.Join(mount, g.mine["memory"]); g.mayWrite(dir) {
			c.Version, c.Path = 1, dir
		}
	}
	return c
}

func (g groups) hasMemory(dir string) bool {
	return slices.Contains(strings.Fields(text(g.root, path.Join(dir, "cgroup.controllers"))), "memory")
}

func (g groups) mayWrite(p string) bool {
	return unix.Access(filepath.Join(g.root, p), unix.W_OK) == nil
}

// limit is the tightest memory limit from our own group upwards, and whose it
// is; 0 where there is none.
func (g groups) limit() (bytes uint64, by string) {
	mount, dir, file := g.unified, g.mine[""], "memory.max"
	if m, ok := g.v1["memory"]; ok {
		mount, dir, file = m, g.mine["memory"], "memory.limit_in_bytes"
	}
	if mount == "" {
		return 0, ""
	}
	for dir = path.Join("/", dir); ; dir = path.Dir(dir) {
		// "max", and version 1's largest number of pages, mean none.
		n, err := strconv.ParseUint(line(g.root, path.Join(mount, dir, file)), 10, 64)
		if err == nil && n < math.MaxInt64/2 && (bytes == 0 || n < bytes) {
			bytes, by = n, path.Join(mount, dir)
		}
		if dir == "/" {
			return bytes, by
		}
	}
}

func memory(root string, g groups) Memory {
	var m Memory
	for l := range strings.Lines(text(root, "proc/meminfo")) {
		f := strings.Fields(l)
		if len(f) < 2 {
			continue
		}
		kib, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil {
			continue
		}
		switch f[0] {
		case "MemTotal:":
			m.Total = kib << 10
		case "MemAvailable:":
			m.Available = kib << 10
		case "SwapTotal:":
			m.Swap = kib << 10
		}
	}
	m.Limit, m.LimitedBy = g.limit()
	return m
}
