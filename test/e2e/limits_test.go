package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// greedy are programs that take all they can get of one thing: what they print where
// nothing stops them, and what status says of the limit that did.
var greedy = []struct {
	thing, script, got string
	cgroup             string // of status' limits, where a group holds it; "" where none has to
	told               *regexp.Regexp
}{
	{"memory", `python3 -c 'x = b"x" * (200 << 20); print("got", len(x) >> 20)'`, "got 200",
		"memory 100 MiB", regexp.MustCompile(`OOMKilled: .* needed more than its 100 MiB of memory; add swap or raise limits\.memory_bytes`)},
	{"processes", forks, "got 80",
		"processes 40", regexp.MustCompile(`no process could be started, since there were 40 already, which is the limit; raise limits\.pids`)},
	{"files", `i=0; while [ $i -lt 200 ] && exec {fd}</dev/null; do i=$((i+1)); done; echo got $i`, "got 200", "", nil},
	{"/tmp", `head -c 20000000 /dev/zero >/tmp/x && stat -c 'got %s' /tmp/x; rm /tmp/x`, "got 20000000", "", nil},
	{"a file", `exec 3>/sandbox/x; rm /sandbox/x; head -c 50000000 /dev/zero >&3 && stat -L -c 'got %s' /proc/self/fd/3`, "got 50000000", "", nil},
}

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
	"memory_bytes": "104857600", "pids": "40", "files": "100", "tmp_bytes": "16777216", "disk_bytes": "33554432",
}

// TestEveryLimitAtOnce takes too much of everything inside one sandbox: each limit stops
// it, and status names those that the kernel counts. Another sandbox goes on meanwhile,
// and nothing is left in the end. The control is the same sandbox before it had limits.
func TestEveryLimitAtOnce(t *testing.T) {
	h := newHome(t)
	modelServer(t)
	before := h.census()
	b, beside := h.shell("box", article), h.shell("beside", article)
	b.needs("python3")
	var all, got []string
	for _, g := range greedy {
		all, got = append(all, g.script), append(got, g.got)
	}
	b.prints(strings.Join(got, "\n"), strings.Join(all, "\n"))
	grouped := b.grouped("memory")
	b.limits(smallLimits)
	for _, g := range greedy {
		if g.thing == "memory" && !grouped {
			continue
		}
		if r := b.sh(g.script); strings.Contains(r.out, g.got) {
			t.Errorf("%s: nothing stopped it: %s", g.thing, r)
		}
	}
	beside.prints("fine", "echo fine")
	out := b.nemoclaw("box", "status").out
	for _, g := range greedy {
		if g.told != nil && grouped && (!g.told.MatchString(out) || !strings.Contains(out, g.cgroup+" (cgroup v")) {
			t.Errorf("%s: status does not tell of it:\n%s", g.thing, out)
		}
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
	b.limits(map[string]string{"pids": "40", "disk_bytes": "1073741824"}) // so that PID 1 has work
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
		t.Errorf("the bomb: %s", r)
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

// With few processes PID 1 has fewer threads in store; it takes not all of them.
func TestFewProcesses(t *testing.T) {
	b := newShell(t, article)
	for _, n := range []string{"28", "20", "16"} {
		b.limit("pids", n)
		b.do("rebuild")
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
