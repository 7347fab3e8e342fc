package wire

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

const (
	maxPacket = 32 << 10 // more goes through a memory file
	maxBytes  = 8 << 20  // of one message
	maxFds    = 250      // the kernel's limit is 253 (SCM_MAX_FD)
)

// opLarge says that the first descriptor is a memory file with the message.
const opLarge spec.Op = "large"

// Conn is one end of the wire. Send, Receive, End and Close may be called at the
// same time; Receive by one goroutine only. Receive keeps a thread while it
// waits: the runtime's poller would cost two switches of threads a packet.
type Conn struct {
	buf []byte
	oob []byte

	sending   sync.Mutex // held while Send uses fd
	receiving sync.Mutex // held while Receive uses fd; locked before sending
	ending    sync.Mutex // held while End uses fd; locked last
	fd        int        // -1 once closed; changed with all three held
}

// Pair makes a connected pair of sockets, close-on-exec. See socketpair(2).
func Pair() (a, b int, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("make socket pair: %w", err)
	}
	return p[0], p[1], nil
}

// New takes fd over.
func New(fd int) *Conn {
	unix.CloseOnExec(fd)
	return &Conn{fd: fd, buf: make([]byte, maxPacket+1), oob: make([]byte, unix.CmsgSpace(4*maxFds))}
}

// Patience bounds how long Receive waits; 0 is for ever, as it begins. See
// socket(7), SO_RCVTIMEO.
func (c *Conn) Patience(d time.Duration) error {
	c.receiving.Lock()
	defer c.receiving.Unlock()
	t := unix.NsecToTimeval(d.Nanoseconds())
	return unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &t)
}

// End ends both directions. Receive gives what has come before, and then io.EOF;
// a blocked Send fails.
func (c *Conn) End() {
	c.ending.Lock()
	defer c.ending.Unlock()
	if c.fd >= 0 {
		// An error means that the other side was first.
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
	}
}

// Close ends both directions; a blocked Send or Receive returns.
func (c *Conn) Close() error {
	c.End()
	c.receiving.Lock() // whoever received has left
	defer c.receiving.Unlock()
	c.sending.Lock()
	defer c.sending.Unlock()
	c.ending.Lock()
	defer c.ending.Unlock()
	if c.fd < 0 {
		return nil
	}
	err := unix.Close(c.fd)
	c.fd = -1
	return err
}

// Send writes one message with descriptors, which stay the caller's.
func (c *Conn) Send(m spec.Message, fds ...int) error {
	b := spec.EncodeMessage(m)
	if len(b) > maxPacket {
		mem, err := memory(b)
		if err != nil {
			return fmt.Errorf("send %s: %w", m.Op, err)
		}
		defer unix.Close(mem)
		fds = append([]int{mem}, fds...)
		b = spec.EncodeMessage(spec.Message{Op: opLarge})
	}
	if err := c.send(b, fds); err != nil {
		return fmt.Errorf("send %s: %w", m.Op, err)
	}
	return nil
}

// Packet sends b as it is: what is no message, and read by who expects that.
func (c *Conn) Packet(b []byte) error { return c.send(b, nil) }

func (c *Conn) send(b []byte, fds []int) error {
	if len(fds) > maxFds {
		return fmt.Errorf("%d descriptors: at most %d", len(fds), maxFds)
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.fd < 0 {
		return io.ErrClosedPipe
	}
	for {
		err := unix.Sendmsg(c.fd, b, oob, nil, unix.MSG_NOSIGNAL)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Receive reads one message. Its descriptors are the caller's from then on;
// they are close-on-exec. The end of the other side is io.EOF.
func (c *Conn) Receive() (spec.Message, []int, error) {
	n, oobn, flags, err := c.receive()
	if err != nil {
		return spec.Message{}, nil, err
	}
	fds, err := rights(c.oob[:oobn])
	if err != nil {
		return spec.Message{}, nil, err
	}
	if n == 0 {
		closeAll(fds)
		return spec.Message{}, nil, io.EOF
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		closeAll(fds)
		return spec.Message{}, nil, errors.New("receive: packet was cut")
	}
	m, err := spec.DecodeMessage(c.buf[:n])
	if err == nil && m.Op == opLarge {
		m, fds, err = large(fds)
	}
	if err != nil {
		closeAll(fds)
		return spec.Message{}, nil, fmt.Errorf("receive: %w", err)
	}
	return m, fds, nil
}

func (c *Conn) receive() (n, oobn, flags int, err error) {
	c.receiving.Lock()
	defer c.receiving.Unlock()
	if c.fd < 0 {
		return 0, 0, 0, io.EOF
	}
	for {
		n, oobn, flags, _, err = unix.Recvmsg(c.fd, c.buf, c.oob, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.ECONNRESET) {
		err = io.EOF
	}
	return n, oobn, flags, err
}

func rights(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	cms, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("receive descriptors: %w", err)
	}
	var out []int
	for i := range cms {
		fds, err := unix.ParseUnixRights(&cms[i])
		if err != nil {
			closeAll(out)
			return nil, fmt.Errorf("receive descriptors: %w", err)
		}
		out = append(out, fds...)
	}
	return out, nil
}

func large(fds []int) (spec.Message, []int, error) {
	if len(fds) == 0 {
		return spec.Message{}, fds, errors.New("large message without its file")
	}
	b, err := readMemory(fds[0])
	if err != nil {
		return spec.Message{}, fds, err
	}
	m, err := spec.DecodeMessage(b)
	if err != nil {
		return spec.Message{}, fds, err
	}
	unix.Close(fds[0])
	return m, fds[1:], nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
