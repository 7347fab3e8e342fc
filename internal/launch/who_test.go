package launch

import (
	"bufio"
	"net"
	"path"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// A command that is being started is a copy of the spawner for a moment, and
// cannot be looked into: that makes nobody's connection anonymous.
func TestWhoWhileCommandsStart(t *testing.T) {
	s := up(t)
	_, c := s.connected("exec 3<>/dev/tcp/203.0.113.5/80; read -u 3")
	s.isTold(c, func() {
		for range 100 {
			p, err := s.Run(t.Context(), spec.Command{Argv: []string{"true"}})
			if err != nil {
				t.Error(err)
				return
			}
			p.Wait()
			p.Close()
		}
	})
}

// Nor does it that a program's own child has its connection until it executes
// something.
func TestWhoWhileItStartsOthers(t *testing.T) {
	s := up(t)
	s.needs("python3")
	p, c := s.connected(`exec python3 -c 'import socket, subprocess
s = socket.create_connection(("203.0.113.5", 80))
for _ in range(100): subprocess.run(["true"])
print("done", flush=True)
s.recv(1)'`) // it holds the connection as long as it is asked about
	s.isTold(c, func() { _, _ = bufio.NewReader(p.Stdout()).ReadString('\n') })
}

// Nobody passes for another program by executing that one while it is looked
// for who has the connection; a queue has it meanwhile.
func TestWhoExecutesSomethingElse(t *testing.T) {
	s := up(t)
	s.needs("python3")
	p, c := s.connected(`exec python3 -c 'import os, random, socket, time
s = socket.create_connection(("203.0.113.5", 80))
input()
lend, borrow = socket.socketpair()
for _ in range(5): socket.send_fds(lend, [b"x"], [s.fileno()])
s.close()
turns = []
for _ in range(5):
    r, w = os.pipe()
    if os.fork() == 0:
        os.read(r, 1)
        fd = socket.recv_fds(borrow, 1, 1)[1][0]
        os.set_inheritable(fd, False)
        time.sleep(random.uniform(.2, .4))
        os.execv("/bin/sleep", ["sleep", ".1"])
    turns.append(w)
ready, tell = os.pipe()
for _ in range(16): # looking at these takes a while
    if os.fork() == 0:
        for _ in range(900): os.dup(0)
        os.write(tell, b"x")
        time.sleep(60)
for _ in range(16): os.read(ready, 1)
print("ready", flush=True)
for w in turns:
    os.write(w, b"x")
    os.wait()
print("done", flush=True)'`)
	found := map[string]int{}
	ask := func() {
		if q, ok := s.Who(t.Context(), addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())); ok {
			found[path.Base(q.Exe)]++
		}
	}
	ask()
	if len(found) != 1 {
		t.Errorf("found %v: want who connected", found)
	}
	_, _ = p.Stdin().Write([]byte("\n"))
	said := bufio.NewReader(p.Stdout())
	if line, err := said.ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = said.ReadString('\n')
	}()
	for going := true; going; ask() {
		select {
		case <-done:
			going = false
		default:
		}
	}
	for name := range found {
		if !strings.HasPrefix(name, "python3") {
			t.Errorf("found %v", found)
		}
	}
}

// connected runs a script that connects, and accepts that.
func (s *sandbox) connected(script string) (*Process, net.Conn) {
	s.t.Helper()
	l := s.listener(spec.Capture4, "")
	p, err := s.Run(s.t.Context(), spec.Command{Argv: []string{"bash", "-c", script}})
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return p, c
}

// isTold asks who has c, again and again while something is done.
func (s *sandbox) isTold(c net.Conn, while func()) {
	s.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		while()
	}()
	asked, untold := 0, 0
	for going := true; going; asked++ {
		select {
		case <-done:
			going = false
		default:
		}
		if _, ok := s.Who(s.t.Context(), addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())); !ok {
			untold++
		}
	}
	if untold > 2+asked/200 { // the last may come too late; a busy machine may keep a start waiting for longer than the question
		s.t.Errorf("%d of %d questions had no answer", untold, asked)
	}
}
