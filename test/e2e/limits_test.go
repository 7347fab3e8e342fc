package e2e

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// greedy are programs that take all they can get of one thing: what they print where
// nothing stops them, and what status says of the limit that did. Some hold what they
// have, until they are told to end: the kernel does not count that they met a limit, so
// that it has to be seen.
var greedy = []struct {
	thing, script, got string
	cgroup             string // of status' limits, where a group holds it; "" where none has to
	told               *regexp.Regexp
	holds              string // a program that takes it, says "held" and keeps it; "" for none
}{
	{"memory", `python3 -c 'x = b"x" * (200 << 20); print("got", len(x) >> 20)'`, "got 200",
		"memory 100 MiB", regexp.MustCompile(`OOMKilled: .* needed more than its 100 MiB of memory; add swap or raise limits\.memory_bytes`), ""},
	{"processes", forks, "got 80",
		"processes 40", regexp.MustCompile(`no process could be started, since there were 40 already, which is the limit; raise limits\.pids`), ""},
	{"cpu", spins, "got much",
		"cpu 0.3", regexp.MustCompile(`its processes were kept from the processors for [\dhms]+ in all, since they may use 0\.3 of one; raise limits\.cpus`), ""},
	{"files", `i=0; while [ $i -lt 200 ] && exec {fd}</dev/null; do i=$((i+1)); done; echo got $i`, "got 200",
		"", regexp.MustCompile(`/(bash|sleep)" \(process \d+ inside\) had 9\d files open, and a process may have 100; raise limits\.files`),
		`while exec {fd}</dev/null; do :; done 2>/dev/null; echo held; sleep 1000`},
	{"/tmp", `head -c 20000000 /dev/zero >/tmp/x && stat -c 'got %s' /tmp/x; rm /tmp/x`, "got 20000000",
		"", regexp.MustCompile(`/tmp was full at .*: remove something there, or raise limits\.tmp_bytes`),
		`head -c 20000000 /dev/zero >/tmp/x 2>/dev/null; echo held; sleep 1000`},
	{"a file", `exec 3>/sandbox/x; rm /sandbox/x; head -c 50000000 /dev/zero >&3 && stat -L -c 'got %s' /proc/self/fd/3`, "got 50000000",
		"", regexp.MustCompile(`the file "x" in /sandbox is as large as a file may be, which is 32 MiB; raise limits\.disk_bytes`),
		`truncate -s 33554432 /sandbox/x; echo held; sleep 1000`},
}

// spins has two processes use all the time they get for three seconds.
const spins = `python3 -c '
import os, time
for _ in range(2):
    if os.fork() == 0:
        end = time.monotonic() + 3
        while time.monotonic() < end: pass
        os._exit(0)
os.wait(); os.wait()
t = os.times()
print("got", "much" if t.children_user + t.children_system > 1.5 else "little")'`

// forks makes processes that end with it: the pipe that they read is closed then.
const forks = `python3 -c '
import os
r, w = os.pipe()
n = 0
try:
    while n < 80:
        if os.fork() == 0:
            os.close(w)
            os.read(r, 1)
            os._exit(0)
        n += 1
except OSError: pass
print("got", n)'`

// smallLimits stop each of greedy, and leave room for what a sandbox needs.
var smallLimits = map[string]string{
	"memory_bytes": "104857600", "pids": "40", "cpus": "0.3", "files": "100", "tmp_bytes": "16777216", "disk_bytes": "33554432",
}

