package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// longest is the longest path of a socket address: sun_path of unix(7) without
// its final NUL.
const longest = 107

// through calls use with a name for path that fits into a socket address.
// A longer path is reached by its folder's descriptor, so there is no second
// place on disk that somebody else could have prepared.
func through(path string, use func(addr string) error) error {
	if len(path) <= longest {
		return use(path)
	}
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// Listen makes the control socket at path, mode 0600 from its first moment. A
// socket that a killed supervisor left there is replaced, a living one is not:
// the caller holds the sandbox's lock. Closing removes it.
func Listen(path string) (net.Listener, error) {
	ln, err := bind(path)
	if errors.Is(err, unix.EADDRINUSE) && dead(path) {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		ln, err = bind(path)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", path, err)
	}
	return &socket{UnixListener: ln, path: path}, nil
}

func bind(path string) (ln *net.UnixListener, err error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var chmod error
		// Before bind(2), so that the file never has a wider mode.
		err := c.Control(func(fd uintptr) { chmod = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, chmod)
	}}
	err = through(path, func(addr string) error {
		l, err := config.Listen(context.Background(), "unix", addr)
		if err == nil {
			ln = l.(*net.UnixListener)
			ln.SetUnlinkOnClose(false) // addr may be gone by then; socket.Close knows the path
		}
		return err
	})
	return ln, err
}

// dead says whether path is a socket that nobody listens on.
func dead(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return false
	}
	conn, err := dial(context.Background(), path)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, unix.ECONNREFUSED)
}

func dial(ctx context.Context, path string) (conn net.Conn, err error) {
	err = through(path, func(addr string) error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "unix", addr)
		return err
	})
	return conn, err
}

// socket is a listener that takes its file away when it is closed.
type socket struct {
	*net.UnixListener
	path string
	once sync.Once
}

func (s *socket) Close() error {
	err := s.UnixListener.Close()
	s.once.Do(func() { err = errors.Join(err, os.Remove(s.path)) })
	return err
}
