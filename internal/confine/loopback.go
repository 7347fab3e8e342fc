package confine

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// loopback is the only interface that the sandbox has, and the first of its
// namespace.
const loopback = 1

// raiseLoopback switches lo on. See netdevice(7).
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return act("open socket for", "lo", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return act("name", "lo", err)
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return act("raise", "lo", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req))
}

// routeAll makes every address of both families one of our own, so that a
// packet for anywhere arrives on loopback. v6 says whether there is IPv6.
func routeAll(v6 bool) error {
	fd, err := talk(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	p := &packet{}
	secondAddress(p)
	routeLocal(p, unix.AF_INET, unix.RT_SCOPE_HOST)
	if v6 {
		routeLocal(p, unix.AF_INET6, unix.RT_SCOPE_UNIVERSE)
	}
	return act("route all addresses to", "lo", exchange(fd, p, p.seq))
}

// secondAddress writes "ip address add 127.0.0.2/32 dev lo". Where no interface
// has an address but 127.0.0.1, glibc has no IPv4 for a program that asks with
// AI_ADDRCONFIG (getaddrinfo(3)): `getent ahostsv4`, `wget -4`. See
// rtnetlink(7), struct ifaddrmsg.
func secondAddress(p *packet) {
	p.message(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK,
		binary.NativeEndian.AppendUint32([]byte{unix.AF_INET, 32, 0, unix.RT_SCOPE_HOST}, loopback)...)
	address := []byte{127, 0, 0, 2}
	p.attribute(unix.IFA_LOCAL, address)
	p.attribute(unix.IFA_ADDRESS, address)
}

// routeLocal writes "local default dev lo". See rtnetlink(7), struct rtmsg:
// family, lengths of destination and source, tos, table, protocol, scope,
// type, flags.
func routeLocal(p *packet, family, scope byte) {
	p.message(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK,
		family, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, scope, unix.RTN_LOCAL, 0, 0, 0, 0)
	p.attribute(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, loopback))
}

// hasIPv6 says whether this kernel has IPv6 at all. Without it there is
// nothing to capture: no socket of the family can be made inside either.
func hasIPv6() (bool, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return false, nil
	}
	if err != nil {
		return false, os.NewSyscallError("socket", err)
	}
	return true, unix.Close(fd)
}
