package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch/launchtest"
)

// listener is the handed-out listener of one use.
func (s *sandbox) listener(use spec.SocketUse, at string) net.Listener {
	s.t.Helper()
	for _, h := range s.Sockets() {
		if h.Use != use || at != "" && h.Addr != netip.MustParseAddrPort(at) {
			continue
		}
		l, err := net.FileListener(h.File)
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { l.Close() })
		return l
	}
	s.t.Fatalf("no socket for %s", use)
	return nil
}

// sayAddress answers each connection with the address it was for.
func sayAddress(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Read(make([]byte, 4096)) // unread, it would be answered with a reset
		fmt.Fprintf(c, "HTTP/1.0 200 OK\r\n\r\n%s", c.LocalAddr())
		c.Close()
	}
}

func TestEveryConnectionIsCaptured(t *testing.T) {
	s := up(t)
	s.needs("curl")
	go sayAddress(s.listener(spec.Capture4, ""))
	go sayAddress(s.listener(spec.Capture6, ""))
	go sayAddress(s.listener(spec.Router, "127.0.0.1:11434"))
	go sayAddress(s.listener(spec.Router, "[::1]:11434"))
	for _, a := range []string{
		"203.0.113.5:443", "8.8.8.8:53", "169.254.169.254:80", "10.0.0.1:22", "[2001:db8::1]:443", "[fd00:ec2::254]:80", "[64:ff9b::a9fe:a9fe]:80",
		"127.0.0.1:11434", "[::1]:11434",
	} {
		s.wants("curl -s --noproxy '*' --max-time 5 http://"+a, a)
	}
	s.refuses("exec 3<>/dev/tcp/127.0.0.1/9", "Connection refused")
	s.refuses("exec 3<>/dev/tcp/::1/9", "Connection refused")
}

// Without a gate there is no way out at all.
func TestNoListenerNoNetwork(t *testing.T) {
	s := up(t)
	for _, h := range s.Sockets() {
		h.File.Close()
	}
	s.refuses("exec 3<>/dev/tcp/203.0.113.5/80", "Connection refused")
	s.refuses("exec 3<>/dev/tcp/2001:db8::1/80", "Connection refused")
	s.wants("cat /proc/net/dev | grep -c :", "1\n")
}

func TestCaptureOff(t *testing.T) {
	s := up(t, func(s *spec.Spec) { s.Network = spec.Network{CaptureOff: true} })
	s.refuses("exec 3<>/dev/tcp/203.0.113.5/80", "unreachable")
	s.refuses("exec 3<>/dev/tcp/127.0.0.1/80", "unreachable")
	if len(s.Sockets()) != 0 {
		t.Errorf("sockets %v", s.Sockets())
	}
}

// Everything that is not TCP is refused at once, and told.
func TestOthersAreRefusedAndTold(t *testing.T) {
	s := up(t)
	s.needs("python3")
	send := func(family, to, port string) string {
		return fmt.Sprintf(`python3 -c 'import socket; s=socket.socket(socket.%s, socket.SOCK_DGRAM); s.sendto(b"payload-of-%s", ("%s", %s)); print("sent")'`, family, port, to, port)
	}
	told := make(chan []byte, 64)
	for _, h := range s.Sockets() {
		if h.Use == spec.Refused {
			go func() {
				for {
					b := make([]byte, 4096)
					n, err := h.File.Read(b)
					if err != nil {
						return
					}
					told <- b[:n]
				}
			}()
		}
	}
	for _, c := range [][3]string{{"AF_INET", "203.0.113.5", "443"}, {"AF_INET6", "2001:db8::1", "4433"}} {
		s.refuses(send(c[0], c[1], c[2]), "Operation not permitted")
		for deadline := time.After(5 * time.Second); ; {
			select {
			case b := <-told:
				if !strings.Contains(string(b), "payload-of-"+c[2]) {
					continue
				}
			case <-deadline:
				t.Errorf("%s: nobody was told", c[1])
			}
			break
		}
	}
	s.wants(send("AF_INET", "127.0.0.1", "5353"), "sent\n")
}

// Any name server is the gate's, and answers come from where one asked.
func TestAnyNameServerIsOurs(t *testing.T) {
	s := up(t)
	s.needs("python3")
	for _, h := range s.Sockets() {
		if h.Use == spec.Names4 || h.Use == spec.Names6 {
			c, err := net.FilePacketConn(h.File)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			go echo(c.(*net.UDPConn))
		}
	}
	ask := func(family, at string) string {
		return fmt.Sprintf(`python3 -c 'import socket; s=socket.socket(socket.%s, socket.SOCK_DGRAM); s.settimeout(5); s.connect(("%s",53)); s.send(b"name?"); print(s.recv(99).decode())'`, family, at)
	}
	s.wants(ask("AF_INET", "8.8.8.8"), "name?\n")
	s.wants(ask("AF_INET", "127.0.0.53"), "name?\n")
	s.wants(ask("AF_INET6", "2001:4860:4860::8888"), "name?\n")
}

