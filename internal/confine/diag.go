package confine

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// diag asks the kernel for one socket by its two ends. Reading the tables in
// /proc/net instead walks every hash bucket of the machine, milliseconds a
// question. Its netlink socket is opened before the filter, which refuses new
// ones of this family. See sock_diag(7).
type diag struct {
	mu  sync.Mutex
	fd  int
	seq uint32     // protected by mu
	b   [4096]byte // what is read; protected by mu
}

func (d *diag) open() (err error) {
	d.fd, err = talk(unix.NETLINK_SOCK_DIAG)
	return err
}

// Of linux/sock_diag.h, linux/inet_diag.h and net/tcp_states.h.
const (
	diagByFamily = 20                       // SOCK_DIAG_BY_FAMILY
	diagListen   = 10                       // TCP_LISTEN: what the kernel finds where no connection is, and never meant
	diagAnswer   = unix.SizeofNlMsghdr + 72 // struct inet_diag_msg
)

// inode is that of the connected socket local → remote. An IPv6 socket that
// speaks IPv4 is found by its IPv4 ends.
func (d *diag) inode(local, remote netip.AddrPort) (uint64, error) {
	local, remote = plain(local), plain(remote)
	family := byte(unix.AF_INET)
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq++
	p := packet{seq: d.seq - 1}
	p.message(diagByFamily, 0, diagRequest(family, local, remote)...)
	p.seal()
	if err := unix.Sendto(d.fd, p.b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, err
	}
	b := d.b[:]
	for {
		n, _, err := unix.Recvfrom(d.fd, b, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if n >= unix.SizeofNlMsghdr && binary.NativeEndian.Uint32(b[8:]) != d.seq {
			continue // of a question that was given up
		}
		return diagInode(b[:n])
	}
}

// diagRequest is struct inet_diag_req_v2.
func diagRequest(family byte, local, remote netip.AddrPort) []byte {
	b := []byte{family, unix.IPPROTO_TCP, 0, 0}
	b = binary.NativeEndian.AppendUint32(b, 0xffffffff) // any state
	b = binary.BigEndian.AppendUint16(b, local.Port())
	b = binary.BigEndian.AppendUint16(b, remote.Port())
	for _, a := range []netip.Addr{local.Addr(), remote.Addr()} {
		var room [16]byte
		copy(room[:], a.AsSlice())
		b = append(b, room[:]...)
	}
	b = binary.NativeEndian.AppendUint32(b, 0)                       // any interface
	return append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) // no cookie
}

// diagInode reads the answer.
func diagInode(b []byte) (uint64, error) {
	if len(b) < diagAnswer || binary.NativeEndian.Uint16(b[4:]) != diagByFamily || b[unix.SizeofNlMsghdr+1] == diagListen {
		return 0, errUnknown
	}
	inode := binary.NativeEndian.Uint32(b[diagAnswer-4:])
	if inode == 0 {
		return 0, errUnknown // it was closed
	}
	return uint64(inode), nil
}
