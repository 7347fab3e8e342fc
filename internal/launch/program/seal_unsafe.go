package program

import (
	"embed"
	"errors"
	"os"
	"syscall"
	"unsafe"
)

// Of linux/memfd.h and linux/fcntl.h; see memfd_create(2), fcntl(2).
const (
	mfdCloexec      = 0x1
	mfdAllowSealing = 0x2
	mfdExec         = 0x10

	AddSeals  = 1033
	sealWrite = 0x8
	Seals     = 0x1 | 0x2 | 0x4 | sealWrite // of sealing, shrinking, growing, writing

	// Flags are those of the file of a program.
	Flags = mfdCloexec | mfdAllowSealing | mfdExec
	// Mode lets nobody read a program: the kernel makes a process that runs an
	// unreadable file untouchable from its first instruction on (execve(2),
	// "dumpable").
	Mode = 0o111
	// MemoryFlags and MemorySeals are those of any other file.
	MemoryFlags = mfdCloexec | mfdAllowSealing
	MemorySeals = Seals &^ sealWrite
)

// executable makes an empty memory file for a program, to which no path leads.
func executable(name string) (int, error) {
	fd, err := memfd(name, Flags)
	if errors.Is(err, syscall.EINVAL) { // before Linux 6.3, where every memory file can be executed
		fd, err = memfd(name, MemoryFlags)
	}
	return fd, err
}

// file is how the compiler lays out a file of an embed.FS, which is a pointer to
// a slice of them (see the source of package embed).
type file struct {
	name, data string
	_          [16]byte // a hash
}

// inPlace is an embedded file where it lies, not to be written to: ReadFile would
// copy it once more. nil where there is none.
func inPlace(all *embed.FS, name string) []byte {
	files := *(**[]file)(unsafe.Pointer(all))
	if files == nil {
		return nil
	}
	for _, f := range *files {
		if f.name == name {
			return unsafe.Slice(unsafe.StringData(f.data), len(f.data))
		}
	}
	return nil
}

// InPlace is where init's program lies, and of how many bytes it is; 0 where there
// is none. It asks nothing of Go's runtime.
//
//go:nosplit
//go:norace
func InPlace() (at, size uintptr) {
	for _, f := range **(**[]file)(unsafe.Pointer(&built)) {
		if equal(f.name, "init/"+initName) {
			return uintptr(unsafe.Pointer(unsafe.StringData(f.data))), uintptr(len(f.data))
		}
	}
	return 0, 0
}

// equal is ==, without the runtime's help.
//
//go:nosplit
//go:norace
func equal(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	p, q := unsafe.Pointer(unsafe.StringData(a)), unsafe.Pointer(unsafe.StringData(b))
	for i := range len(a) {
		if *(*byte)(unsafe.Add(p, i)) != *(*byte)(unsafe.Add(q, i)) {
			return false
		}
	}
	return true
}

// writeAt writes b at an offset.
func writeAt(fd int, b []byte, at int64) error {
	for len(b) > 0 {
		n, err := syscall.Pwrite(fd, b, at)
		if err != nil {
			return err
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

// seal closes a program's file for good: nobody can change it from then on.
func seal(fd int) error {
	if err := syscall.Fchmod(fd, Mode); err != nil {
		return err
	}
	return addSeals(fd, Seals)
}

// Memory makes a memory file of so many bytes, which are 0 and can neither
// become more nor fewer.
func Memory(name string, size int64) (int, error) {
	fd, err := memfd(name, MemoryFlags)
	if err != nil {
		return -1, err
	}
	err = syscall.Ftruncate(fd, size)
	if err == nil {
		err = addSeals(fd, MemorySeals)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func addSeals(fd int, seals uintptr) error {
	if _, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), AddSeals, seals); e != 0 {
		return e
	}
	return nil
}

func memfd(name string, flags uintptr) (int, error) {
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	fd, _, e := syscall.Syscall(SysMemfdCreate, uintptr(unsafe.Pointer(p)), flags, 0)
	if e != 0 {
		return -1, os.NewSyscallError("memfd_create", e)
	}
	return int(fd), nil
}
