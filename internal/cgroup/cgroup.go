package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Limits are a sandbox's shares; 0 is no limit.
type Limits struct {
	MemoryBytes int64
	Pids        int
	Beside      int     // further tasks, which Pids does not mean: whoever keeps the others
	CPUs        float64 // of one core's time
}

// Group is one sandbox's control group. The zero Group limits nothing.
type Group struct {
	version int // 1 or 2; 0 for none
	name    string
	dirs    []string   // of v2 one, of v1 one a controller
	held    []*os.File // of dirs: locked, so that no Sweep takes them while they are empty
	limits  Limits
	why     string                // of version 0
	lacks   map[controller]string // what was to be limited and is not, and why
}

// controller is what limits one thing.
type controller string

// The controllers, by the names that the kernel has for them.
const (
	memory controller = "memory"
	pids   controller = "pids"
	cpu    controller = "cpu"
)

// Make makes the group called name and sets its limits, after a Sweep. A machine on which no
// group can be made gives a Group that limits nothing and says why; one that is given no
// controller for one of them gives a Group that says so of that one. A limit that the
// kernel does not take is an error.
func Make(name string, l Limits) (*Group, error) {
	place, err := find(os.DirFS("/"))
	if err != nil {
		return &Group{limits: l, why: err.Error()}, nil
	}
	return place.make(name, l)
}

func (p place) make(name string, l Limits) (*Group, error) {
	p.sweep()
	g := &Group{version: p.version, name: prefix + name, limits: l}
	for _, parent := range p.parents {
		dir := filepath.Join(parent, g.name)
		f, err := makeDir(dir)
		if err != nil {
			g.Remove()
			return &Group{limits: l, why: fmt.Sprintf("make %s: %v", dir, errors.Unwrap(err))}, nil
		}
		g.dirs, g.held = append(g.dirs, dir), append(g.held, f)
	}
	if err := g.set(p); err != nil {
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
		err := g.write(s)
		if missing := (*noController)(nil); errors.As(err, &missing) {
			g.lack(s.by, missing.Error())
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (g *Group) lack(c controller, why string) {
	if g.lacks == nil {
		g.lacks = map[controller]string{}
	}
	g.lacks[c] = why
}

// enable turns on the controllers for the children of parent. That they are
// there is found out by writing the limits.
func enable(parent string) {
	for _, c := range controllers {
		_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+c), 0)
	}
}

type setting struct {
	by          controller
	file, value string
}

func settings(version int, l Limits) []setting {
	var s []setting
	add := func(by controller, v1, v2, value string) {
		file := v1
		if version == 2 {
			file = v2
		}
		s = append(s, setting{by, file, value})
	}
	if l.MemoryBytes > 0 {
		n := strconv.FormatInt(l.MemoryBytes, 10)
		add(memory, "memory.limit_in_bytes", "memory.max", n)
		// Swap is left alone: it is the remedy for a machine with little memory.
	}
	if l.Pids > 0 {
		add(pids, "pids.max", "pids.max", strconv.Itoa(l.Pids+l.Beside))
	}
	if l.CPUs > 0 {
		const period = 100_000 // µs, the kernel's own default
		quota := strconv.Itoa(int(l.CPUs * period))
		if version == 2 {
			quota = fmt.Sprintf("%s %d", quota, period)
		}
		add(cpu, "cpu.cfs_quota_us", "cpu.max", quota)
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
	return &noController{s.by, g.version, g.dirs[0]}
}

// noController: the place where the group is was given no such controller.
type noController struct {
	by      controller
	version int
	dir     string
}

func (e *noController) Error() string {
	if e.version == 2 {
		return fmt.Sprintf("the %s controller is not handed on to %s", e.by, filepath.Dir(e.dir))
	}
	return fmt.Sprintf("the control groups of this machine have no %s controller", e.by)
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