// echo answers from the address that was asked, as the gate does: the kernel's
// own note of it is sent back.
func echo(c *net.UDPConn) {
	b, oob := make([]byte, 512), make([]byte, 128)
	for {
		n, m, _, from, err := c.ReadMsgUDPAddrPort(b, oob)
		if err != nil {
			return
		}
		note := oob[:m]
		if cm, err := unix.ParseSocketControlMessage(note); err == nil && len(cm) == 1 && cm[0].Header.Level == unix.SOL_IP {
			// in_pktinfo: interface, our address, header's destination.
			copy(cm[0].Data[0:4], []byte{0, 0, 0, 0})
			copy(cm[0].Data[4:8], cm[0].Data[8:12])
		}
		_, _, _ = c.WriteMsgUDPAddrPort(b[:n], note, from)
	}
}

func TestDialReachesTheInside(t *testing.T) {
	s := up(t)
	s.needs("python3")
	p, err := s.Run(t.Context(), spec.Command{Argv: []string{"python3", "-c", `
import socket
l = socket.create_server(("127.0.0.1", 18789)); m = socket.create_server(("::1", 18789), family=socket.AF_INET6)
print("ready", flush=True)
for x in (l, m, l, l, l, l, l):
    c, _ = x.accept(); c.sendall(b"inside"); c.close()
`}})
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(p.Stdout(), make([]byte, 6))
	for i, a := range []string{"127.0.0.1:18789", "[::1]:18789", "127.0.0.1:18789", "127.0.0.1:18789", "127.0.0.1:18789", "127.0.0.1:18789", "127.0.0.1:18789"} {
		c, err := s.Dial(t.Context(), netip.MustParseAddrPort(a))
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		b, err := io.ReadAll(c)
		if string(b) != "inside" || err != nil {
			t.Errorf("%s: %q, %v", a, b, err)
		}
		c.Close()
	}
	if c, err := s.Dial(t.Context(), netip.MustParseAddrPort("127.0.0.1:1")); err == nil {
		t.Error("dialled a port where nobody listens")
		c.Close()
	}
	// The gate's listener takes the connection, so only a full backlog keeps
	// one waiting; ctx has passed before it begins.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Dial(ctx, netip.MustParseAddrPort("203.0.113.5:80")); err == nil {
		t.Error("dialled with a context that was over")
	}
}

// onLine asks on the line, and waits for what it says.
func (s *sandbox) onLine(local, remote netip.AddrPort) (p spec.Program, known bool) {
	s.t.Helper()
	s.asked++
	if err := s.Line().Ask(s.asked, local, remote); err != nil {
		s.t.Fatal(err)
	}
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.Line().Descriptor()), Events: unix.POLLIN}}, 10000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		id, p, known, err := s.Line().Hear()
		if err != nil || id != s.asked {
			s.t.Fatalf("asked %d, heard %d, %v", s.asked, id, err)
		}
		return p, known
	}
}

