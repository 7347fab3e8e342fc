package session

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
	"os"
)

func socketPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]net.Conn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		if conns[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return conns[0], conns[1]
}

// echo listens on this machine's loopback, which the local box takes for the
// sandbox's.
func echo(t *testing.T) net.Addr {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return ln.Addr()
}

func TestForwardReachesLoopback(t *testing.T) {
	s := newServer(t)
	conn, err := s.client(t).Dial("tcp", echo(t).String())
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("echo"), 1<<18)
	go func() {
		_, _ = conn.Write(data)
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes, %v", len(got), len(data), err)
	}
}

func TestRefusals(t *testing.T) {
	s := newServer(t)
	c := s.client(t)

	t.Run("channels", func(t *testing.T) {
		port := uint32(echo(t).(*net.TCPAddr).Port)
		for _, host := range []string{"8.8.8.8", "0.0.0.0", "::", "example.com", "169.254.169.254", "10.0.0.1", "::ffff:8.8.8.8", "127.0.0.1.example.com", "2130706433", "", "localhost."} {
			_, _, err := c.OpenChannel("direct-tcpip", ssh.Marshal(directTCPIP{Host: host, Port: port}))
			if refused := (*ssh.OpenChannelError)(nil); !errors.As(err, &refused) || refused.Reason != ssh.Prohibited {
				t.Errorf("direct-tcpip to %q: %v", host, err)
			}
		}
		for _, host := range []string{"127.0.0.1", "localhost", "::ffff:127.0.0.1", "127.0.0.1"} { // the control
			ch, _, err := c.OpenChannel("direct-tcpip", ssh.Marshal(directTCPIP{Host: host, Port: port}))
			if err != nil {
				t.Errorf("direct-tcpip to %q: %v", host, err)
				continue
			}
			_ = ch.Close()
		}
		if !slices.ContainsFunc(s.box.dialled, func(a string) bool { return strings.HasPrefix(a, "127.0.0.1:") }) {
			t.Errorf("dialled %v", s.box.dialled)
		}
		for _, port := range []uint32{0, 65536, 1 << 31} {
			if _, _, err := c.OpenChannel("direct-tcpip", ssh.Marshal(directTCPIP{Host: "127.0.0.1", Port: port})); err == nil {
				t.Errorf("direct-tcpip to port %d was opened", port)
			}
		}
		for _, kind := range []string{"direct-streamlocal@openssh.com", "x11", "auth-agent@openssh.com", "tun@openssh.com", "forwarded-tcpip"} {
			if _, _, err := c.OpenChannel(kind, nil); err == nil {
				t.Errorf("channel %s was opened", kind)
			}
		}
	})

	t.Run("global requests", func(t *testing.T) {
		for _, name := range []string{"tcpip-forward", "streamlocal-forward@openssh.com", "cancel-tcpip-forward"} {
			if ok, _, err := c.SendRequest(name, true, ssh.Marshal(struct {
				Host string
				Port uint32
			}{"127.0.0.1", 0})); ok || err != nil {
				t.Errorf("%s: %v, %v", name, ok, err)
			}
		}
	})

	t.Run("session requests", func(t *testing.T) {
		for _, name := range []string{"auth-agent-req@openssh.com", "x11-req", "subsystem", "xon-xoff", "break", "nothing@known"} {
			ch, requests, err := c.OpenChannel("session", nil)
			if err != nil {
				t.Fatal(err)
			}
			go ssh.DiscardRequests(requests)
			if ok, err := ch.SendRequest(name, true, ssh.Marshal(subsystem{"netconf"})); ok || err != nil {
				t.Errorf("%s: %v, %v", name, ok, err)
			}
			_ = ch.Close()
		}
	})

	t.Run("environment", func(t *testing.T) {
		for pair, want := range map[string]bool{
			"LANG=de_DE.UTF-8": true, "LC_TIME=C": true, "TERM=xterm-256color": true,
			"LD_PRELOAD=/tmp/x.so": false, "PATH=/tmp": false, "BASH_ENV=/tmp/x": false, "LANGUAGE=x": false,
			"LC_X=a b": false, "LC_A\nB=c": false, "LANG=../../x": false, "TERM=": false,
		} {
			name, value, _ := strings.Cut(pair, "=")
			n, err := c.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Setenv(name, value); (err == nil) != want {
				t.Errorf("%q: %v", pair, err)
			}
			out, err := n.Output("env")
			if err != nil || strings.Contains(string(out), pair+"\n") != want {
				t.Errorf("%q: inside: %q, %v", pair, out, err)
			}
		}
	})

	t.Run("a second program on one channel", func(t *testing.T) {
		n, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start("cat"); err != nil {
			t.Fatal(err)
		}
		if ok, err := n.SendRequest("exec", true, ssh.Marshal(execRequest{"id"})); ok || err != nil {
			t.Errorf("a second exec: %v, %v", ok, err)
		}
		_ = n.Close()
	})
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	c := newServer(t).client(t)
	for _, name := range []string{"pty-req", "env", "exec", "window-change", "signal", ownExecName} {
		for _, payload := range []string{"", "\xff\xff\xff\xff", "\x00\x00\x00\x02{", strings.Repeat("a", 1000)} {
			ch, requests, err := c.OpenChannel("session", nil)
			if err != nil {
				t.Fatal(err)
			}
			go ssh.DiscardRequests(requests)
			if ok, err := ch.SendRequest(name, true, []byte(payload)); ok || err != nil {
				t.Errorf("%s %q: %v, %v", name, payload, ok, err)
			}
			_ = ch.Close()
		}
	}
}

func TestHostKeyIsKept(t *testing.T) {
	file, err := NewKey("sandbox demo")
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseKey(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseKey(file)
	if err != nil || !bytes.Equal(a.PublicKey().Marshal(), b.PublicKey().Marshal()) || a.PublicKey().Type() != ssh.KeyAlgoECDSA256 {
		t.Errorf("%v, %v, %v", a.PublicKey(), b, err)
	}
	if key, err := ParseKey(file[:len(file)/2]); err == nil || key != nil {
		t.Errorf("half a key: %v, %v", key, err)
	}
}
