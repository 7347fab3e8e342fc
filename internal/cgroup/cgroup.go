package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// Limits are a sandbox's shares; 0 is no limit.
type Limits struct {
	MemoryBytes int64
	Pids        int
	CPUs        float64 // of one core's time
}

// Group is one sandbox's control group. The zero Group limits nothing.
type Group struct {
	version int // 1 or 2; 0 for none
	name    string
	dirs    []string   // of v2 one, of v1 one a controller
	held    []*os.File // of dirs: locked, so that no Sweep takes them while they are empty
	limits  Limits
	why     string // of version 0
}

// Make makes the group called name and sets its limits, after a Sweep. A machine on which no
// group can be made gives a Group that limits nothing and says why; a group
// that was made but does not take its limits is an error.
func Make(name string, l Limits) (*Group, error) {
	place, err := find(os.DirFS("/"))
	if err != nil {
		return &Group{limits: l, why: err.Error()}, nil
	}
	place.sweep()
	g := &Group{version: place.version, name: prefix + name, limits: l}
	for _, parent := range place.parents {
		dir := filepath.Join(parent, g.name)
		f, err := makeDir(dir)
		if err != nil {
			g.Remove()
			return &Group{limits: l, why: fmt.Sprintf("make %s: %v", dir, errors.Unwrap(err))}, nil
		}
		g.dirs, g.held = append(g.dirs, dir), append(g.held, f)
	}
	if err := g.set(place); err != nil {
		g.Remove()
		return nil, err
	}
	return g, nil
}

func (g *Group) set(p place) error {
	if g.version == 2 {
		enable(p.parents[0])
	}
	for _, s := range settings(g.version, g.limits) {
		if err := g.write(s); err != nil {
			return err
		}
	}
	return nil
}

// enable turns on the controllers for the children of parent. That they are
// there is found out by writing the limits.
func enable(parent string) {
	for _, c := range []string{"+memory", "+pids", "+cpu"} {
		_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte(c), 0)
	}
}

type setting struct {
	file, value string
}

func settings(version int, l Limits) []setting {
	var s []setting
	add := func(v1, v2, value string) {
		file := v1
		if version == 2 {
			file = v2
		}
		s = append(s, setting{file, value})
	}
	if l.MemoryBytes > 0 {
		n := strconv.FormatInt(l.MemoryBytes, 10)
		add("memory.limit_in_bytes", "memory.max", n)
		// Swap is left alone: it is the remedy for a machine with little memory.
	}
	if l.Pids > 0 {
		add("pids.max", "pids.max", strconv.Itoa(l.Pids))
	}
	if l.CPUs > 0 {
		const period = 100_000 // µs, the kernel's own default
		quota := strconv.Itoa(int(l.CPUs * period))
		if version == 2 {
			s = append(s, setting{"cpu.max", fmt.Sprintf("%s %d", quota, period)})
		} else {
			s = append(s, setting{"cpu.cfs_quota_us", quota})
		}
	}
	return s
}

// write sets s in whichever of the group's folders has that file.
func (g *Group) write(s setting) error {
	for _, d := range g.dirs {
		err := os.WriteFile(filepath.Join(d, s.file), []byte(s.value), 0)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EACCES) && !exists(filepath.Join(d, s.file)) {
			continue
		}
		if err != nil {
			return fmt.Errorf("limit %s to %s: %w", s.file, s.value, err)
		}
		return nil
	}
	return fmt.Errorf("limit %s: this machine's control groups have no such controller", s.file)
}

func exists(p string) bool { _, err := os.Lstat(p); return err == nil }

// Dirs are the group's folders: empty, of v2 one, of v1 one a controller.
func (g *Group) Dirs() []string { return slices.Clone(g.dirs) }

// Add moves a process into the group; its children are born there.
func (g *Group) Add(pid int) error {
	for _, d := range g.dirs {
		if err := os.WriteFile(filepath.Join(d, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			return fmt.Errorf("join control group: %w", err)
		}
	}
	return nil
}

// Held says, a line each, what is limited and by what.
func (g *Group) Held() []string {
	by := fmt.Sprintf("cgroup v%d", g.version)
	var out []string
	if g.limits.MemoryBytes > 0 {
		n := humanize.IBytes(uint64(g.limits.MemoryBytes))
		if g.version == 0 {
			out = append(out, "memory: not limited to "+n+": "+g.why)
		} else {
			out = append(out, "memory "+n+" ("+by+")")
		}
	}
	if g.limits.Pids > 0 {
		if g.version == 0 {
			out = append(out, fmt.Sprintf("processes %d (rlimit)", g.limits.Pids))
		} else {
			out = append(out, fmt.Sprintf("processes %d (%s)", g.limits.Pids, by))
		}
	}
	if g.limits.CPUs > 0 {
		if g.version == 0 {
			out = append(out, "cpu: not limited: "+g.why)
		} else {
			out = append(out, fmt.Sprintf("cpu %g (%s)", g.limits.CPUs, by))
		}
	}
	return out
}

// OOMKills is how many processes of the group the kernel killed for memory.
func (g *Group) OOMKills() int {
	if g.version == 2 {
		return g.count("memory.events", "oom_kill")
	}
	return g.count("memory.oom_control", "oom_kill")
}

// ForksRefused is how often the limit of processes kept one from being started.
// Both versions count it alike.
func (g *Group) ForksRefused() int { return g.count("pids.events", "max") }

// count reads one number of a file of "name number" lines; 0 where there is none.
func (g *Group) count(file, name string) int {
	for _, d := range g.dirs {
		b, err := os.ReadFile(filepath.Join(d, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if n, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
				times, _ := strconv.Atoi(n) // the kernel's own number
				return times
			}
		}
	}
	return 0
}

// leaving bounds how long Remove waits for the last task to leave: a process
// that was waited for may still be on its way out of its groups.
const leaving = 2 * time.Second

// Remove removes the group, whose processes were killed. One that does not
// empty in time stays until the next Sweep.
func (g *Group) Remove() {
	defer g.letGo()
	deadline := time.Now().Add(leaving)
	for _, d := range g.dirs {
		for errors.Is(unix.Rmdir(d), unix.EBUSY) && time.Now().Before(deadline) {
			<-time.After(time.Millisecond)
		}
	}
}

// letGo gives up the locks.
func (g *Group) letGo() {
	for _, f := range g.held {
		f.Close()
	}
	g.held = nil
}