// More questions than the line holds are refused, not waited for; when init is
// gone, so is the line.
func TestLineNeverBlocks(t *testing.T) {
	s := up(t)
	if err := unix.Kill(s.PID(), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for { // until all its threads stand
		err := unix.Waitid(unix.P_PID, s.PID(), nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
	nobody := netip.MustParseAddrPort("203.0.113.5:80")
	err := error(nil)
	for n := uint64(0); err == nil && n < 1<<20; n++ {
		err = s.Line().Ask(n, nobody, nobody)
	}
	if !errors.Is(err, unix.EAGAIN) {
		t.Errorf("a full line: %v", err)
	}
	if _, _, _, err := s.Line().Hear(); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("a silent line: %v", err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.Wait()
	if _, _, _, err := s.Line().Hear(); err == nil || errors.Is(err, unix.EAGAIN) {
		t.Errorf("a dead line: %v", err)
	}
	if err := s.Line().Ask(1, nobody, nobody); err == nil {
		t.Error("a dead line was asked")
	}
}

func TestWhoHoldsASocket(t *testing.T) {
	s := up(t)
	l := s.listener(spec.Capture4, "")
	_, err := s.Run(t.Context(), spec.Command{Argv: []string{"bash", "-c", "exec 3<>/dev/tcp/203.0.113.5/80; read -u 3"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	local, remote := addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())
	p, ok := s.Who(t.Context(), local, remote)
	if !ok || !strings.HasSuffix(p.Exe, "/bash") || p.Ino == 0 || p.Name != "bash" {
		r, _ := s.ask(t.Context(), spec.Message{Op: spec.OpWho, Local: local, Remote: remote}, nil)
		t.Errorf("who: %+v, %v, %s", p, ok, r.m.Error)
	}
	for range 3 { // found by searching, and then as the one that is known
		if q, ok := s.onLine(local, remote); !ok || q.PID != p.PID || q.Exe != p.Exe || !slices.Equal(q.Parents, p.Parents) {
			t.Errorf("who, on the line: %+v: want %+v", q, p)
		}
	}
	if q, ok := s.Look(t.Context(), p.PID); !ok || q.Exe != p.Exe {
		t.Errorf("look: %+v, %v", q, ok)
	}
	if p, ok := s.Who(t.Context(), remote, local); ok {
		t.Errorf("the gate's own side is held by %+v", p)
	}
	if p, ok := s.Look(t.Context(), 1); ok {
		t.Errorf("PID 1 is no agent: %+v", p)
	}

	// One that has ended and that nobody asked about hides nothing.
	if _, err := s.Run(t.Context(), spec.Command{Argv: []string{"bash", "-c", "true & exec sleep 100"}}); err != nil {
		t.Fatal(err)
	}
	if p, ok := s.Who(t.Context(), local, remote); !ok {
		t.Errorf("with a zombie beside: %+v, %v", p, ok)
	}

	// A child that holds it as well: nobody can say who asks.
	_, err = s.Run(t.Context(), spec.Command{Argv: []string{"bash", "-c", "exec 3<>/dev/tcp/203.0.113.6/80; sleep 100 & echo go >&3; wait"}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	io.ReadFull(d, make([]byte, 3))
	if p, ok := s.Who(t.Context(), addrPort(d.RemoteAddr()), addrPort(d.LocalAddr())); ok {
		t.Errorf("a shared socket is held by %+v", p)
	}
}

func addrPort(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

// Inside, where every connection has one hop, nothing is paced.
func TestInsideIsNotPaced(t *testing.T) {
	s := up(t)
	p, err := s.Run(t.Context(), spec.Command{Argv: []string{"cat", "/proc/sys/net/ipv4/tcp_congestion_control"}})
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := io.ReadAll(p.Stdout()); string(out) != "reno\n" {
		t.Errorf("%q", out)
	}
}

func TestGatePortIsTheSpecs(t *testing.T) {
	s := up(t)
	l := s.listener(spec.Capture4, "")
	if got := addrPort(l.Addr()).Port(); got != launchtest.GatePort {
		t.Errorf("port %d", got)
	}
	// Nobody inside can share it.
	s.needs("python3")
	s.refuses(`python3 -c 'import socket; s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("203.0.113.5", 12345)); s.listen()'`, "Address already in use")
}

// More connections at once than wait to be accepted: none is lost, though only
// the first packet of each is led to the gate. What finds the queue full is sent
// again; no SYN cookie, whose answer nobody would know, is ever made.
func TestBurstBeyondTheQueue(t *testing.T) {
	s := up(t)
	s.needs("python3")
	const burst, queue = 100, 64
	for _, h := range s.Sockets() {
		if h.Use == spec.Capture4 {
			if err := control(h.File, func(fd int) error { return unix.Listen(fd, queue) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	l := s.listener(spec.Capture4, "")
	p, err := s.Run(t.Context(), spec.Command{Argv: []string{"python3", "-c", fmt.Sprintf(`
import socket
all = []
for i in range(%d):
    s = socket.socket(); s.setblocking(False)
    s.connect_ex(("203.0.113.5", 1000 + i)); all.append(s)
print("begun", flush=True)
n = 0
for s in all:
    s.setblocking(True); s.settimeout(20)
    s.sendall(b"x") # waits until it is connected
    n += len(s.recv(1))
names, values = [x.split() for x in open("/proc/net/netstat").readlines()[:2]]
count = dict(zip(names, values))
print(n, int(count["ListenDrops"]) > 0, count["SyncookiesSent"], flush=True)`, burst)}})
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(p.Stdout())
	if line, err := out.ReadString('\n'); line != "begun\n" {
		all, _ := io.ReadAll(p.Stderr())
		t.Fatalf("%q, %v: %s", line, err, all)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(c, c) //nolint:errcheck // ends with the connection
		}
	}()
	line, _ := out.ReadString('\n')
	if want := fmt.Sprintf("%d True 0\n", burst); line != want {
		all, _ := io.ReadAll(p.Stderr())
		t.Errorf("got %q: want %q: %s", line, want, all)
	}
	l.Close()
}

// What is not a connection's first packet belongs to a connection that stands,
// or is answered by a reset: it goes nowhere else.
func TestLatePacketsAreReset(t *testing.T) {
	s := up(t)
	s.needs("python3")
	for use, at := range map[spec.SocketUse][2]string{
		spec.Capture4: {"AF_INET", "203.0.113.5"},
		spec.Capture6: {"AF_INET6", "2001:db8::5"},
	} {
		l := s.listener(use, "")
		p, err := s.Run(t.Context(), spec.Command{Argv: []string{"python3", "-c", fmt.Sprintf(`
import socket
s = socket.socket(socket.%s); s.settimeout(10); s.connect((%q, 443))
s.sendall(b"a"); print(s.recv(1).decode(), flush=True)
try: s.sendall(b"b"); s.recv(1); print("end of file")
except ConnectionResetError: print("reset")`, at[0], at[1])}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		c.Close()
		out, _ := io.ReadAll(p.Stdout())
		if string(out) != "a\nreset\n" {
			all, _ := io.ReadAll(p.Stderr())
			t.Errorf("%s: %q: %s", at[1], out, all)
		}
	}
}
