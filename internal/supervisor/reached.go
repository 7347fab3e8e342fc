package supervisor

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// reached is how often limits were met since the start.
type reached struct {
	flows int // connections open now
	most  int // of them that there may be
	forks int // processes that could not be started
	kills int // processes killed for memory
	turns int // files of its log that the agent has filled
}

// notes says it in plain words, each with its remedy.
func (r reached) notes(l state.Limits) (n []string) {
	if r.flows >= r.most {
		n = append(n, fmt.Sprintf("%d connections are open, which is the limit: further ones are refused; end what holds them, or raise limits.connections in sandbox.yaml and rebuild", r.most))
	}
	if r.forks > 0 {
		n = append(n, fmt.Sprintf("%s no process could be started, since there were %d already, which is the limit; raise limits.pids in sandbox.yaml and rebuild", often(r.forks), l.Pids))
	}
	if r.kills > 0 {
		n = append(n, fmt.Sprintf("OOMKilled: %s killed, since the sandbox needed more than its %s of memory; add swap or raise limits.memory_bytes in sandbox.yaml and rebuild", processes(r.kills), humanize.IBytes(uint64(l.MemoryBytes))))
	}
	if r.turns > 1 {
		n = append(n, fmt.Sprintf("the agent prints very much: it has filled its log %s since the start, and the last %s alone are kept", often(r.turns), humanize.IBytes(2*logLimit)))
	}
	return n
}

func often(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func processes(n int) string {
	if n == 1 {
		return "a process was"
	}
	return fmt.Sprintf("%d processes were", n)
}

// bounds are the limits that are no group's: the kernel holds each process to them,
// and the program that meets one is told by an error.
func bounds(l state.Limits) []string {
	return []string{
		fmt.Sprintf("open files %d a process (rlimit)", l.Files),
		fmt.Sprintf("/tmp %s (its own file system)", humanize.IBytes(uint64(l.TmpBytes))),
	}
}
