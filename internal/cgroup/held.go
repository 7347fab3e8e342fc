package cgroup

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// LimitsProcesses says whether processes are limited by the group.
func (g *Group) LimitsProcesses() bool { return g.version != 0 && g.unheld(pids) == "" }

// unheld is why c limits nothing, "" where it does: what the kernel has now is what counts,
// since whoever hands a controller on may take it back.
func (g *Group) unheld(c controller) string {
	if g.version == 0 {
		return g.why
	}
	if why, lacks := g.lacks[c]; lacks {
		return why
	}
	for _, s := range settings(g.version, g.limits) {
		if s.by == c && !g.has(s) {
			return "the control group has lost its " + string(c) + " controller, or another limit was written there"
		}
	}
	return ""
}

// has says whether s is set. The kernel rounds bytes down to whole pages.
func (g *Group) has(s setting) bool {
	for _, d := range g.dirs {
		b, err := read(d, s.file)
		if err != nil {
			continue
		}
		have, err1 := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		want, err2 := strconv.ParseInt(s.value, 10, 64)
		if err1 == nil && err2 == nil && s.by == memory {
			return have <= want
		}
		return strings.TrimSpace(string(b)) == s.value
	}
	return false
}

// Held says, a line each, what is limited and by what.
func (g *Group) Held() []string {
	var out []string
	add := func(c controller, what, amount string) {
		switch why := g.unheld(c); {
		case why == "":
			out = append(out, fmt.Sprintf("%s %s (cgroup v%d)", what, amount, g.version))
		case c == pids:
			out = append(out, fmt.Sprintf("%s %s (rlimit)", what, amount))
		default:
			out = append(out, fmt.Sprintf("%s: not limited to %s: %s", what, amount, why))
		}
	}
	if g.limits.MemoryBytes > 0 {
		add(memory, "memory", humanize.IBytes(uint64(g.limits.MemoryBytes)))
	}
	if g.limits.Pids > 0 {
		add(pids, "processes", strconv.Itoa(g.limits.Pids))
	}
	if g.limits.CPUs > 0 {
		add(cpu, "cpu", strconv.FormatFloat(g.limits.CPUs, 'g', -1, 64))
	}
	return out
}

// NoProcessors is why the limit of CPU time holds nobody; "" where it does, or there is none.
func (g *Group) NoProcessors() string {
	if g.limits.CPUs <= 0 {
		return ""
	}
	return g.unheld(cpu)
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

// KeptWaiting is for how long its processes were kept from the processors by the limit
// of CPU time, each processor's time added up where it is of version 1.
func (g *Group) KeptWaiting() time.Duration {
	if g.version == 2 {
		return time.Duration(g.count("cpu.stat", "throttled_usec")) * time.Microsecond
	}
	return time.Duration(g.count("cpu.stat", "throttled_time"))
}

// Memory is how many bytes its processes have now, the kernel's own for them among
// them; 0 where nobody counts.
func (g *Group) Memory() int64 {
	file := "memory.usage_in_bytes"
	if g.version == 2 {
		file = "memory.current"
	}
	for _, d := range g.dirs {
		if b, err := read(d, file); err == nil {
			n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // the kernel's own number
			return n
		}
	}
	return 0
}

// count reads one number of a file of "name number" lines; 0 where there is none.
func (g *Group) count(file, name string) int {
	for _, d := range g.dirs {
		b, err := read(d, file)
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

// read reads one of the group's files, of which the longest has some hundred bytes. It makes
// the plain calls: package os has the runtime watch such a file, which wakes a thread of
// ours, and these are read every few seconds.
func read(dir, file string) ([]byte, error) {
	fd, err := unix.Open(filepath.Join(dir, file), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	return b[:max(n, 0)], err
}
