package notify

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Call is struct seccomp_notif of linux/seccomp.h; x/sys has the ioctls but not
// the structs.
type Call struct {
	ID    uint64
	PID   uint32 // a thread, as the reader's pid namespace numbers it
	Flags uint32
	Nr    int32
	Arch  uint32
	IP    uint64
	Args  [6]uint64
}

// answer is struct seccomp_notif_resp.
type answer struct {
	ID    uint64
	Val   int64
	Error int32
	Flags uint32
}

// Receive takes the next refused call from the listener fd.
func Receive(fd int) (Call, error) {
	var c Call
	return c, ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&c))
}

// Refuse answers the call numbered id with e.
func Refuse(fd int, id uint64, e unix.Errno) error {
	a := answer{ID: id, Error: -int32(e)}
	return ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a))
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		switch e {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return e
	}
}
