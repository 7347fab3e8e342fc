package control

import (
	"bufio"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// Carrier is a connection that left HTTP. On a Unix socket it carries
// descriptors from the supervisor to its operator; never the other way: HTTP's
// own reads drop what comes along.
type Carrier struct {
	net.Conn
	in *bufio.Reader // has what was read ahead

	mu  sync.Mutex // Close may come from anywhere, and more than once
	fds []int      // that came and were not taken; protected by mu
}

func (c *Carrier) Read(p []byte) (int, error) { return c.in.Read(p) }

// ReadByte reads one byte of what Read would give.
func (c *Carrier) ReadByte() (byte, error) { return c.in.ReadByte() }

// Close closes the connection, and the descriptors that nobody took.
func (c *Carrier) Close() error {
	for _, fd := range c.Take() {
		unix.Close(fd)
	}
	return c.Conn.Close()
}

func (c *Carrier) carries() bool {
	_, ok := c.Conn.(*net.UnixConn)
	return ok
}

// Hand writes b with descriptors beside it, which stay the caller's.
func (c *Carrier) Hand(b []byte, fds ...int) error {
	conn, ok := c.Conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("hand over descriptors: %T: want a Unix connection", c.Conn)
	}
	// One that fits into the socket's buffer is written at once.
	_, _, err := conn.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	return err
}

// Take gives the descriptors that came with what has been read; they are the
// caller's, and close-on-exec.
func (c *Carrier) Take() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	fds := c.fds
	c.fds = nil
	return fds
}

// mostDescriptors bounds how many come with one read: a command's streams.
const mostDescriptors = 3

// receiver reads a Carrier's connection and keeps the descriptors.
type receiver struct{ *Carrier }

func (r receiver) Read(p []byte) (int, error) {
	conn, ok := r.Conn.(*net.UnixConn)
	if !ok {
		return r.Conn.Read(p)
	}
	oob := make([]byte, unix.CmsgSpace(4*mostDescriptors))
	n, oobn, _, _, err := conn.ReadMsgUnix(p, oob)
	if oobn > 0 {
		r.keep(oob[:oobn])
	}
	return max(n, 0), err // -1 with an error, as recvmsg(2) has it
}

func (c *Carrier) keep(oob []byte) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return // the kernel writes them
	}
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
			c.mu.Lock()
			c.fds = append(c.fds, fds...)
			c.mu.Unlock()
		}
	}
}
