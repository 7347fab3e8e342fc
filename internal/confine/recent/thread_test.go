//go:build !race

// The race detector adds calls of its own to where the thread begins.

package recent

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// The process of these tests, its parent, and another one.
const (
	agent   = 200
	parents = 100
	other   = 300
)

// stand is a thread with a /proc that is made of files: what it is told of
// sockets is the kernel's own.
type stand struct {
	*testing.T
	*Thread
	proc   string
	ours   int // of the line
	passed int
	c, l   net.Conn // a connection, and what was accepted
	last   uint64
}

func newStand(t *testing.T) *stand {
	s := &stand{T: t, proc: t.TempDir()}
	near, far, err := wire.Pair()
	s.must(err)
	passed, beside, err := wire.Pair()
	s.must(err)
	diag, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	s.must(err)
	proc := s.open(s.proc)
	s.Thread, err = Start(far, beside, diag, proc, 0)
	s.must(err)
	s.ours, s.passed = near, passed
	t.Cleanup(func() {
		unix.Close(near)
		// It closes its end when it has ended.
		if n, err := unix.Read(passed, make([]byte, 1)); n != 0 || err != nil {
			t.Errorf("at the end: %d, %v", n, err)
		}
		for _, fd := range []int{far, passed, diag, proc} {
			unix.Close(fd)
		}
	})
	s.c, s.l = connected(t, "127.0.0.1:0")
	s.process(parents)
	s.process(agent, s.socket())
	s.must(os.Mkdir(s.at("net"), 0o700))
	s.process(1, s.socket()) // is nobody's
	return s
}

func (s *stand) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stand) at(path ...any) string {
	return filepath.Join(s.proc, fmt.Sprintf(path[0].(string), path[1:]...))
}

func (s *stand) open(path string) int {
	s.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	s.must(err)
	return fd
}

// process makes one with descriptors from 3 on, and a program of its own.
func (s *stand) process(pid int, leads ...string) {
	s.Helper()
	s.must(os.MkdirAll(s.at("%d/fd", pid), 0o700))
	s.must(os.WriteFile(s.at("%d/program", pid), nil, 0o700))
	s.must(os.Symlink(s.at("%d/program", pid), s.at("%d/exe", pid)))
	for i, to := range leads {
		s.must(os.Symlink(to, s.at("%d/fd/%d", pid, i+3)))
	}
}

// socket is the connection's name.
func (s *stand) socket() string {
	raw, err := s.c.(*net.TCPConn).SyscallConn()
	s.must(err)
	var st unix.Stat_t
	s.must(raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }))
	s.must(err)
	return "socket:[" + strconv.FormatUint(st.Ino, 10) + "]"
}

// keep makes the agent the one that was found.
func (s *stand) keep() spec.Program {
	s.Helper()
	exe := s.at("%d/exe", agent)
	var st unix.Stat_t
	s.must(unix.Stat(exe, &st))
	p := spec.Program{PID: agent, Exe: s.at("%d/program", agent), Dev: st.Dev, Ino: st.Ino, Name: "agent"}
	up := s.at("%d/program", parents)
	p.Parents = []string{p.Exe, up}
	s.Keep(Process{Program: p, Dir: s.open(s.at("%d", agent)), Fds: s.open(s.at("%d/fd", agent)),
		Parents: []Parent{{s.open(s.at("%d", parents)), up}}}, s.socket())
	return p
}

// connected is a connection, and what it is for who accepted it.
func connected(t *testing.T, at string) (c, accepted net.Conn) {
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if c, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return c, accepted
}

