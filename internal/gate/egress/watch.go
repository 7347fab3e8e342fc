package egress

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// errLeft: the program closed the connection, or half of it, while it was held.
var errLeft = errors.New("the program gave up")

// watcher tells when the far end of a held connection goes away, without
// reading what it sent: an epoll(7) instance for all of them, since Go's own
// poller only speaks of bytes, and there are bytes already.
type watcher struct {
	file *os.File // the epoll instance; nil where there is none

	mu    sync.Mutex
	next  uint64
	gones map[uint64]func() // guarded by mu
}

func newWatcher() *watcher {
	w := &watcher{gones: map[uint64]func(){}}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return w
	}
	_ = unix.SetNonblock(fd, true) // makes Go's poller wait on it; a plain blocking wait would do too
	w.file = os.NewFile(uintptr(fd), "epoll")
	go w.run()
	return w
}

// hold is a context that ends with errLeft as its cause once the far end of c
// sends FIN or RST. release must be called before c is closed.
func (w *watcher) hold(ctx context.Context, c *net.TCPConn) (held context.Context, release func()) {
	held, cancel := context.WithCancelCause(ctx)
	id, err := w.add(c, func() { cancel(errLeft) })
	if err != nil {
		cancel(err) // who cannot be watched is not held
		return held, func() {}
	}
	return held, func() {
		w.remove(id, c)
		cancel(nil)
	}
}

// add watches c; an end that has come already counts.
func (w *watcher) add(c *net.TCPConn, gone func()) (id uint64, err error) {
	if w.file == nil {
		return 0, errors.New("the kernel gives no epoll instance")
	}
	w.mu.Lock()
	w.next++
	id = w.next
	w.gones[id] = gone
	w.mu.Unlock()
	// The number, not the descriptor, comes back with the event: a descriptor
	// is used again.
	e := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(id), Pad: int32(id >> 32)}
	if err = w.control(unix.EPOLL_CTL_ADD, c, &e); err != nil {
		w.forget(id)
	}
	return id, err
}

func (w *watcher) remove(id uint64, c *net.TCPConn) {
	w.forget(id)
	_ = w.control(unix.EPOLL_CTL_DEL, c, nil) // gone already, if c was closed
}

func (w *watcher) control(op int, c *net.TCPConn, e *unix.EpollEvent) error {
	mine, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	theirs, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed, gone error
	err = mine.Control(func(epoll uintptr) {
		gone = theirs.Control(func(fd uintptr) {
			failed = unix.EpollCtl(int(epoll), op, int(fd), e)
		})
	})
	return errors.Join(err, gone, failed)
}

// forget takes the function of id, which then runs at most once.
func (w *watcher) forget(id uint64) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	gone := w.gones[id]
	delete(w.gones, id)
	return gone
}

func (w *watcher) run() {
	rc, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	events := make([]unix.EpollEvent, 64)
	for {
		n := 0
		err := rc.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events, 0)
			return n > 0
		})
		if err != nil {
			return // closed
		}
		for _, e := range events[:n] {
			if gone := w.forget(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32); gone != nil {
				gone()
			}
		}
	}
}

func (w *watcher) close() {
	if w.file != nil {
		w.file.Close()
	}
}
