package internet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The world's own addresses.
const (
	resolver = "9.9.9.9" // any would do: all are local
	port     = 61000     // of the transparent listeners

	// Machine is the address of the one interface, as a machine's public
	// address; IPv6 likewise.
	Machine  = "45.79.100.1"
	Machine6 = "2600:3c00::100:1"
)

// buildNet brings loopback up, adds an interface, makes every address local
// and leads all TCP but loopback's to one port.
func buildNet() error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := linkUp(c, lo.Index); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	if err := addUplink(c); err != nil {
		return fmt.Errorf("add an interface: %w", err)
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if err := routeAllTo(c, family, lo.Index); err != nil {
			return fmt.Errorf("make every address local: %w", err)
		}
	}
	if err := capture(port); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return nil
}

// addUplink makes a veth pair, so that the machine of this world has an
// interface with an address of its own, like any other. Nobody is at its end.
func addUplink(c *netlink.Conn) error {
	if err := addVeth(c, "eth0", "far0"); err != nil {
		return err
	}
	for _, name := range []string{"eth0", "far0"} {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		if err := linkUp(c, i.Index); err != nil {
			return err
		}
	}
	eth, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	for _, a := range []string{Machine, Machine6} {
		if err := addAddress(c, eth.Index, netip.MustParseAddr(a)); err != nil {
			return err
		}
	}
	return nil
}

func request(c *netlink.Conn, kind uint16, flags netlink.HeaderFlags, head []byte, attributes func(*netlink.AttributeEncoder)) error {
	e := netlink.NewAttributeEncoder()
	attributes(e)
	body, err := e.Encode()
	if err != nil {
		return err
	}
	_, err = c.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | netlink.Acknowledge | flags},
		Data:   append(head, body...),
	})
	return err
}

const create = netlink.Create | netlink.Excl

// linkUp sends struct ifinfomsg of rtnetlink(7).
func linkUp(c *netlink.Conn, index int) error {
	head := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(head[4:], uint32(index))
	binary.NativeEndian.PutUint32(head[8:], unix.IFF_UP)
	binary.NativeEndian.PutUint32(head[12:], unix.IFF_UP)
	return request(c, unix.RTM_NEWLINK, 0, head, func(*netlink.AttributeEncoder) {})
}

func addVeth(c *netlink.Conn, name, peer string) error {
	const vethPeer = 1 // VETH_INFO_PEER of linux/veth.h
	return request(c, unix.RTM_NEWLINK, create, make([]byte, unix.SizeofIfInfomsg), func(e *netlink.AttributeEncoder) {
		e.String(unix.IFLA_IFNAME, name)
		e.Nested(unix.IFLA_LINKINFO, func(e *netlink.AttributeEncoder) error {
			e.String(unix.IFLA_INFO_KIND, "veth")
			e.Nested(unix.IFLA_INFO_DATA, func(e *netlink.AttributeEncoder) error {
				e.Do(vethPeer, func() ([]byte, error) {
					p := netlink.NewAttributeEncoder()
					p.String(unix.IFLA_IFNAME, peer)
					b, err := p.Encode()
					return append(make([]byte, unix.SizeofIfInfomsg), b...), err
				})
				return nil
			})
			return nil
		})
	})
}

// addAddress gives a host address without a route of its own, so that its
// neighbours are local too.
func addAddress(c *netlink.Conn, index int, a netip.Addr) error {
	head := make([]byte, unix.SizeofIfAddrmsg)
	head[0], head[1] = unix.AF_INET, 32
	if a.Is6() {
		head[0], head[1] = unix.AF_INET6, 128
		head[2] = unix.IFA_F_NODAD
	}
	binary.NativeEndian.PutUint32(head[4:], uint32(index))
	return request(c, unix.RTM_NEWADDR, create, head, func(e *netlink.AttributeEncoder) {
		e.Bytes(unix.IFA_LOCAL, a.AsSlice())
		e.Bytes(unix.IFA_ADDRESS, a.AsSlice())
	})
}

// routeAllTo is `ip route add local default dev lo`.
func routeAllTo(c *netlink.Conn, family uint8, index int) error {
	head := make([]byte, unix.SizeofRtMsg)
	head[0] = family
	head[4] = unix.RT_TABLE_MAIN
	head[5] = unix.RTPROT_BOOT
	head[7] = unix.RTN_LOCAL
	if family == unix.AF_INET {
		head[6] = unix.RT_SCOPE_HOST
	}
	return request(c, unix.RTM_NEWROUTE, create, head, func(e *netlink.AttributeEncoder) {
		e.Uint32(unix.RTA_OIF, uint32(index))
	})
}

// capture leads TCP for every address that is not the machine's own to port.
func capture(port uint16) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	for _, family := range []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyIPv6} {
		table := c.AddTable(&nftables.Table{Name: "internet", Family: family})
		chain := c.AddChain(&nftables.Chain{
			Name: "in", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityMangle,
		})
		match := []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		}
		match = append(match, notOwn(family)...)
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(match,
			&expr.Immediate{Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
			&expr.TProxy{Family: byte(family), TableFamily: byte(family), RegPort: 1},
		)})
	}
	return c.Flush()
}

// notOwn matches destinations that are neither loopback nor the machine.
func notOwn(family nftables.TableFamily) []expr.Any {
	destination := func(length uint32) expr.Any {
		offset := uint32(16)
		if family == nftables.TableFamilyIPv6 {
			offset = 24
		}
		return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length}
	}
	not := func(b []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: b} }
	if family == nftables.TableFamilyIPv4 {
		return []expr.Any{
			destination(1), not([]byte{127}),
			destination(4), not(netip.MustParseAddr(Machine).AsSlice()),
		}
	}
	return []expr.Any{
		destination(16), not(netip.IPv6Loopback().AsSlice()),
		destination(16), not(netip.MustParseAddr(Machine6).AsSlice()),
	}
}

// openSockets makes what needs rights: transparent listeners and port 53.
func openSockets(port int) ([]*os.File, error) {
	var files []*os.File
	for _, network := range []string{"tcp4", "tcp6"} {
		lc := net.ListenConfig{Control: transparent(network)}
		lc.SetMultipathTCP(false)
		l, err := lc.Listen(context.Background(), network, fmt.Sprintf(":%d", port))
		if err != nil {
			return nil, err
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	for _, network := range []string{"udp4", "udp6"} {
		c, err := net.ListenPacket(network, ":53")
		if err != nil {
			return nil, err
		}
		f, err := c.(*net.UDPConn).File()
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func transparent(network string) func(string, string, syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			if network == "tcp6" {
				failed = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
				return
			}
			failed = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1)
		})
		return errors.Join(err, failed)
	}
}
