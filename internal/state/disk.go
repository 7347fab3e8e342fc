package state

import (
	"errors"

	"golang.org/x/sys/unix"
)

// DiskRemedy is what helps where err comes of a disk that takes nothing any more;
// empty for every other error.
func DiskRemedy(err error) string {
	switch {
	case errors.Is(err, unix.EROFS):
		return "that disk is read-only; a kernel makes one so after an error of the disk (dmesg): mend it and make it writable again"
	case errors.Is(err, unix.ENOSPC):
		return "make room on that disk (df -h, df -i)"
	case errors.Is(err, unix.EDQUOT):
		return "make room: your quota on that disk is used up (quota)"
	case errors.Is(err, unix.EIO):
		return "that disk has errors (dmesg): save what is on it, and mend it"
	}
	return ""
}
