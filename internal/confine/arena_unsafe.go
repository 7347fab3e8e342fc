package confine

import "unsafe"

// arena is memory for what system calls point to: the garbage collector cannot
// see that they do.
type arena struct {
	used uintptr // in bytes
	data [mostData]byte
}

const mostData = 96 << 10

// room takes n bytes of data, aligned; nil where there are not so many.
func (a *arena) room(n int) []byte {
	a.used = (a.used + 15) &^ 15
	if a.used+uintptr(n) > mostData {
		return nil
	}
	b := a.data[a.used : a.used+uintptr(n)]
	a.used += uintptr(n)
	return b
}

// at is where b lies.
func at(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// text puts s, with a zero behind it; 0 where there is no room.
func (a *arena) text(s string) uintptr {
	b := a.room(len(s) + 1)
	if b == nil {
		return 0
	}
	copy(b, s)
	return at(b)
}
