package confine

import (
	"errors"
	"fmt"
	"os"

	"github.com/mdlayher/netlink"
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
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return act("open netlink for", "routes", err)
	}
	defer c.Close()
	families := []uint8{unix.AF_INET}
	if v6 {
		families = append(families, unix.AF_INET6)
	}
	for _, f := range families {
		if err := routeLocal(c, f); err != nil {
			return fmt.Errorf("route all addresses of family %d to lo: %w", f, err)
		}
	}
	return nil
}

// routeLocal adds "local default dev lo". See rtnetlink(7).
func routeLocal(c *netlink.Conn, family uint8) error {
	scope := uint8(unix.RT_SCOPE_HOST)
	if family == unix.AF_INET6 {
		scope = unix.RT_SCOPE_UNIVERSE
	}
	// struct rtmsg: family, lengths of destination and source, tos, table,
	// protocol, scope, type, flags.
	msg := []byte{family, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, scope, unix.RTN_LOCAL, 0, 0, 0, 0}
	attr, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.RTA_OIF, Data: []byte{loopback, 0, 0, 0}}})
	if err != nil {
		return err
	}
	_, err = c.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_NEWROUTE, Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl},
		Data:   append(msg, attr...),
	})
	return err
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
