package confine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// backlog is how many connections wait to be accepted; the kernel cuts it to
// net.core.somaxconn.
const backlog = 4096

// sockets are made inside, where alone they can be, and handed out.
type sockets struct {
	list []spec.Socket
	fds  []int
}

func (s *sockets) add(use spec.SocketUse, addr netip.AddrPort, fd int, err error) error {
	if err != nil {
		return act("make socket", string(use), err)
	}
	s.list = append(s.list, spec.Socket{Use: use, Addr: addr})
	s.fds = append(s.fds, fd)
	return nil
}

// of is the descriptor for use, at addr where there are several.
func (s *sockets) of(use spec.SocketUse, addr netip.AddrPort) (int, bool) {
	for i, x := range s.list {
		if x.Use == use && x.Addr == addr {
			return s.fds[i], true
		}
	}
	return -1, false
}

func (s *sockets) close() {
	for _, fd := range s.fds {
		unix.Close(fd)
	}
	s.fds = nil
}

// open makes every socket that n asks for.
func (s *sockets) open(n spec.Network, v6 bool) error {
	for _, x := range []struct {
		use  spec.SocketUse
		addr netip.AddrPort
		make func(netip.AddrPort) (int, error)
	}{
		{spec.Capture4, netip.AddrPortFrom(netip.IPv4Unspecified(), n.GatePort), transparent},
		{spec.Capture6, netip.AddrPortFrom(netip.IPv6Unspecified(), n.GatePort), transparent},
		{spec.Names4, netip.AddrPortFrom(netip.IPv4Unspecified(), 53), resolver},
		{spec.Names6, netip.AddrPortFrom(netip.IPv6Unspecified(), 53), resolver},
	} {
		if x.addr.Addr().Is6() && !v6 {
			continue
		}
		fd, err := x.make(x.addr)
		if err := s.add(x.use, x.addr, fd, err); err != nil {
			return err
		}
	}
	for _, a := range n.Routers {
		if a.Addr().Is6() && !v6 {
			continue
		}
		fd, err := listen(a)
		if err := s.add(spec.Router, a, fd, err); err != nil {
			return err
		}
	}
	fd, err := refusedLog()
	return s.add(spec.Refused, netip.AddrPort{}, fd, err)
}

// listen makes an ordinary TCP listener.
func listen(a netip.AddrPort) (int, error) {
	return bound(a, unix.SOCK_STREAM, unix.IPPROTO_TCP, func(int) error { return nil })
}

// transparent makes a listener that may take connections for any address. See
// ip(7), IP_TRANSPARENT.
func transparent(a netip.AddrPort) (int, error) {
	return bound(a, unix.SOCK_STREAM, unix.IPPROTO_TCP, func(fd int) error {
		if a.Addr().Is6() {
			return unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
		}
		return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1)
	})
}

// resolver makes a UDP socket that says to which address a question came, and
// can answer from it. See ip(7), IP_PKTINFO.
func resolver(a netip.AddrPort) (int, error) {
	return bound(a, unix.SOCK_DGRAM, unix.IPPROTO_UDP, func(fd int) error {
		if !a.Addr().Is6() {
			return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_PKTINFO, 1)
		}
		// An address that is local by a route alone is not one to send from,
		// for IPv6, unless the socket may use any.
		if err := unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, 1); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
}

// bound makes a non-blocking socket at a. No address may be used twice, so
// that no agent can share a port with it (SO_REUSEPORT is never set).
func bound(a netip.AddrPort, kind, protocol int, prepare func(fd int) error) (int, error) {
	domain := unix.AF_INET
	var at unix.Sockaddr = &unix.SockaddrInet4{Port: int(a.Port()), Addr: four(a.Addr())}
	if a.Addr().Is6() {
		domain = unix.AF_INET6
		at = &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return -1, err
	}
	err = prepare(fd)
	if err == nil && domain == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err == nil {
		err = unix.Bind(fd, at)
	}
	if err == nil && kind == unix.SOCK_STREAM {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// NFULNL_* of linux/netfilter/nfnetlink_log.h, which x/sys does not have.
const (
	nflogConfig      = unix.NFNL_SUBSYS_ULOG<<8 | 1 // NFULNL_MSG_CONFIG
	nflogCommand     = 1                            // NFULA_CFG_CMD
	nflogMode        = 2                            // NFULA_CFG_MODE
	nflogThreshold   = 5                            // NFULA_CFG_QTHRESH
	nflogCommandBind = 1                            // NFULNL_CFG_CMD_BIND
	nflogCopyPacket  = 2                            // NFULNL_COPY_PACKET
	nflogCopyBytes   = 128
)

// refusedLog makes the netlink socket on which refused packets arrive: it is
// bound to the group, gives the first 128 bytes of each packet, and each at
// once instead of in batches.
func refusedLog() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return -1, err
	}
	mode := binary.BigEndian.AppendUint32(nil, nflogCopyBytes)
	for _, a := range [][]byte{
		attribute(nflogCommand, []byte{nflogCommandBind}),
		attribute(nflogMode, append(mode, nflogCopyPacket, 0)),
		attribute(nflogThreshold, binary.BigEndian.AppendUint32(nil, 1)),
	} {
		if err := nflogSet(fd, a); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// nflogSet sends one configuration message for our group and takes its
// acknowledgement.
func nflogSet(fd int, attr []byte) error {
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+4+len(attr)))
	b = binary.NativeEndian.AppendUint16(b, nflogConfig)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = append(b, make([]byte, 8)...) // sequence and port, both 0
	b = append(b, unix.AF_UNSPEC, unix.NFNETLINK_V0)
	b = binary.BigEndian.AppendUint16(b, spec.RefusedGroup)
	b = append(b, attr...)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return act("configure", "packet log", err)
	}
	answer := make([]byte, 1024)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return act("configure", "packet log", err)
	}
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return errors.New("configure packet log: strange answer")
	}
	if e := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); e != 0 {
		return fmt.Errorf("configure packet log: %w", unix.Errno(-e))
	}
	return nil
}

// attribute is one netlink attribute, padded. See netlink(7).
func attribute(kind uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func four(a netip.Addr) [4]byte {
	if a.Is4() {
		return a.As4()
	}
	return [4]byte{}
}
