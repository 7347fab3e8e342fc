package confine

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The few netlink messages that init sends are written here, byte by byte: a
// library for all of them would be a third of init, and every sandbox starts
// it three times. See netlink(7).

// packet is one or more netlink messages under construction.
type packet struct {
	b     []byte
	start int // of the message that is being written
	seq   uint32
}

// message begins a message; header is what stands before its attributes.
func (p *packet) message(kind, flags uint16, header ...byte) {
	p.seal()
	p.seq++
	p.start = len(p.b)
	p.b = binary.NativeEndian.AppendUint32(p.b, 0) // its length, see seal
	p.b = binary.NativeEndian.AppendUint16(p.b, kind)
	p.b = binary.NativeEndian.AppendUint16(p.b, unix.NLM_F_REQUEST|flags)
	p.b = binary.NativeEndian.AppendUint32(p.b, p.seq)
	p.b = binary.NativeEndian.AppendUint32(p.b, 0) // port: the kernel's
	p.b = append(p.b, header...)
}

// seal writes the length of the last message.
func (p *packet) seal() {
	if len(p.b) > p.start {
		binary.NativeEndian.PutUint32(p.b[p.start:], uint32(len(p.b)-p.start))
	}
}

// attribute appends one, padded to 4 bytes.
func (p *packet) attribute(kind uint16, data []byte) {
	p.nest(kind, func() { p.b = append(p.b, data...) })
}

// number appends one in network byte order, as netfilter wants them.
func (p *packet) number(kind uint16, n uint32) {
	p.attribute(kind, binary.BigEndian.AppendUint32(nil, n))
}

// text appends a string that ends with 0.
func (p *packet) text(kind uint16, s string) { p.attribute(kind, append([]byte(s), 0)) }

// nest appends an attribute whose content inner appends.
func (p *packet) nest(kind uint16, inner func()) {
	at := len(p.b)
	p.b = binary.NativeEndian.AppendUint16(p.b, 0)
	p.b = binary.NativeEndian.AppendUint16(p.b, kind)
	inner()
	binary.NativeEndian.PutUint16(p.b[at:], uint16(len(p.b)-at))
	for len(p.b)%4 != 0 {
		p.b = append(p.b, 0)
	}
}

// talk opens a netlink socket, which exchange uses. The kernel answers within
// the call, so the socket's limit is only against a kernel that does not.
func talk(protocol int) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, act("open", "netlink", err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		unix.Close(fd)
		return -1, act("open", "netlink", err)
	}
	return fd, nil
}

// exchange sends p and waits until the kernel has acknowledged the message
// numbered last, which must ask for that (NLM_F_ACK). An error of any message
// is the answer.
func exchange(fd int, p *packet, last uint32) error {
	p.seal()
	if err := unix.Sendto(fd, p.b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	b := make([]byte, 16<<10)
	for {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if done, err := acknowledged(b[:n], last); done || err != nil {
			return err
		}
	}
}

// acknowledged reads answers: errors, of which number 0 is an acknowledgement.
func acknowledged(b []byte, last uint32) (bool, error) {
	for len(b) >= unix.SizeofNlMsghdr+4 {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr+4 || size > len(b) {
			return false, fmt.Errorf("netlink answer of %d bytes says %d", len(b), size)
		}
		if binary.NativeEndian.Uint16(b[4:]) != unix.NLMSG_ERROR {
			return false, errors.New("netlink answer is no acknowledgement")
		}
		if e := int32(binary.NativeEndian.Uint32(b[unix.SizeofNlMsghdr:])); e != 0 {
			return false, unix.Errno(-e)
		}
		if binary.NativeEndian.Uint32(b[8:]) == last {
			return true, nil
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return false, nil
}