func addr(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

// ask asks who holds the connection. passed says that it was passed on.
func (s *stand) ask() (m spec.Message, passed bool) {
	s.Helper()
	s.last += 100 // varints of one and of more bytes
	return s.askFor(spec.Question{ID: s.last, Local: addr(s.c.LocalAddr()), Remote: addr(s.c.RemoteAddr())})
}

func (s *stand) askFor(q spec.Question) (m spec.Message, passed bool) {
	s.Helper()
	b := q.Packed()
	_, err := unix.Write(s.ours, b[:])
	s.must(err)
	fds := []unix.PollFd{{Fd: int32(s.ours), Events: unix.POLLIN}, {Fd: int32(s.passed), Events: unix.POLLIN}}
	for err = unix.EINTR; err == unix.EINTR; _, err = unix.Poll(fds, 20_000) {
	}
	s.must(err)
	answer, from := make([]byte, 64<<10), s.ours
	if passed = fds[0].Revents == 0; passed {
		from = s.passed
	}
	n, err := unix.Read(from, answer)
	s.must(err)
	if passed {
		if got := spec.PackedQuestion(answer[:n]).Question(); got != q {
			s.Errorf("passed on %+v: want %+v", got, q)
		}
		return m, true
	}
	if m, err = spec.DecodeMessage(answer[:n]); err != nil || m.ID != q.ID {
		s.Fatalf("answered %+v, %v: want an answer to %d", m, err, q.ID)
	}
	return m, false
}

func TestThread(t *testing.T) {
	s := newStand(t)
	if _, passed := s.ask(); !passed {
		t.Error("answered for nobody")
	}
	want := s.keep()
	for _, id := range []uint64{0, 1, 127, 128, 1 << 20, 1<<64 - 1} {
		m, passed := s.askFor(spec.Question{ID: id, Local: addr(s.c.LocalAddr()), Remote: addr(s.c.RemoteAddr())})
		if passed || m.Op != spec.OpHolders || len(m.Programs) != 1 || !reflect.DeepEqual(m.Programs[0], want) {
			t.Errorf("question %d: %v, %+v: want %+v", id, passed, m, want)
		}
	}
	// The other side is held by nobody that is seen here, and a listener is none.
	for _, q := range []spec.Question{
		{Local: addr(s.c.RemoteAddr()), Remote: addr(s.c.LocalAddr())},
		{Local: addr(s.c.RemoteAddr()), Remote: netip.MustParseAddrPort("203.0.113.5:80")},
		{Local: netip.MustParseAddrPort("[2001:db8::1]:80"), Remote: netip.MustParseAddrPort("[2001:db8::2]:80")},
	} {
		if m, passed := s.askFor(q); !passed {
			t.Errorf("%+v: %+v", q, m)
		}
	}
	if _, passed := s.ask(); passed {
		t.Error("does not know it any more")
	}
}

// Whichever family the socket was made in.
func TestFamilies(t *testing.T) {
	for name, at := range map[string]string{"IPv6": "[::1]:0", "IPv4": "127.0.0.1:0"} {
		s := newStand(t)
		s.c, s.l = connected(t, at)
		s.must(os.Symlink(s.socket(), s.at("%d/fd/9", agent)))
		s.keep()
		if _, passed := s.ask(); passed {
			t.Errorf("%s: passed on", name)
		}
	}
}

// What may have happened between two questions, and whether it is still sure.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		happens  func(s *stand)
		answered bool
	}{
		"nothing":                 {func(*stand) {}, true},
		"another descriptor":      {func(s *stand) { s.must(os.Rename(s.at("%d/fd/3", agent), s.at("%d/fd/77", agent))) }, true},
		"another process":         {func(s *stand) { s.process(other, "socket:[1]", "/dev/null", "pipe:[2]") }, true},
		"names that look like it": {func(s *stand) { s.process(other, s.socket()+" (deleted)", "x"+s.socket(), s.socket()[:9]) }, true},
		"no number": {func(s *stand) {
			s.must(os.Mkdir(s.at("12x"), 0o700))
			s.must(os.Mkdir(s.at("99999999999999999999"), 0o700))
		}, true},
		"a spawner that hides": {func(s *stand) {
			s.must(os.Mkdir(s.at("400"), 0o700))
			s.Spawner(400)
			s.kept.spawner = 400 // as if it had been so
		}, true},

		"a second holder":     {func(s *stand) { s.process(other, "/dev/null", s.socket()) }, false},
		"a parent holds it":   {func(s *stand) { s.must(os.Symlink(s.socket(), s.at("%d/fd/3", parents))) }, false},
		"one that hides":      {func(s *stand) { s.must(os.Mkdir(s.at("%d", other), 0o700)) }, false},
		"another spawner":     {func(s *stand) { s.Spawner(400) }, false},
		"given away":          {func(s *stand) { s.must(os.Remove(s.at("%d/fd/3", agent))) }, false},
		"another connection":  {func(s *stand) { s.c, s.l = connected(s.T, "127.0.0.1:0") }, false},
		"closed":              {func(s *stand) { s.c.Close(); s.l.Close() }, false},
		"another program":     {func(s *stand) { s.become("%d/other", agent) }, false},
		"a program replaced":  {func(s *stand) { s.replace(agent) }, false},
		"a parent's program":  {func(s *stand) { s.must(os.Remove(s.at("%d/exe", parents))) }, false},
		"too many to look at": {func(s *stand) { s.process(other, slices.Repeat([]string{"/dev/null"}, maxFds+1)...) }, false},
		"too many in all": {func(s *stand) {
			for pid := other; pid < other+3; pid++ {
				s.process(pid, slices.Repeat([]string{"/dev/null"}, maxFds/2)...)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			s.keep()
			if _, passed := s.ask(); passed {
				t.Fatal("passed on before")
			}
			c.happens(s)
			if m, passed := s.ask(); passed == c.answered {
				t.Errorf("passed on: %v, %+v", passed, m)
			}
		})
	}
}

