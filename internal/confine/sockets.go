package confine

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// backlog is how many connections wait to be accepted; the kernel cuts it to
// net.core.somaxconn.
const backlog = 4096

// sockets are made inside, where alone they can be, and handed out.
type sockets struct {
	list []spec.Socket
	fds  []int
	line int // our end of the line; 0 without a gate
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
	near, far, err := wire.Pair()
	if err := s.add(spec.Line, netip.AddrPort{}, far, err); err != nil {
		return err
	}
	s.line = near
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
	fd, err := talk(unix.NETLINK_NETFILTER)
	if err != nil {
		return -1, err
	}
	p := &packet{}
	nflog(p, nflogCommand, []byte{nflogCommandBind})
	nflog(p, nflogMode, append(binary.BigEndian.AppendUint32(nil, nflogCopyBytes), nflogCopyPacket, 0))
	nflog(p, nflogThreshold, binary.BigEndian.AppendUint32(nil, 1))
	err = exchange(fd, p, p.seq)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		unix.Close(fd)
		return -1, act("bind", "packet log", err)
	}
	return fd, nil
}

// nflog writes one setting of our group.
func nflog(p *packet, kind uint16, value []byte) {
	header := binary.BigEndian.AppendUint16([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0}, spec.RefusedGroup)
	p.message(nflogConfig, unix.NLM_F_ACK, header...)
	p.attribute(kind, value)
}

func four(a netip.Addr) [4]byte {
	if a.Is4() {
		return a.As4()
	}
	return [4]byte{}
}
