package recent

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// text is a name in /proc, or where one leads.
type text struct {
	n int // less than textMask
	b [unix.PathMax]byte
}

const textMask = unix.PathMax - 1

// is says whether both are the same.
//
//go:nosplit
//go:norace
func (x *text) is(y *text) bool {
	if x.n != y.n {
		return false
	}
	for i := 0; i < x.n; i++ {
		if x.b[i&textMask] != y.b[i&textMask] {
			return false
		}
	}
	return true
}

// add appends s.
//
//go:nosplit
//go:norace
func (x *text) add(s string) {
	for i := 0; i < len(s); i++ {
		x.b[(x.n+i)&textMask] = s[i]
	}
	x.n += len(s)
}

// number appends v.
//
//go:nosplit
//go:norace
func (x *text) number(v uint64) {
	last := x.n
	for w := v; w >= 10; w /= 10 {
		last++
	}
	x.n = last + 1
	for {
		x.b[last&textMask] = '0' + byte(v%10)
		if v /= 10; v == 0 {
			return
		}
		last--
	}
}

// end puts the zero behind it with which the kernel's names end.
//
//go:nosplit
//go:norace
func (x *text) end() *[unix.PathMax]byte {
	x.b[x.n&textMask] = 0
	return &x.b
}

// entries is what getdents64(2) gives: structs linux_dirent64.
type entries [entriesSize]byte

const (
	entriesSize = 4 << 10
	// Where an entry has its own size, and its name.
	entrySize = 16
	entryName = 19
)

// size is that of the entry at. The kernel never says 0, which would have no end.
//
//go:nosplit
//go:norace
func (e *entries) size(at int) int {
	return max(int(*(*uint16)(unsafe.Pointer(&e[(at+entrySize)&(entriesSize-1)]))), entryName)
}

// number is the entry's name as a number, or -1 where it is none.
//
//go:nosplit
//go:norace
func (e *entries) number(at int) int {
	n := 0
	for i := at + entryName; ; i++ {
		c := e[i&(entriesSize-1)]
		switch {
		case c == 0 && i > at+entryName:
			return n
		case c < '0' || c > '9' || n > 1<<30:
			return -1
		}
		n = 10*n + int(c-'0')
	}
}
