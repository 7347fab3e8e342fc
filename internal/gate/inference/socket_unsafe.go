package inference

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a connection whose calls tell the Go scheduler nothing, since they
// never wait (MSG_DONTWAIT): the poller does. What they would tell it wakes the
// runtime's monitoring thread, where the process was idle just before, as it is
// between two tokens of a stream: two switches of threads for each token, more
// than all else that a token costs. See entersyscallWakeSysmon in runtime/proc.go.
type socket struct {
	net.Conn
	in, out way
}

// way is one direction of a socket.
type way struct {
	mu    sync.Mutex
	await func(func(uintptr) bool) error // until try is true; or the connection's end, or its deadline
	try   func(uintptr) bool
	bytes []byte        // to be filled or sent; protected by mu
	done  int           // of bytes; protected by mu
	fault syscall.Errno // protected by mu
}

// newSocket is c as a socket, or c where there is none below it.
func newSocket(c net.Conn) net.Conn {
	s, ok := c.(syscall.Conn)
	if !ok {
		return c
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return c
	}
	out := &socket{Conn: c}
	out.in.await, out.in.try = raw.Read, out.in.receive
	out.out.await, out.out.try = raw.Write, out.out.send
	return out
}

// Read reads what is there, or waits for it.
func (s *socket) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := s.in.move(b)
	switch {
	case err != nil:
		return n, s.failed("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write sends all of b.
func (s *socket) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := s.out.move(b)
	if err != nil {
		return n, s.failed("write", err)
	}
	return n, nil
}

// failed is err in the form of package net, whose own errors are in it already.
func (s *socket) failed(op string, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		to := s.RemoteAddr()
		return &net.OpError{Op: op, Net: to.Network(), Source: s.LocalAddr(), Addr: to, Err: os.NewSyscallError(op, errno)}
	}
	return err
}

func (w *way) move(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes, w.done, w.fault = b, 0, 0
	err := w.await(w.try)
	w.bytes = nil
	if err == nil && w.fault != 0 {
		err = w.fault
	}
	return w.done, err
}

// receive is one recvfrom(2); false says that nothing is there yet.
func (w *way) receive(fd uintptr) bool {
	w.done, w.fault = call(unix.SYS_RECVFROM, fd, w.bytes, unix.MSG_DONTWAIT)
	return w.told()
}

// send is as many sendto(2) as it takes; false says that there is no room for
// the rest yet.
func (w *way) send(fd uintptr) bool {
	for n := 0; w.done < len(w.bytes) && w.fault == 0; w.done += n {
		n, w.fault = call(unix.SYS_SENDTO, fd, w.bytes[w.done:], unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	}
	return w.told()
}

// told says whether a call had an end, rather than nothing to do as yet.
func (w *way) told() bool {
	if w.fault != unix.EAGAIN {
		return true
	}
	w.fault = 0
	return false
}

// call makes one of the two calls, on a connected socket; b has a byte or more.
func call(nr, fd uintptr, b []byte, flags uintptr) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(nr, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}
