package supervisor

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification and answer are struct seccomp_notif and seccomp_notif_resp of
// linux/seccomp.h; x/sys has their ioctls but not them.
type notification struct {
	ID    uint64
	PID   uint32 // a thread, as this process's pid namespace numbers it
	Flags uint32
	Nr    int32
	Arch  uint32
	IP    uint64
	Args  [6]uint64
}

type answer struct {
	ID    uint64
	Val   int64
	Error int32
	Flags uint32
}

// receive takes the next notification. ENOENT means that the caller is gone.
func receive(fd int) (notification, error) {
	var n notification
	return n, ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n))
}

// refuse answers a notification with an error number. The call is never
// continued: its arguments are still the agent's to change.
func refuse(fd int, id uint64, e unix.Errno) error {
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
