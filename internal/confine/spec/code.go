package spec

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// The packed form of Spec and Message is their fields in order, and nothing
// between them. Both sides are of one build, so there is no field that one of
// them does not know. JSON took 1.1 ms of a cold start, most of it in init,
// and 0.5 MB of its program, which is copied at every start.

// coder packs a value or unpacks one: one list of fields does both, so they
// cannot disagree.
type coder struct {
	b         []byte // what was packed, or what is left to unpack
	unpacking bool
	err       error // of unpacking; the first
}

var (
	errCut    = errors.New("cut short")
	errExcess = errors.New("trailing bytes")
	errRange  = errors.New("a number out of its range")
)

// packed is the form of what fields lists.
func packed(fields func(*coder)) []byte {
	c := coder{b: make([]byte, 0, 512)}
	fields(&c)
	return c.b
}

// unpack reads b to its end.
func unpack(b []byte, fields func(*coder)) error {
	c := coder{b: b, unpacking: true}
	fields(&c)
	if c.err == nil && len(c.b) > 0 {
		c.err = errExcess
	}
	return c.err
}

// fail ends unpacking: nothing is left to read.
func (c *coder) fail(err error) {
	if c.err == nil {
		c.err, c.b = err, nil
	}
}

// size is a number that is not negative.
func (c *coder) size(n uint64) uint64 {
	if !c.unpacking {
		c.b = binary.AppendUvarint(c.b, n)
		return n
	}
	n, length := binary.Uvarint(c.b)
	if length <= 0 {
		c.fail(errCut)
		return 0
	}
	c.b = c.b[length:]
	return n
}

func number[T ~int | ~int64 | ~uint16 | ~uint32 | ~uint64](c *coder, v *T) {
	n := c.size(uint64(*v))
	if uint64(T(n)) != n {
		c.fail(errRange)
		return
	}
	*v = T(n)
}

func flag(c *coder, v *bool) {
	var n uint64
	if *v {
		n = 1
	}
	n = c.size(n)
	if n > 1 {
		c.fail(errRange)
	}
	*v = n == 1
}

func text[T ~string | ~[]byte](c *coder, v *T) {
	n := c.size(uint64(len(*v)))
	switch {
	case !c.unpacking:
		c.b = append(c.b, *v...)
	case n > uint64(len(c.b)):
		c.fail(errCut)
	case n > 0: // what is empty stays nil
		*v = T(string(c.b[:n])) // a copy: b is used again
		c.b = c.b[n:]
	}
}

func texts(c *coder, v *[]string) { list(c, v, text[string]) }

// list has no more entries than bytes, and grows as they are read: a length
// alone takes no memory.
func list[T any](c *coder, v *[]T, fields func(*coder, *T)) {
	n := c.size(uint64(len(*v)))
	if !c.unpacking {
		for i := range *v {
			fields(c, &(*v)[i])
		}
		return
	}
	for ; n > 0 && c.err == nil; n-- {
		var one T
		fields(c, &one)
		*v = append(*v, one)
	}
}

func address(c *coder, v *netip.AddrPort) {
	var b []byte
	if !c.unpacking {
		b, _ = v.MarshalBinary() // never fails
	}
	text(c, &b)
	if c.unpacking && c.err == nil {
		if err := v.UnmarshalBinary(b); err != nil {
			c.fail(err)
		}
	}
}
