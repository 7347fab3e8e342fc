package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch/birth"
)

// Options are about the outside of a sandbox; nothing in it weakens a wall.
type Options struct {
	// UID and GID are who the sandbox's user is on the host, when root starts
	// it. Not root, and of nobody else: outside the ranges of /etc/subuid.
	// Without root they are not looked at: then it is you.
	UID, GID uint32
	// Cgroup is a folder of cgroup v2, opened, in which init is born. 0 for
	// none.
	Cgroup int
	// Join moves init into the control groups of the host (v1, or where Cgroup
	// cannot be used), before it does anything. nil for none.
	Join func(pid int) error
	// Program is what Load gave, when it was called before. nil makes it now.
	Program *Program
	// Stderr gets what init itself says, which is only ever the story of a
	// crash. nil for nobody.
	Stderr io.Writer
}

// Start starts a sandbox that obeys s, and returns when its walls are proved.
// Every error is an *Error, but ctx's own; then nothing is left running.
func Start(ctx context.Context, s spec.Spec, o Options) (*Box, error) {
	return Begin(o).Start(ctx, s)
}

// hand hands the spec over.
func (b *Box) hand(s spec.Spec, c *birth.Child) error {
	mounts, err := detach(&s, c) // while init's runtime starts
	if err != nil {
		return refused(spec.FilesystemWall, err)
	}
	defer closeAll(mounts)
	if err := b.wire.SendSpec(s, mounts...); err != nil {
		return b.orCrash(err)
	}
	return nil
}

// raise takes what init hands out, until the walls are proved.
func (b *Box) raise() error {
	filter.Answer(0) // makes its table, while init builds
	for {
		m, fds, err := b.wire.Receive()
		if err != nil {
			return b.orCrash(errors.New("init ended before the walls stood"))
		}
		switch {
		case m.Op == spec.OpNotify && len(fds) == 1 && b.notify == nil:
			b.notify = os.NewFile(uintptr(fds[0]), "refused calls")
			answering, err := answerCalls(fds[0])
			if err != nil {
				return &Error{Wall: spec.ProcessWall, Err: err}
			}
			// Until the supervisor answers refused calls, those of the proof
			// are answered here.
			defer answering.stop()
		case m.Op == spec.OpSockets && len(fds) == len(m.Sockets) && b.sockets == nil:
			if err := b.take(m.Sockets, fds); err != nil {
				return &Error{Wall: spec.NetworkWall, Err: err}
			}
		case m.Op == spec.OpProof && len(fds) == 0:
			b.proofs, b.abi = m.Proofs, m.ABI
			return nil
		case m.Op == spec.OpFailed:
			closeAll(fds)
			return refused(m.Wall, fromInside(m))
		default:
			closeAll(fds)
			return &Error{Err: fmt.Errorf("init said %q with %d descriptors", m.Op, len(fds))}
		}
	}
}

// letGo closes what a Box that never stood has been handed.
func (b *Box) letGo() {
	b.wire.Close()
	if b.notify != nil {
		b.notify.Close()
	}
	for _, h := range b.sockets {
		h.File.Close()
	}
	if b.line != nil {
		b.line.c.Close()
	}
}

// orCrash is the Error of an init that ended: why it never was one, or err with
// what it said when it crashed.
func (b *Box) orCrash(err error) *Error {
	_ = b.Kill()
	_ = b.Wait()
	if why := b.child.Failed(); why != nil {
		return unborn(why)
	}
	if len(b.crash) > 0 {
		err = fmt.Errorf("%w: %s", err, b.crash)
	}
	return &Error{Err: err}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