// TestEveryLimitAtOnce takes too much of everything inside one sandbox: each limit stops
// it, and status names it, as the log and the book do. Another sandbox goes on meanwhile,
// and nothing is left in the end. The control is the same sandbox before it had limits.
func TestEveryLimitAtOnce(t *testing.T) {
	h := newHome(t)
	modelServer(t)
	before := h.census()
	b, beside := h.shell("box", article), h.shell("beside", article)
	b.needs("python3")
	for _, g := range greedy { // how much time there is without a limit is the machine's to say
		if r := b.sh(g.script); g.thing != "cpu" && !strings.Contains(r.out, g.got) {
			t.Errorf("%s, without a limit: %s", g.thing, r)
		}
	}
	out := b.nemoclaw("box", "status").out
	for _, g := range greedy {
		if g.told.MatchString(out) {
			t.Errorf("%s: status tells of a limit that there is not:\n%s", g.thing, out)
		}
	}
	b.limits(smallLimits)
	grouped := b.grouped("memory")
	if held := b.grouped("cpu"); held != grouped {
		t.Errorf("a group limits memory: %v, and cpu: %v", grouped, held)
	}
	for _, g := range greedy {
		if g.cgroup != "" && !b.grouped(g.thing) {
			continue
		}
		if r := b.sh(g.script); strings.Contains(r.out, g.got) {
			t.Errorf("%s: nothing stopped it: %s", g.thing, r)
		}
		if g.holds != "" {
			b.tells(g.holds, g.told)
		}
		if g.thing == "cpu" { // a machine that is busy itself may give it less than that for a while
			b.await("that it waits for a processor", func() bool {
				b.sh(g.script)
				return g.told.MatchString(b.nemoclaw("box", "status").out)
			})
		}
	}
	beside.prints("fine", "echo fine")
	out = b.nemoclaw("box", "status").out
	for _, g := range greedy {
		if g.cgroup != "" && !grouped {
			continue
		}
		if !g.told.MatchString(out) || g.cgroup != "" && !strings.Contains(out, g.cgroup+" (cgroup v") {
			t.Errorf("%s: status does not tell of it:\n%s", g.thing, out)
		}
		limit := map[string]string{"memory": "memory_bytes", "processes": "pids", "cpu": "cpus", "/tmp": "tmp_bytes", "a file": "disk_bytes"}[g.thing]
		b.event("the limit of "+g.thing, func(e audit.Event) bool {
			return e.Kind == audit.Limit && e.Target == cmp.Or(limit, g.thing) && e.Why != ""
		})
	}
	b.fills(33554432)
	if left := slices.Concat(b.cgroupsOf("box"), b.cgroupsOf("beside")); grouped && len(left) == 0 {
		t.Error("it has no group, and status says that it has")
	}
	b.do("destroy", "--yes")
	beside.prints("fine", "echo fine")
	beside.do("destroy", "--yes")
	h.gone(before)
}

// tells runs what takes something and keeps it, and holds that status tells of it meanwhile.
func (b *box) tells(holds string, told *regexp.Regexp) {
	b.Helper()
	held := b.start("bash", "-c", holds)
	b.sees(held, "held")
	b.await(told.String(), func() bool { return told.MatchString(b.nemoclaw("box", "status").out) })
	if err := held.Process.Kill(); err != nil {
		b.Error(err)
	}
	b.end(held)
	b.prints("", "rm -f /tmp/x /sandbox/x")
}

// grouped says whether a control group limits that thing.
func (b *box) grouped(thing string) bool {
	return slices.ContainsFunc(b.status().Limits, func(l string) bool { return strings.HasPrefix(l, thing+" ") && strings.Contains(l, "(cgroup v") })
}

// limits puts several in force with one rebuild.
func (b *box) limits(all map[string]string) {
	b.Helper()
	var edited strings.Builder
	for line := range strings.Lines(b.text(b.file("sandbox.yaml"))) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		if _, ours := all[name]; ours {
			continue
		}
		edited.WriteString(line)
		if strings.HasPrefix(line, "limits:") {
			for name, value := range all {
				fmt.Fprintf(&edited, "  %s: %s\n", name, value)
			}
		}
	}
	b.save(b.file("sandbox.yaml"), edited.String())
	b.do("rebuild")
}

// fills writes file after file until the sandbox is paused, holds that status names the
// cause, and that it goes on when there is room again.
func (b *box) fills(limit int) {
	b.Helper()
	filler := b.start("bash", "-c", `i=0; while head -c 1000000 /dev/zero >/sandbox/fill-$i; do i=$((i+1)); sleep 0.1; done`)
	b.await("the pause", func() bool {
		return strings.Contains(b.nemoclaw("box", "status").out, "paused: /sandbox holds ")
	})
	// Nobody else's freeing may hide what it takes for longer than a few seconds.
	r := b.sh("du -s --block-size=1 /sandbox | cut -f1")
	if used, err := strconv.Atoi(strings.TrimSpace(r.out)); err != nil || used < limit || used > 3*limit {
		b.Errorf("it holds %s, with a limit of %d", r.out, limit)
	}
	b.prints("", "rm -f /sandbox/fill-*")
	b.await("that it goes on", func() bool {
		return !strings.Contains(b.nemoclaw("box", "status").out, "paused: ")
	})
	if err := filler.Process.Kill(); err != nil {
		b.Error(err)
	}
	b.end(filler)
	b.prints("", "rm -f /sandbox/fill-*")
}

// What the agent cannot have, PID 1 cannot either: it lives through minutes in which no
// process and no thread can be made, answers meanwhile, and the sandbox goes on.
func TestForkBombLeavesTheSandbox(t *testing.T) {
	b := newShell(t, article)
	b.needs("python3")
	b.bombed("40")
	b.bombed("8")
}

