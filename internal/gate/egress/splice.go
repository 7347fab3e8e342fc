package egress

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// idleTime is how long a connection may be silent in both directions. Keepalive
// finds dead machines earlier; this is for the forgotten.
const idleTime = 2 * time.Hour

// share is how much is spliced before it is counted.
const share = 4 << 20

// splice passes bytes both ways until both ends have finished. Half-close is
// kept: an end of file from one side is passed to the other, alone.
func (f *flow) splice(first shape) {
	var down sync.WaitGroup
	down.Go(func() { f.oneWay(f.fromOutside) })
	f.oneWay(func() error { return f.toOutside(first) })
	down.Wait()
	f.close()
}

// oneWay runs one direction. If it fails both end, by reset: the other side
// must not take half of something for the whole.
func (f *flow) oneWay(pass func() error) {
	defer func() {
		if p := recover(); p != nil {
			f.cut()
			f.record(policy.Verdict{Why: fmt.Sprintf("the gate failed: %v", p)})
		}
	}()
	if err := pass(); err != nil {
		f.cut()
	}
}

// fromOutside passes on what outside says, once it is known who asked.
func (f *flow) fromOutside() error {
	if f.ended[outside] {
		return nil
	}
	if _, err := f.in.Write(f.back); err != nil {
		return err
	}
	f.back = nil
	if err := f.awaitOutside(); err != nil {
		return err
	}
	f.tell()
	<-f.name.told
	if err := f.pump(f.in, f.out, forever, &f.g.received); err != nil {
		return err
	}
	return f.in.CloseWrite()
}

// toOutside passes on what the program says, as far as it may say it.
func (f *flow) toOutside(first shape) error {
	if f.ended[program] {
		return nil
	}
	if !f.mustSpeak() && !f.opaque {
		if !f.hasSpoken() {
			f.tell()
		}
		var err error
		if first, err = f.listen(f.passOn); err != nil {
			return f.object(err.Error())
		}
	}
	if first == looksHTTP {
		return f.passRequests()
	}
	if err := f.passOn(f.pending[f.passed:]); err != nil {
		return err
	}
	f.pending = nil
	return f.passRest()
}

// hasSpoken says whether bytes of the program wait to be read.
func (f *flow) hasSpoken() (spoken bool) {
	rc, err := f.in.SyscallConn()
	if err != nil {
		return false
	}
	_ = rc.Control(func(fd uintptr) {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		spoken = err == nil
	})
	return spoken
}

// awaitOutside waits until outside has spoken, not longer than a flow may be
// silent.
func (f *flow) awaitOutside() error {
	for {
		if err := f.out.SetReadDeadline(time.Now().Add(idleTime)); err != nil {
			return err
		}
		if err := awaitSpeech(f.out); !errors.Is(err, os.ErrDeadlineExceeded) || f.isQuiet() {
			return err
		}
	}
}

// awaitSpeech waits until there is something to read, or the end.
func awaitSpeech(c *net.TCPConn) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return rc.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return !errors.Is(err, unix.EAGAIN)
	})
}

// resume goes on with a connection of the quick road.
func (f *flow) resume() {
	defer f.cut()
	f.splice(unclear)
}

// passRest: from here on nothing is read any more.
func (f *flow) passRest() error {
	if err := f.pump(f.out, f.in, forever, &f.g.sent); err != nil {
		return err
	}
	return f.out.CloseWrite()
}

func (f *flow) passOn(b []byte) error {
	n, err := f.out.Write(b)
	f.g.sent.Add(int64(n))
	f.tell()
	return err
}

// object refuses in the middle of a connection that was allowed. What a
// connection had not finished when it was cut is no second reason.
func (f *flow) object(why string) error {
	f.mu.Lock()
	over := f.over
	f.mu.Unlock()
	if !over {
		f.record(policy.Verdict{Why: why})
	}
	return errors.New(why)
}

const forever = -1

// pump moves limit bytes, or all there are, without taking them into this
// process (splice(2)). nil means that it moved them all; for a limit, an early
// end is an error.
func (f *flow) pump(dst, src *net.TCPConn, limit int64, count *atomic.Int64) error {
	for limit != 0 {
		n := int64(share)
		if limit > 0 {
			n = min(n, limit)
		}
		if err := src.SetReadDeadline(time.Now().Add(idleTime)); err != nil {
			return err
		}
		moved, err := dst.ReadFrom(&io.LimitedReader{R: src, N: n})
		count.Add(moved)
		if limit > 0 {
			limit -= moved
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && (moved > 0 || !f.isQuiet()):
		case err != nil:
			return err
		case moved < n && limit > 0:
			return io.ErrUnexpectedEOF
		case moved < n:
			return nil
		}
	}
	return nil
}

// isQuiet asks the kernel when either end was last heard of.
func (f *flow) isQuiet() bool {
	return silence(f.in) >= idleTime && silence(f.out) >= idleTime
}

func silence(c *net.TCPConn) (d time.Duration) {
	rc, err := c.SyscallConn()
	if err != nil {
		return idleTime
	}
	d = idleTime
	_ = rc.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO); err == nil {
			d = time.Duration(info.Last_data_recv) * time.Millisecond
		}
	})
	return d
}
