package inference

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// sockets are two ends of one connection of the loopback.
func sockets(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); out.Close() })
	return newSocket(in), newSocket(out)
}

// A socket is a connection like any other: package net's own judge says so.
func TestSocketIsAConnection(t *testing.T) {
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		a, b = sockets(t)
		if _, ok := a.(*socket); !ok {
			t.Fatalf("a %T", a)
		}
		return a, b, func() { a.Close(); b.Close() }, nil
	})
}

// What does not fit into the kernel's buffers is sent when there is room.
func TestSocketSendsWhatDoesNotFitAtOnce(t *testing.T) {
	a, b := sockets(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	wrote := make(chan error, 1)
	go func() {
		_, err := a.Write(sent)
		wrote <- errors.Join(err, a.Close())
	}()
	got, err := io.ReadAll(b)
	if err := errors.Join(err, <-wrote); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d bytes, or others", len(got), len(sent))
	}
}

// An end that is reset is an error that says so, and one that stays silent is
// cut off by the deadline or by Close, also while it is waited for.
func TestSocketEnds(t *testing.T) {
	a, b := sockets(t)
	_ = b.(*socket).Conn.(*net.TCPConn).SetLinger(0)
	b.Close()
	if _, err := io.ReadAll(a); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("written after a reset: %v", err)
	}

	a, _ = sockets(t)
	_ = a.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	_ = a.SetReadDeadline(time.Time{})
	read := make(chan error, 1)
	go func() {
		_, err := a.Read(make([]byte, 1))
		read <- err
	}()
	a.Close()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// What has no socket below it stays as it is.
func TestNoSocket(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if c := newSocket(a); c != a {
		t.Errorf("a %T", c)
	}
}