func (b *box) bombed(pids string) {
	b.Helper()
	b.limits(map[string]string{"pids": pids, "disk_bytes": "1073741824"}) // so that PID 1 has work
	bomb := b.start("python3", "-c", `
import os, socket, time
until = time.monotonic() + 10
to = (socket.gethostbyname("api.github.com"), 443)
def fork():
    try: return os.fork()
    except OSError: return -1
for _ in range(80):
    if fork() == 0:
        while time.monotonic() < until: fork() == 0 or time.sleep(0.01)
        os._exit(0)
while time.monotonic() < until: # questions to PID 1: who is it that connects?
    all = [socket.socket() for _ in range(60)]
    for s in all:
        s.setblocking(False)
        s.connect_ex(to)
    time.sleep(0.05)
    for s in all: s.close()
print("over")
`)
	for range 20 {
		b.nemoclaw("box", "status")
		b.sh("true")
	}
	if r := b.end(bomb); !strings.Contains(r.out, "over") {
		b.Errorf("the bomb, with %s processes: %s", pids, r)
	}
	b.lives()
}

// What an agent asks of PID 1 by connecting must need no thread for each question, though
// two hold each socket, so that it cannot be told who connects.
func TestForkBombThatHidesWhoConnects(t *testing.T) {
	b := newShell(t, article)
	b.needs("python3")
	b.limits(map[string]string{"pids": "40"})
	bomb := b.start("python3", "-c", `
import os, socket, ssl, time
to = (socket.gethostbyname("api.github.com"), 443)
hello = ssl.MemoryBIO()
tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="api.github.com")
try: tls.do_handshake()
except ssl.SSLWantReadError: hello = hello.read()
until = time.monotonic() + 8
def fork():
    try: return os.fork()
    except OSError: return -1
all = [socket.socket() for _ in range(400)]
for s in all: s.setblocking(False)
if fork() == 0: # holds them, too
    time.sleep(8)
    os._exit(0)
for _ in range(80):
    if fork() == 0:
        for s in all: s.close()
        while time.monotonic() < until: fork() == 0 or time.sleep(0.01)
        os._exit(0)
for s in all: s.connect_ex(to)
time.sleep(1.5)
print("sent", sum(s.send(hello) > 0 for s in all), flush=True)
time.sleep(4)
`)
	if r := b.end(bomb); !strings.Contains(r.out, "sent 400") {
		t.Errorf("the bomb: %s", r)
	}
	b.lives()
}

// A limit of processes is the agents' alone: what PID 1 needs comes on top of it, so that
// a small one leaves them what it says.
func TestFewProcesses(t *testing.T) {
	b := newShell(t, article)
	b.needs("python3")
	const most = 80 + 1 // of forks, and the program itself
	for _, n := range []int{16, 3} {
		b.limit("pids", strconv.Itoa(n))
		r := b.sh(forks)
		got, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(r.out, "got ")))
		if err != nil || got < n-2 || got >= min(most, n+spec.OwnTasks) {
			t.Errorf("of %d processes it got %s", n, r)
		}
		b.prints("alive", "echo alive")
	}
}

// Nor does it end with what runs commands for it, whom an agent can kill, and in a full
// group nobody can be put in that one's place.
func TestForkBombThatKillsTheSpawner(t *testing.T) {
	b := newShell(t, article)
	b.needs("python3")
	b.limits(map[string]string{"pids": "40"})
	b.prints("first", "echo first") // which needs no spawner; all others do
	bomb := b.start("python3", "-c", `
import os, time
until = time.monotonic() + 5
def fork():
    try: return os.fork()
    except OSError: return -1
own = os.getpid()
for _ in range(80):
    if fork() == 0:
        while time.monotonic() < until: fork()
        os._exit(0)
def kill(pid):
    try: return os.kill(pid, 9) is None
    except OSError: return False
print("killed", sum(kill(pid) for pid in range(2, own)), flush=True)
time.sleep(5)
`)
	if r := b.end(bomb); !strings.Contains(r.out, "killed ") || strings.Contains(r.out, "killed 0") {
		t.Errorf("the bomb: %s", r)
	}
	b.lives()
}

// lives holds that the sandbox goes on.
func (b *box) lives() {
	b.Helper()
	b.await("room", func() bool { return b.sh("echo alive").out == "alive\n" })
	if st := b.status(); !st.Healthy {
		b.Errorf("%+v", st)
	}
}
