package supervisor

import (
	"fmt"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// reached is how often limits were met since the start.
type reached struct {
	flows   int           // connections open now
	most    int           // of them that there may be
	crowded int           // connections that were refused for that
	forks   int           // processes that could not be started
	kills   int           // processes killed for memory
	waited  time.Duration // that processes were kept from the processors
	turns   int           // files of its log that the agent has filled
	largest string        // the name of a file that was as large as one may be; "" for none
}

// hit is one limit that was met.
type hit struct {
	limit  string // the field of sandbox.yaml, or what has none
	times  int    // that it was; 0 where nobody has missed anything yet
	why    string // in plain words
	remedy string // follows why
}

// raise is the usual remedy.
func raise(limit string) string { return "; raise limits." + limit + " in sandbox.yaml and rebuild" }

// worthTelling is from when on it is told that processes had to wait for a processor:
// each that has a limit waits for a moment now and then.
const worthTelling = time.Second

// hits are the limits that were met.
func (r reached) hits(l state.Limits) (all []hit) {
	add := func(limit string, times int, remedy, why string, a ...any) {
		all = append(all, hit{limit, times, fmt.Sprintf(why, a...), remedy})
	}
	if r.flows >= r.most {
		add("connections", r.crowded, "; end what holds them, or raise limits.connections in sandbox.yaml and rebuild", "%d connections are open, which is the limit: further ones are refused", r.most)
	} else if r.crowded > 0 {
		add("connections", r.crowded, raise("connections"), "%s a connection was refused, since there were %d already, which is the limit", often(r.crowded), r.most)
	}
	if r.forks > 0 {
		add("pids", r.forks, raise("pids"), "%s no process could be started, since there were %d already, which is the limit", often(r.forks), l.Pids)
	}
	if r.kills > 0 {
		add("memory_bytes", r.kills, "; add swap or raise limits.memory_bytes in sandbox.yaml and rebuild", "OOMKilled: %s killed, since the sandbox needed more than its %s of memory", processes(r.kills), humanize.IBytes(uint64(l.MemoryBytes)))
	}
	if r.waited >= worthTelling {
		add("cpus", int(r.waited/time.Second), raise("cpus"), "its processes were kept from the processors for %s in all, since they may use %g of one", r.waited.Round(time.Second), l.CPUs)
	}
	if r.largest != "" {
		add("disk_bytes", 1, raise("disk_bytes"), "the file %q in /sandbox is as large as a file may be, which is %s", r.largest, humanize.IBytes(uint64(l.DiskBytes)))
	}
	if r.turns > 1 {
		add("log", r.turns, "", "the agent prints very much: it has filled its log %s since the start, and the last %s alone are kept", often(r.turns), humanize.IBytes(2*logLimit))
	}
	return all
}

// hitsOf are the limits that the kernel counts nowhere and that f saw met at when.
func hitsOf(f launch.Full, l state.Limits, counted bool, when time.Time) (all []hit) {
	at := when.Format(time.TimeOnly)
	if f.Files > 0 {
		all = append(all, hit{"files", 1, fmt.Sprintf("at %s %s had %d files open, and a process may have %d", at, named(f), f.Files, l.Files), raise("files")})
	}
	if !counted && l.Pids > 0 && f.Tasks >= l.Pids+spec.OwnTasks {
		all = append(all, hit{"pids", 1, fmt.Sprintf("at %s there were %d processes and threads, which is the limit", at, l.Pids), raise("pids")})
	}
	for _, place := range f.Places {
		limit, remedy := place, ": remove something there"
		if place == "/tmp" {
			limit, remedy = "tmp_bytes", ": remove something there, or raise limits.tmp_bytes in sandbox.yaml and rebuild"
		}
		all = append(all, hit{limit, 1, fmt.Sprintf("%s was full at %s", place, at), remedy})
	}
	return all
}

// named is the program in the operator's words; its name is the agent's choice.
func named(f launch.Full) string {
	if f.Program.PID == 0 {
		return "a process"
	}
	return strconv.Quote(f.Program.Exe) + " (process " + strconv.Itoa(f.Program.PID) + " inside)"
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
