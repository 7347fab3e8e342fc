package spec

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Question asks on the line who holds the TCP socket Local → Remote: it has its
// place there alone, in a form that can be read without a runtime, and holds
// the two ends as the kernel wants them.
type Question struct {
	ID            uint64
	Local, Remote netip.AddrPort
}

// Where a packed question has its parts. The ends are the beginning of struct
// inet_diag_sockid (linux/inet_diag.h): ports and addresses in network order.
const (
	questionFamily = 8 // AF_INET or AF_INET6, behind the ID, and three bytes of nothing
	questionEnds   = 12
	QuestionSize   = questionEnds + 2 + 2 + 16 + 16
)

// PackedQuestion is a question on the line.
type PackedQuestion [QuestionSize]byte

// Packed is q as it goes over the line. A socket of IPv6 that speaks IPv4 is
// found by its IPv4 ends; a zone is left out.
func (q Question) Packed() (b PackedQuestion) {
	local, remote := q.Local.Addr().Unmap(), q.Remote.Addr().Unmap()
	binary.NativeEndian.PutUint64(b[:], q.ID)
	b[questionFamily] = unix.AF_INET
	if local.Is6() {
		b[questionFamily] = unix.AF_INET6
	}
	ends := b[questionEnds:]
	binary.BigEndian.PutUint16(ends, q.Local.Port())
	binary.BigEndian.PutUint16(ends[2:], q.Remote.Port())
	copy(ends[4:20], local.AsSlice())
	copy(ends[20:], remote.AsSlice())
	return b
}

// Question is what Packed made b of, but for what that left out.
func (b PackedQuestion) Question() Question {
	ends := b[questionEnds:]
	local, remote := netip.AddrFrom16([16]byte(ends[4:20])), netip.AddrFrom16([16]byte(ends[20:]))
	if b[questionFamily] == unix.AF_INET {
		local, remote = netip.AddrFrom4([4]byte(ends[4:8])), netip.AddrFrom4([4]byte(ends[20:24]))
	}
	return Question{
		ID:     binary.NativeEndian.Uint64(b[:]),
		Local:  netip.AddrPortFrom(local, binary.BigEndian.Uint16(ends)),
		Remote: netip.AddrPortFrom(remote, binary.BigEndian.Uint16(ends[2:])),
	}
}

// Answer is the packed message that says that it is p, but for the message's ID,
// which stands between head and tail as a varint (encoding/binary).
func Answer(p Program) (head, tail []byte) {
	b := EncodeMessage(Message{Op: OpHolders, Programs: []Program{p}})
	at := 1 + len(OpHolders) // behind the length of its name, and that
	return b[:at:at], b[at+1:]
}
