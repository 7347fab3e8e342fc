package supervisor

import (
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Each limit that is met is told by its cause and its remedy, none that is not.
func TestReached(t *testing.T) {
	l := state.Limits{MemoryBytes: 100 << 20, Pids: 40, Files: 256, TmpBytes: 1 << 30}
	quiet := reached{flows: 2, most: 3, turns: 1}
	if n := quiet.notes(l); len(n) > 0 {
		t.Errorf("nothing was met: %q", n)
	}
	all := strings.Join(reached{flows: 3, most: 3, forks: 2, kills: 1, turns: 4}.notes(l), "\n")
	for _, words := range []string{
		"3 connections are open, which is the limit",
		"2 times no process could be started, since there were 40 already",
		"OOMKilled: a process was killed, since the sandbox needed more than its 100 MiB of memory",
		"it has filled its log 4 times since the start, and the last 50 MiB alone are kept",
	} {
		if !strings.Contains(all, words) {
			t.Errorf("%q is not in\n%s", words, all)
		}
	}
	if got := strings.Join(bounds(l), "\n"); got != "open files 256 a process (rlimit)\n/tmp 1.0 GiB (its own file system)" {
		t.Errorf("%s", got)
	}
}
