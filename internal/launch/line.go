package launch

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// Line is where init says who holds a socket, apart from all else that it says:
// for one who asks, does other things, and waits for many descriptors at once.
// Ask may be called from anywhere, Hear by one goroutine.
type Line struct {
	c  *wire.Conn
	fd int
}

// Line is the box's; nil where the network wall has no gate.
func (b *Box) Line() *Line { return b.line }

func newLine(fd int) (*Line, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return &Line{wire.New(fd), fd}, nil
}

// Descriptor is readable when there is something to hear. It is the Line's.
func (l *Line) Descriptor() int { return l.fd }

// Ask is Who without waiting: what Hear says later has the same id. Where it
// fails, with EAGAIN when there are too many questions, it is not asked.
func (l *Line) Ask(id uint64, local, remote netip.AddrPort) error {
	b := spec.Question{ID: id, Local: local, Remote: remote}.Packed()
	return l.c.Packet(b[:])
}

// Hear takes one answer. EAGAIN: there is none; any other error is the end.
func (l *Line) Hear() (id uint64, p spec.Program, known bool, err error) {
	m, fds, err := l.c.Receive()
	if err != nil {
		return 0, p, false, err
	}
	closeAll(fds)
	p, known = programOf(m)
	return m.ID, p, known, nil
}

// programOf reads an answer to who or look.
func programOf(m spec.Message) (spec.Program, bool) {
	if m.Op != spec.OpHolders || len(m.Programs) != 1 {
		return spec.Program{}, false
	}
	return m.Programs[0], true
}

// take sorts what init hands out.
func (b *Box) take(list []spec.Socket, fds []int) error {
	var failed error
	for i, s := range list {
		if s.Use == spec.Line && b.line == nil {
			l, err := newLine(fds[i])
			b.line, failed = l, errors.Join(failed, err)
			continue
		}
		b.sockets = append(b.sockets, handed(s, fds[i]))
	}
	return failed
}