// become makes the agent's program another one.
func (s *stand) become(path string, pid int) {
	s.must(os.WriteFile(s.at(path, pid), nil, 0o700))
	s.must(os.Remove(s.at("%d/exe", pid)))
	s.must(os.Symlink(s.at(path, pid), s.at("%d/exe", pid)))
}

// replace puts another file in the place of the program's.
func (s *stand) replace(pid int) {
	s.must(os.WriteFile(s.at("new"), nil, 0o700))
	s.must(os.Rename(s.at("new"), s.at("%d/program", pid)))
}

// A process that is something else by the time that it would be kept is not.
func TestKept(t *testing.T) {
	s := newStand(t)
	s.keep()
	s.must(os.Rename(s.at("%d/fd/3", agent), s.at("%d/fd/4", agent)))
	s.keep()
	if _, passed := s.ask(); passed {
		t.Error("not kept")
	}
	s.must(os.Remove(s.at("%d/fd/4", agent)))
	before := descriptors(t)
	s.keep()
	if after := descriptors(t); after != before-3 { // the last one's folders
		t.Errorf("%d descriptors are open: want %d", after, before-3)
	}
	s.must(os.Symlink(s.socket(), s.at("%d/fd/5", agent)))
	if _, passed := s.ask(); !passed {
		t.Error("one was kept that did not hold it")
	}
	long := Process{Program: spec.Program{Exe: string(make([]byte, unix.PathMax))}, Dir: s.open(s.proc), Fds: s.open(s.proc)}
	s.Keep(long, s.socket())
	if after := descriptors(t); after != before-3 {
		t.Errorf("%d descriptors are open: want %d", after, before-3)
	}
}

func descriptors(t *testing.T) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// While somebody else is kept, it passes on; and what no question is ends it.
func TestBusy(t *testing.T) {
	s := newStand(t)
	s.keep()
	release := s.hold()
	if _, passed := s.ask(); !passed {
		t.Error("answered what was being changed")
	}
	release()
	if _, passed := s.ask(); passed {
		t.Error("passed on")
	}
	_, err := unix.Write(s.ours, []byte("no question"))
	s.must(err)
	if n, err := unix.Read(s.ours, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("after no question: %d, %v", n, err)
	}
}

// Where nobody takes the answers, what the thread holds is free all the same, and
// what it cannot say is passed on.
func TestFull(t *testing.T) {
	s := newStand(t)
	s.keep()
	q := spec.Question{Local: addr(s.c.LocalAddr()), Remote: addr(s.c.RemoteAddr())}.Packed()
	fds := []unix.PollFd{{Fd: int32(s.passed), Events: unix.POLLIN}, {Fd: int32(s.ours), Events: unix.POLLIN}}
	asked, took, b := 0, [2]int{}, make([]byte, 64<<10)
	for n := 0; n <= 0; asked++ {
		_, err := unix.Write(s.ours, q[:])
		s.must(err)
		n, _ = unix.Poll(fds[:1], 1)
	}
	s.Spawner(7)
	s.Spawner(0)
	for took[0]+took[1] < asked {
		_, _ = unix.Poll(fds, 20_000)
		for i := range fds {
			if fds[i].Revents != 0 {
				_, err := unix.Read(int(fds[i].Fd), b)
				s.must(err)
				took[i]++
			}
		}
	}
	if took[0] == 0 || took[1] == 0 {
		t.Errorf("%d were passed on, %d answered", took[0], took[1])
	}
	if _, passed := s.ask(); passed {
		t.Error("does not answer any more")
	}
}

// Head, ID and tail are the message.
func TestAnswerInParts(t *testing.T) {
	p := spec.Program{PID: 7, Exe: "/x", Dev: 1, Ino: 1 << 40, Parents: []string{"/x", "/y"}}
	head, tail := spec.Answer(p)
	m, err := spec.DecodeMessage(append(binary.AppendUvarint(head, 1<<50), tail...))
	if want := (spec.Message{Op: spec.OpHolders, ID: 1 << 50, Programs: []spec.Program{p}}); err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, %v", m, err)
	}
}
