package launch

import (
	"bufio"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// stopping begins a script that stops what it hits by guessing the next number of
// a process.
const stopping = `exec python3 -uc '
import os, signal, sys, time
def sent(pid, sig):
    try: os.kill(pid, sig)
    except OSError: return False
    return True
def newest():
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0)
    return pid`

// stopsAFork waits for a command that is being started, stops what has been
// forked before it executes anything, and kills the spawner.
const stopsAFork = stopping + `
def forked(pid): # and not yet anything else: as hidden as its parent
    try:
        s = open("/proc/%d/stat" % pid).read()
        if int(s[s.rindex(")")+2:].split()[1]) == parent: os.readlink("/proc/%d/exe" % pid)
    except PermissionError: return True
    except OSError: pass
    return False
parent = os.getppid()
while True:
    pid = newest() + 1
    print("ready")
    late = time.monotonic() + .2 # who guessed wrong guesses again
    while time.monotonic() < late and not sent(pid, signal.SIGSTOP): pass
    if forked(pid): break
    sent(pid, signal.SIGCONT)
os.kill(parent, signal.SIGKILL)
print("done")
sys.stdin.read()'`

// A spawner that is killed is replaced, whoever still holds its end.
func TestSpawnerKilledWhileItForks(t *testing.T) {
	s := up(t)
	s.needs("python3")
	p, err := s.Run(t.Context(), spec.Command{Argv: []string{"bash", "-c", stopsAFork}})
	if err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(p.Stdout())
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for {
		if line, err := said.ReadString('\n'); err != nil {
			t.Fatal(err)
		} else if line == "done\n" {
			break
		}
		if p, err := s.Run(ctx, spec.Command{Argv: []string{"true"}}); err == nil {
			p.Close() // it may stand still for ever
		}
	}
	for {
		p, err := s.Run(ctx, spec.Command{Argv: []string{"true"}})
		if err == nil {
			p.Wait()
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("nothing can be run any more: %v", err)
		}
	}
}

// stopsSpawners kills the spawner, and stops the next one before it executes
// itself, again and again. It says when there is none any more.
const stopsSpawners = stopping + `
def spawner():
    late = time.monotonic() + 5
    while time.monotonic() < late:
        for p in os.listdir("/proc"):
            try: s = open("/proc/%s/stat" % p).read() if p.isdigit() else ""
            except OSError: continue
            if "(nemoclaw-spawn) S 1 " in s: return int(p)
    print("none")
    sys.exit()
parent = os.getppid()
for _ in range(40):
    pid = newest() + 1
    sent(parent, signal.SIGKILL)
    late = time.monotonic() + .2
    while time.monotonic() < late and not sent(pid, signal.SIGSTOP): pass
    parent = spawner()
print("done")'`

// A spawner that is stopped while PID 1 still forks it goes on, also where PID 1
// is asked so much that it has to collect garbage.
func TestSpawnerStoppedWhileItIsForked(t *testing.T) {
	s := up(t)
	s.needs("python3")
	p, err := s.Run(t.Context(), spec.Command{Argv: []string{"bash", "-c", stopsSpawners}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for ctx.Err() == nil {
				s.Look(ctx, p.PID())
			}
		})
	}
	if line, err := bufio.NewReader(p.Stdout()).ReadString('\n'); line != "done\n" {
		t.Error(line, err)
	}
	stop()
	asking.Wait()
}
