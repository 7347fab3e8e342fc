package launch

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// calls answers refused system calls while the walls are proved.
type calls struct {
	end  *os.File
	done chan struct{}
}

// notification and answer are struct seccomp_notif and seccomp_notif_resp of
// linux/seccomp.h.
type notification struct {
	ID         uint64
	PID, Flags uint32
	Nr         int32
	Arch       uint32
	IP         uint64
	Args       [6]uint64
}

type answer struct {
	ID    uint64
	Val   int64
	Error int32
	Flags uint32
}

// answerCalls refuses every call that arrives at listener with EPERM, until
// stop. See seccomp_unotify(2).
func answerCalls(listener int) (*calls, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("answer refused calls: %w", err)
	}
	c := &calls{end: w, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer r.Close()
		c.answer(listener, int(r.Fd()))
	}()
	return c, nil
}

func (c *calls) answer(listener, end int) {
	for {
		p := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}, {Fd: int32(end), Events: unix.POLLIN}}
		_, err := unix.Poll(p, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if p[1].Revents != 0 || p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0 {
			return
		}
		if p[0].Revents&unix.POLLIN != 0 {
			refuseOne(listener)
		}
	}
}

func refuseOne(listener int) {
	var n notification
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); e != 0 {
		return // the caller is gone
	}
	a := answer{ID: n.ID, Error: -int32(unix.EPERM)}
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&a)))
}

// stop returns when nothing more is answered here.
func (c *calls) stop() {
	c.end.Close()
	<-c.done
}
