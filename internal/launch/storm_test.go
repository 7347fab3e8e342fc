package launch

import (
	"bufio"
	"errors"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// storm holds a connection, and does around it what agents can do to be taken
// for another: processes that come and go, that hide, stop, execute something
// from another thread than the first, lose the first, have a thousand
// descriptors, pass the socket on; and everybody's signals to PID 1.
const storm = `exec python3 -uc '
import ctypes, os, random, signal, socket, sys, threading, time
s = socket.create_connection(("203.0.113.5", 80)) # close-on-exec: nobody else ever has it
libc = ctypes.CDLL(None)
ends = time.monotonic() + 2
def hides():
    for n in range(99): libc.prctl(4, n % 2, 0, 0, 0); libc.prctl(15, b") R 1 (" + bytes([n + 1, 10, 41]))
def executes():
    threading.Thread(target=lambda: os.execv("/bin/sleep", ["sleep", "0"])).start(); time.sleep(1)
def loses():
    threading.Thread(target=lambda: (time.sleep(.005), os._exit(0))).start(); libc.syscall(ctypes.c_long(EXIT), 0)
def many():
    for _ in range(900): os.dup(0)
def passes():
    a, b = socket.socketpair()
    for _ in range(50): socket.send_fds(a, [b"x"], [s.fileno()]); os.close(socket.recv_fds(b, 1, 1)[1][0])
def stops(): os.kill(os.getpid(), signal.SIGSTOP)
def signals():
    for n in range(1, 65):
        try: os.kill(1, n)
        except OSError: pass
def orphans():
    for _ in range(20):
        if os.fork() == 0: os._exit(0)
def spawner():
    try: os.kill(parent, signal.SIGKILL)
    except OSError: pass
EXIT = 60 if os.uname().machine == "x86_64" else 93
parent = os.getppid()
print("ready")
while time.monotonic() < ends:
    pid = os.fork()
    if pid == 0:
        try: random.choice([hides, executes, loses, many, passes, stops, signals, orphans, spawner])()
        finally: os._exit(0)
    time.sleep(.002)
    if os.waitpid(pid, os.WNOHANG)[0] == 0:
        time.sleep(.004)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
print("done")
sys.stdin.read()'`

// In a storm every question is answered, by who it is or by nobody; PID 1 stays
// as it was.
func TestStorm(t *testing.T) {
	s := up(t)
	s.needs("python3")
	p, c := s.connected(storm)
	said := bufio.NewReader(p.Stdout())
	if line, err := said.ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	local, remote := addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())
	if q, ok := s.onLine(local, remote); !ok {
		t.Errorf("before: %+v", q)
	}
	before := s.descriptors()
	done := make(chan string, 1)
	go func() {
		line, _ := said.ReadString('\n')
		done <- line
	}()
	open, found := map[uint64]bool{}, map[string]int{}
	for going := true; going || len(open) > 0; {
		select {
		case line := <-done:
			if going = false; line != "done\n" {
				t.Fatalf("the agent said %q", line)
			}
		default:
		}
		for going && len(open) < 40 {
			s.asked++
			if err := s.Line().Ask(s.asked, local, remote); err != nil {
				t.Fatal(err)
			}
			open[s.asked] = true
		}
		s.hear(open, found)
	}
	t.Logf("found %v", found)
	delete(found, "")
	for exe := range found {
		if !strings.HasPrefix(exe, "python3") {
			t.Errorf("%s never had the connection", exe)
		}
	}
	if len(found) == 0 {
		t.Error("nobody was found")
	}
	for late := time.Now().Add(5 * time.Second); s.descriptors() > before+8; {
		if time.Now().After(late) {
			t.Fatalf("PID 1 has %d descriptors: had %d", s.descriptors(), before)
		}
		s.onLine(local, remote)
	}
}

// hear takes one answer to what is open, and who that was.
func (s *sandbox) hear(open map[uint64]bool, found map[string]int) {
	s.t.Helper()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.Line().Descriptor()), Events: unix.POLLIN}}, 10_000)
	if errors.Is(err, unix.EINTR) {
		return
	}
	id, q, known, err := s.Line().Hear()
	if n == 0 || err != nil || !open[id] {
		s.t.Fatalf("%d questions are open; heard %d, %v", len(open), id, err)
	}
	delete(open, id)
	if !known {
		q = spec.Program{}
	}
	if q.Exe != "" {
		q.Exe = path.Base(q.Exe)
	}
	found[q.Exe]++
}

// descriptors counts PID 1's; 0 where nobody may.
func (s *sandbox) descriptors() int {
	all, _ := os.ReadDir("/proc/" + strconv.Itoa(s.PID()) + "/fd")
	return len(all)
}
