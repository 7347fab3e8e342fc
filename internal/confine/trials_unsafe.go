package confine

import (
	"errors"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/bare"
)

// trials are the calls that the prover makes, and what they gave. It shares our
// memory until it executes the first command, so that they are read where they
// lie.
type trials struct {
	bare.List

	// What is read.
	descriptors [1024]byte
	status      [4096]byte
	devices     [1024]byte
	most        [64]byte
	names       [mostConnects]sockname

	inbox inbox
	arena
}

const mostConnects = 6

type sockname struct {
	length  uint32
	address unix.RawSockaddrAny
}

// cwd is AT_FDCWD as an argument.
const cwd = ^uintptr(-unix.AT_FDCWD - 1)

// open opens name and closes it again, should it succeed.
func (t *trials) open(name string, flags int) *bare.Call {
	f := t.May(unix.SYS_OPENAT, cwd, t.text(name), uintptr(flags|unix.O_CLOEXEC), 0o600)
	t.May(unix.SYS_CLOSE).On(f)
	return f
}

// read reads the beginning of a file, or with SYS_GETDENTS64 of a folder.
func (t *trials) read(name string, nr uintptr, into []byte) *bare.Call {
	f := t.May(unix.SYS_OPENAT, cwd, t.text(name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	r := t.May(nr, 0, at(into), uintptr(len(into))).On(f)
	t.May(unix.SYS_CLOSE).On(f)
	return r
}

// send sends a datagram to a.
func (t *trials) send(a netip.AddrPort) *bare.Call {
	s := t.May(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	text := "proof"
	to, length := t.sockaddr(a)
	call := t.May(unix.SYS_SENDTO, 0, t.text(text), uintptr(len(text)), 0, to, length).On(s)
	t.May(unix.SYS_CLOSE).On(s)
	return call
}

// connect connects to a, and leaves the connection for PID 1 to find. Calls: to
// make a socket, to bound its patience, which holds for connect(2) too
// (socket(7), SO_SNDTIMEO), to connect, and to ask for its name.
func (t *trials) connect(a netip.AddrPort, name *sockname) [4]*bare.Call {
	family := uintptr(unix.AF_INET)
	if a.Addr().Is6() {
		family = unix.AF_INET6
	}
	patience := t.room(int(unsafe.Sizeof(unix.Timeval{})))
	*(*unix.Timeval)(unsafe.Pointer(unsafe.SliceData(patience))) = unix.Timeval{Sec: 2}
	s := t.May(unix.SYS_SOCKET, family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	p := t.May(unix.SYS_SETSOCKOPT, 0, unix.SOL_SOCKET, unix.SO_SNDTIMEO, at(patience), unsafe.Sizeof(unix.Timeval{})).On(s)
	to, length := t.sockaddr(a)
	c := t.May(unix.SYS_CONNECT, 0, to, length).On(s)
	name.length = uint32(unsafe.Sizeof(name.address))
	n := t.May(unix.SYS_GETSOCKNAME, 0, uintptr(unsafe.Pointer(&name.address)), uintptr(unsafe.Pointer(&name.length))).On(s)
	return [4]*bare.Call{s, p, c, n}
}

// sockaddr puts a as the kernel wants it: its family in the machine's order,
// its port in the network's (ip(7), ipv6(7)).
func (t *trials) sockaddr(a netip.AddrPort) (where, length uintptr) {
	if a.Addr().Is4() {
		b := t.room(unix.SizeofSockaddrInet4)
		s := (*unix.RawSockaddrInet4)(unsafe.Pointer(unsafe.SliceData(b)))
		s.Family, s.Addr = unix.AF_INET, a.Addr().As4()
		b[2], b[3] = byte(a.Port()>>8), byte(a.Port())
		return at(b), uintptr(len(b))
	}
	b := t.room(unix.SizeofSockaddrInet6)
	s := (*unix.RawSockaddrInet6)(unsafe.Pointer(unsafe.SliceData(b)))
	s.Family, s.Addr = unix.AF_INET6, a.Addr().As16()
	b[2], b[3] = byte(a.Port()>>8), byte(a.Port())
	return at(b), uintptr(len(b))
}

// from is the address in n.
func (n *sockname) from() netip.AddrPort {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&n.address)), unsafe.Sizeof(n.address))
	port := uint16(b[2])<<8 | uint16(b[3])
	switch n.address.Addr.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), port)
	}
	return netip.AddrPort{}
}

// said is what call r has read into b.
func said(r *bare.Call, b []byte) (string, error) {
	n, err := r.Got()
	if err == nil && n > len(b) {
		err = errors.New("more than there was room for")
	}
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}
