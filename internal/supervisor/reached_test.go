package supervisor

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func words(all []hit) string {
	var b strings.Builder
	for _, h := range all {
		b.WriteString(h.why + h.remedy + "\n")
	}
	return b.String()
}

// Each limit that is met is told by its cause and its remedy, none that is not.
func TestReached(t *testing.T) {
	l := state.Limits{MemoryBytes: 100 << 20, Pids: 40, Files: 256, TmpBytes: 1 << 30, CPUs: 0.5, DiskBytes: 32 << 20}
	quiet := reached{flows: 2, most: 3, turns: 1, waited: 900 * time.Millisecond}
	if n := quiet.hits(l); len(n) > 0 {
		t.Errorf("nothing was met: %+v", n)
	}
	all := words(reached{flows: 3, most: 3, forks: 2, kills: 1, turns: 4, waited: 3 * time.Second, largest: "a\x1b[2J"}.hits(l))
	for _, word := range []string{
		"3 connections are open, which is the limit",
		"2 times no process could be started, since there were 40 already, which is the limit; raise limits.pids in sandbox.yaml and rebuild",
		"OOMKilled: a process was killed, since the sandbox needed more than its 100 MiB of memory; add swap or raise limits.memory_bytes",
		"its processes were kept from the processors for 3s in all, since they may use 0.5 of one; raise limits.cpus",
		`the file "a\x1b[2J" in /sandbox is as large as a file may be, which is 32 MiB; raise limits.disk_bytes`,
		"it has filled its log 4 times since the start, and the last 50 MiB alone are kept",
	} {
		if !strings.Contains(all, word) {
			t.Errorf("%q is not in\n%s", word, all)
		}
	}
	if after := words(reached{flows: 1, most: 3, crowded: 5}.hits(l)); after != "5 times a connection was refused, since there were 3 already, which is the limit; raise limits.connections in sandbox.yaml and rebuild\n" {
		t.Errorf("when they have gone: %s", after)
	}
	if got := strings.Join(bounds(l), "\n"); got != "open files 256 a process (rlimit)\n/tmp 1.0 GiB (its own file system)" {
		t.Errorf("%s", got)
	}
}

// What the kernel does not count is told with the time at which it was seen, and the program.
func TestSeenFull(t *testing.T) {
	l := state.Limits{Pids: 40, Files: 100}
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	f := launch.Full{Files: 95, Program: spec.Program{PID: 7, Exe: "/usr/bin/x\n"}, Tasks: 40 + spec.OwnTasks, Places: []string{"/tmp", "/dev/shm"}}
	want := `at 03:04:05 "/usr/bin/x\n" (process 7 inside) had 95 files open, and a process may have 100; raise limits.files in sandbox.yaml and rebuild
at 03:04:05 there were 40 processes and threads, which is the limit; raise limits.pids in sandbox.yaml and rebuild
/tmp was full at 03:04:05: remove something there, or raise limits.tmp_bytes in sandbox.yaml and rebuild
/dev/shm was full at 03:04:05: remove something there
`
	if got := words(hitsOf(f, l, false, when)); got != want {
		t.Errorf("%s", got)
	}
	f.Program, f.Places = spec.Program{}, nil
	if got := words(hitsOf(f, l, true, when)); got != "at 03:04:05 a process had 95 files open, and a process may have 100; raise limits.files in sandbox.yaml and rebuild\n" {
		t.Errorf("where a control group counts processes: %s", got)
	}
	if got := hitsOf(launch.Full{Tasks: 39 + spec.OwnTasks}, l, false, when); len(got) > 0 {
		t.Errorf("nothing was met: %+v", got)
	}
}

// PID 1 of an idle sandbox is left alone; of one that works it is asked at each glance. What
// is met is written down once, and again not before it was met twice as often and a minute
// has passed; status knows it in any case.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks, forks, memory atomic.Int64
		var full atomic.Bool
		var book []audit.Event
		m := &meter{
			limits: state.Limits{Files: 100, Pids: 40},
			count:  func() reached { return reached{most: 1, forks: int(forks.Load())} },
			memory: memory.Load, groups: true,
			look: func(context.Context) (launch.Full, error) {
				looks.Add(1)
				if full.Load() {
					return launch.Full{Files: 99}, nil
				}
				return launch.Full{}, nil
			},
			record: func(e audit.Event) { book = append(book, e) }, say: func(string, ...any) {}, now: time.Now,
			seen: map[string]hit{}, told: map[string]tale{},
		}
		glances := func(n int) {
			for range n {
				m.glance(t.Context())
				m.wait()
				time.Sleep(glance)
			}
		}
		glances(10)
		if looks.Load() != 0 || len(book) != 0 {
			t.Errorf("idle: %d looks, %v", looks.Load(), book)
		}
		full.Store(true)
		memory.Store(1 << 20)
		glances(10)
		if looks.Load() != 1 || len(book) != 1 || book[0].Kind != audit.Limit || book[0].Target != "files" {
			t.Errorf("after some work: %d looks, %v", looks.Load(), book)
		}
		full.Store(false)
		if all := words(m.hits(t.Context())); !strings.Contains(all, "a process had 99 files open") || looks.Load() != 2 {
			t.Errorf("status: %d looks, %s", looks.Load(), all)
		}
		for range 3 * 12 { // minutes of a fork bomb
			forks.Add(1000)
			glances(1)
		}
		if len(book) != 4 || book[1].Target != "pids" || book[1].Count != 1000 || book[2].Count != 13000 || book[3].Count != 26000 {
			t.Errorf("a fork bomb: %v", book)
		}
	})
}
