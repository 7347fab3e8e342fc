package escape

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// rtnetlink sends one request of rtnetlink(7) and waits for its answer.
func rtnetlink(kind netlink.HeaderType, header []byte, attributes ...netlink.Attribute) error {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	b, err := netlink.MarshalAttributes(attributes)
	if err != nil {
		return err
	}
	_, err = c.Execute(netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | netlink.Create},
		Data:   append(header, b...),
	})
	return err
}

// addRoute makes all of p an address of this machine: what is sent there
// arrives here.
func addRoute(p netip.Prefix) error {
	family := byte(unix.AF_INET)
	if p.Addr().Is6() {
		family = unix.AF_INET6
	}
	header := []byte{family, byte(p.Bits()), 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0}
	attributes := []netlink.Attribute{{Type: unix.RTA_OIF, Data: binary.NativeEndian.AppendUint32(nil, 1)}}
	if p.Bits() > 0 {
		attributes = append(attributes, netlink.Attribute{Type: unix.RTA_DST, Data: p.Addr().AsSlice()})
	}
	if err := rtnetlink(unix.RTM_NEWROUTE, header, attributes...); err != nil {
		return fmt.Errorf("add route to %v: %w", p, err)
	}
	return nil
}

// raise brings loopback up; it is always interface 1.
func raise() error {
	header := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(header[4:], 1)
	binary.NativeEndian.PutUint32(header[8:], unix.IFF_UP)
	binary.NativeEndian.PutUint32(header[12:], unix.IFF_UP)
	return rtnetlink(unix.RTM_NEWLINK, header)
}

// addLink makes a pair of interfaces.
func addLink() error {
	kind, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.IFLA_INFO_KIND, Data: text("veth")}})
	if err != nil {
		return err
	}
	return rtnetlink(unix.RTM_NEWLINK, make([]byte, unix.SizeofIfInfomsg), netlink.Attribute{Type: unix.IFLA_LINKINFO | netlink.Nested, Data: kind})
}
