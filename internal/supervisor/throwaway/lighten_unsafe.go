package throwaway

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Lighten lets go of the memory in which this program's code and constants lie, as
// they are in its file: what is read again is found there again. Many small pages
// of them have been touched by the time that a command runs, and few will be once
// more. The kernel takes half a millisecond to let go of them, for which all would
// wait at the end; meanwhile nobody does.
func Lighten() {
	aux, err := unix.Auxv()
	if err != nil {
		return
	}
	const phdr, phnum = 3, 5 // AT_PHDR, AT_PHNUM
	var at, n uintptr
	for _, a := range aux {
		switch a[0] {
		case phdr:
			at = a[1]
		case phnum:
			n = a[1]
		}
	}
	page, moved := uintptr(unix.Getpagesize()), uintptr(0)
	for _, s := range segments(at, n) {
		if s.kind == 6 { // PT_PHDR, before all others: where at would be
			moved = at - s.addr // for a program that runs anywhere
		}
		if s.kind != 1 || s.flags&2 != 0 { // PT_LOAD, PF_W
			continue
		}
		from, to := (moved+s.addr)&^(page-1), (moved+s.addr+s.size+page-1)&^(page-1)
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
	}
}

// segment is Elf64_Phdr of elf(5).
type segment struct {
	kind, flags uint32
	_           uintptr // where it lies in the file
	addr        uintptr
	_, _        uintptr // of no meaning, and what of it is in the file
	size        uintptr
	_           uintptr // how it is aligned
}

// segments are those of the program that runs, n of them at a place that the
// kernel has named.
func segments(at, n uintptr) []segment {
	if at == 0 {
		return nil
	}
	return unsafe.Slice(*(**segment)(unsafe.Pointer(&at)), n)
}
