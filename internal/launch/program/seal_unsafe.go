package program

import (
	"errors"
	"io"
	"syscall"
	"unsafe"
)

// Of linux/memfd.h and linux/fcntl.h; see memfd_create(2), fcntl(2).
const (
	mfdCloexec      = 0x1
	mfdAllowSealing = 0x2
	mfdExec         = 0x10

	fAddSeals = 1033
	allSeals  = 0x1 | 0x2 | 0x4 | 0x8 // of sealing, shrinking, growing, writing
)

// seal puts a program into a sealed memory file, which nobody can change and to
// which no path leads. Its mode lets nobody read it: the kernel makes a
// process that runs an unreadable file untouchable from its first instruction
// on (execve(2), "dumpable").
func seal(name string, open func() (io.ReadCloser, error)) (int, error) {
	from, err := open()
	if err != nil {
		return -1, err
	}
	defer from.Close()
	fd, err := memfd(name, mfdCloexec|mfdAllowSealing|mfdExec)
	if errors.Is(err, syscall.EINVAL) { // before Linux 6.3, where every memory file can be executed
		fd, err = memfd(name, mfdCloexec|mfdAllowSealing)
	}
	if err != nil {
		return -1, err
	}
	_, err = io.CopyBuffer(memory(fd), struct{ io.Reader }{from}, make([]byte, 32<<10))
	if err == nil {
		err = syscall.Fchmod(fd, 0o111)
	}
	if err == nil {
		if _, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), fAddSeals, allSeals); e != 0 {
			err = e
		}
	}
	if err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func memfd(name string, flags uintptr) (int, error) {
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	fd, _, e := syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(p)), flags, 0)
	if e != 0 {
		return -1, e
	}
	return int(fd), nil
}

// memory writes to a memory file without the runtime's poller, which wants
// none.
type memory int

func (m memory) Write(b []byte) (int, error) { return syscall.Write(int(m), b) }
