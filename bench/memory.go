package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// resting is how long a sandbox is left alone before its memory is read: the
// runtime gives back what the start needed.
const resting = 5 * time.Second

// measureMemory reads what supervisor, clerk and init keep resident.
func measureMemory(ctx context.Context, g *ground) ([]row, error) {
	if err := g.ready(ctx); err != nil {
		return nil, err
	}
	select {
	case <-time.After(resting):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	family, err := g.keepers(ctx)
	if err != nil {
		return nil, err
	}
	var rss, pss, goalOf int64
	var parts []string
	for i, pid := range family {
		r, err := kilobytes(pid, "status", "VmRSS")
		if err != nil {
			return nil, err
		}
		rss += r
		if i != clerkAt {
			goalOf += r
		}
		parts = append(parts, fmt.Sprintf("%.1f", float64(r)/1024))
		if p, err := kilobytes(pid, "smaps_rollup", "Pss"); err == nil { // init's is root's to read
			pss += p
		}
	}
	const goal = 40 << 10
	return []row{
		{
			what: "resident, idle: supervisor and init", ours: fmt.Sprintf("%.1f MB RSS", float64(goalOf)/1024),
			goal: "≤ 40 MB", met: goalOf <= goal,
		},
		{
			what: fmt.Sprintf("resident, idle: supervisor + clerk + init (%s MB)", strings.Join(parts, " + ")),
			ours: fmt.Sprintf("%.1f MB RSS, %.1f MB PSS", float64(rss)/1024, float64(pss)/1024),
		},
	}, nil
}

// clerkAt is the clerk's place in keepers.
const clerkAt = 1

// keepers are the shared sandbox's supervisor, its clerk and init; what runs
// inside follows them.
func (g *ground) keepers(ctx context.Context) ([]int, error) {
	c := g.control()
	defer c.Close()
	st, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	family, err := descendants(st.SupervisorPID)
	family = family[:min(3, len(family))]
	for i, pid := range family { // which thread made it, and so its place, is chance
		if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); i > clerkAt && strings.Contains(string(b), "\x00clerk\x00") {
			family[i], family[clerkAt] = family[clerkAt], pid
		}
	}
	return family, err
}

// settle waits until the keepers have nothing left to do of what was measured
// before, so that it does not count for the next.
func (g *ground) settle(ctx context.Context) error {
	family, err := g.keepers(ctx)
	if err != nil {
		return err
	}
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for before := time.Duration(-1); ; {
		now, err := processorTime(family...)
		if err != nil {
			return err
		}
		if before >= 0 && now-before <= tick {
			return nil
		}
		before = now
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// descendants are pid and all processes below it, parents first.
func descendants(pid int) ([]int, error) {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", all[i]))
		if err != nil {
			return nil, err
		}
		for _, t := range tasks {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", all[i], t.Name()))
			if err != nil {
				return nil, err
			}
			for _, f := range strings.Fields(string(b)) {
				child, err := strconv.Atoi(f)
				if err != nil {
					return nil, err
				}
				all = append(all, child)
			}
		}
	}
	return all, nil
}

// kilobytes reads one figure of /proc/pid/file. See proc(5).
func kilobytes(pid int, file, key string) (int64, error) {
	path := fmt.Sprintf("/proc/%d/%s", pid, file)
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for in.Scan() {
		if rest, ok := strings.CutPrefix(in.Text(), key+":"); ok {
			return strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		}
	}
	if err := in.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("%s: no line %s", path, key)
}

// tick is the unit of CPU time in /proc, on every machine that Go runs on.
const tick = 10 * time.Millisecond

// processorTime is what processes have used so far, fields 14 and 15 of
// proc_pid_stat(5).
func processorTime(pids ...int) (all time.Duration, err error) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		if len(f) < 13 {
			return 0, fmt.Errorf("/proc/%d/stat: too short", pid)
		}
		for _, field := range f[11:13] {
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, err
			}
			all += time.Duration(n) * tick
		}
	}
	return all, nil
}
