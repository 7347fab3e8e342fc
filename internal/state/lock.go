package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Lock makes the caller the one keeper of the sandbox until unlock is called
// or the process ends. It does not wait: when another holds it, the error is
// *Held. Safe against a removal that happens at the same time.
//
// The lock is an open-file-description lock (fcntl(2), F_OFD_SETLK), since
// only those can be looked at without being taken, as Holder does.
func (s Sandbox) Lock() (unlock func(), err error) { return s.lock(true) }

// lock is Lock; with named false it is taken also where the disk has no room for
// who holds it: what is about to be removed needs none.
func (s Sandbox) lock(named bool) (unlock func(), err error) {
	f, err := os.OpenFile(s.LockFile(), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFound{s.name}
	}
	if err != nil {
		return nil, fmt.Errorf("lock sandbox: %w", err)
	}
	err = s.take(f)
	if !named && errors.Is(err, unix.ENOSPC) {
		err = nil
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		// An empty file says that nobody is named any more; closing unlocks.
		_ = f.Truncate(0)
		_ = f.Close()
	}, nil
}

func (s Sandbox) take(f *os.File) error {
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		pid, _ := s.Holder()
		return &Held{Name: s.name, PID: pid}
	}
	if err != nil {
		return fmt.Errorf("lock sandbox: %w", err)
	}
	if !same(f, s.LockFile()) { // removed between open and lock
		return &NotFound{s.name}
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("lock sandbox: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("lock sandbox: %w", err)
	}
	return nil
}

func same(f *os.File, path string) bool {
	have, err := f.Stat()
	if err != nil {
		return false
	}
	want, err := os.Lstat(path)
	return err == nil && os.SameFile(have, want)
}

// Holder says who keeps the sandbox. It takes no lock and writes nothing. The
// pid is 0 when the keeper has not yet written it.
func (s Sandbox) Holder() (pid int, held bool) {
	f, err := os.Open(s.LockFile())
	if err != nil {
		return 0, false
	}
	defer f.Close()
	probe := unix.Flock_t{Type: unix.F_RDLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &probe); err != nil || probe.Type == unix.F_UNLCK {
		return 0, false
	}
	var text [32]byte
	n, _ := f.ReadAt(text[:], 0)
	pid, _ = strconv.Atoi(strings.TrimSpace(string(text[:n])))
	return pid, true
}

// Held means that another process keeps the sandbox.
type Held struct {
	Name Name
	PID  int // 0 where it is not known
}

func (e *Held) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("sandbox %q is in use by another process", string(e.Name))
	}
	return fmt.Sprintf("sandbox %q is in use by process %d", string(e.Name), e.PID)
}

// Hint is how to free it.
func (e *Held) Hint() string { return fmt.Sprintf("nemoclaw %s stop", e.Name) }
