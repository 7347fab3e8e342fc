package launch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
	"github.com/nemoclaw/nemoclaw/internal/confine/notify"
)

// calls answers refused system calls while the walls are proved.
type calls struct {
	end  *os.File
	done chan struct{}
}

// answerCalls refuses every call that arrives at listener, until
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
	c, err := notify.Receive(listener)
	if err != nil {
		return // the caller is gone
	}
	_ = notify.Refuse(listener, c.ID, filter.Answer(int(c.Nr))) // it may have gone meanwhile
}

// stop returns when nothing more is answered here.
func (c *calls) stop() {
	c.end.Close()
	<-c.done
}
