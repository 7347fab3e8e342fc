package tries

import (
	"errors"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reached makes a system call with numbers alone. It is an error where a wall
// answered, and nil where the kernel's own code did, whatever it thinks of the
// arguments.
func reached(nr uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	_, _, e := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if e != 0 && slices.ContainsFunc(no, func(r error) bool { return errors.Is(e, r) }) {
		return e
	}
	return nil
}

// at is the address of b's bytes, which must outlive the call.
func at(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }

// forkWith makes a process by clone(2), which ends at once.
func forkWith(flags uintptr) error {
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	if pid == 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	_, err := unix.Wait4(int(pid), nil, 0, nil)
	return err
}

// foreign calls number 20 of i386 (getpid) through int 0x80, past every filter
// that looks at numbers alone.
func foreign() error {
	if runtime.GOARCH != "amd64" {
		return unix.ENOSYS // there is no such door
	}
	code, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	copy(code, []byte{0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3}) // mov eax, 20; int 0x80; ret
	entry := &code[0]
	f := *(*func() uint64)(unsafe.Pointer(&struct{ code **byte }{&entry}))
	if pid := int64(int32(f())); pid != int64(unix.Getpid()) {
		return unix.Errno(-pid)
	}
	return nil
}
