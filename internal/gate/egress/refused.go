package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The group of NFLOG to which the sandbox's rules log what they refuse.
const refusedGroup = 5

// Of linux/netfilter/nfnetlink_log.h.
const (
	nfulMsgPacket = unix.NFNL_SUBSYS_ULOG << 8
	nfulMsgConfig = unix.NFNL_SUBSYS_ULOG<<8 | 1

	nfulaPayload = 9 // of a packet: from its network header on

	nfulaCfgCmd       = 1 // of a configuration
	nfulaCfgMode      = 2
	nfulaCfgThreshold = 5
	nfulCmdBind       = 1
	nfulCopyPacket    = 2

	packetHead = 128 // bytes of each packet that are wanted
)

// ServeRefused reads the log of packets that the sandbox's rules refused (not
// TCP, so never captured) from a netlink socket made inside, and records them,
// until ctx ends; it then reads what had come by then, and returns nil. It does
// not close f.
func (g *Gate) ServeRefused(ctx context.Context, f *os.File) error {
	own, err := pollable(f)
	if err != nil {
		return fmt.Errorf("serve refused packets: %w", err)
	}
	defer own.Close()
	wake := func() { _ = own.SetReadDeadline(time.Unix(1, 0)) } // a socket has one
	defer context.AfterFunc(ctx, wake)()
	defer context.AfterFunc(g.ctx, wake)()
	rc, err := own.SyscallConn()
	if err != nil {
		return fmt.Errorf("serve refused packets: %w", err)
	}
	if err := joinRefused(rc.Control); err != nil {
		return fmt.Errorf("serve refused packets: join group %d: %w", refusedGroup, err)
	}
	b := make([]byte, 64<<10)
	for {
		var n int
		var failed error
		err := rc.Read(func(fd uintptr) bool {
			n, _, failed = unix.Recvfrom(int(fd), b, 0)
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return g.restOfRefused(rc, b)
		case err != nil:
			return fmt.Errorf("serve refused packets: %w", err)
		case errors.Is(failed, unix.ENOBUFS): // a flood; the rest is lost, not let through
			g.recordPacket("packets of other protocols than TCP, too many to read", "")
		case failed != nil && !errors.Is(failed, unix.EINTR):
			return fmt.Errorf("serve refused packets: %w", failed)
		case failed == nil:
			if err := g.readRefused(b[:n]); err != nil {
				return fmt.Errorf("serve refused packets: %w", err)
			}
		}
	}
}

// restOfRefused reads what lies in the socket: what is refused as a program ends
// is in it before the program has ended.
func (g *Gate) restOfRefused(rc syscall.RawConn, b []byte) error {
	for range mostLeft {
		var n int
		var failed error
		if err := rc.Control(func(fd uintptr) { n, _, failed = unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT) }); err != nil || failed != nil {
			return nil // there is no more
		}
		if err := g.readRefused(b[:n]); err != nil {
			return fmt.Errorf("serve refused packets: %w", err)
		}
	}
	return nil
}

// pollable duplicates f, so that reads of it can be interrupted.
func pollable(f *os.File) (*os.File, error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var own *os.File
	var failed error
	err = rc.Control(func(fd uintptr) {
		n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			err = unix.SetNonblock(n, true)
		}
		if err != nil {
			failed = err
			return
		}
		own = os.NewFile(uintptr(n), "refused")
	})
	return own, errors.Join(err, failed)
}

// joinRefused asks for the group's packets, one at a time and their beginning
// only. Answers come as messages among the packets.
func joinRefused(control func(func(uintptr)) error) error {
	config := func(attribute uint16, data []byte) []byte {
		body, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: attribute, Data: data}})
		if err != nil {
			return nil // data is a few bytes: it fits
		}
		head := []byte{unix.AF_UNSPEC, 0, 0, refusedGroup} // struct nfgenmsg; the group is big-endian
		m, err := netlink.Message{
			Header: netlink.Header{
				Length: uint32(unix.SizeofNlMsghdr + len(head) + len(body)),
				Type:   nfulMsgConfig, Flags: netlink.Request | netlink.Acknowledge,
			},
			Data: append(head, body...),
		}.MarshalBinary()
		if err != nil {
			return nil
		}
		return m
	}
	mode := append(binary.BigEndian.AppendUint32(nil, packetHead), nfulCopyPacket, 0)
	var failed error
	err := control(func(fd uintptr) {
		for _, m := range [][]byte{
			config(nfulaCfgCmd, []byte{nfulCmdBind}),
			config(nfulaCfgMode, mode),
			config(nfulaCfgThreshold, binary.BigEndian.AppendUint32(nil, 1)),
		} {
			failed = errors.Join(failed, unix.Sendto(int(fd), m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
		}
	})
	return errors.Join(err, failed)
}

// readRefused takes one datagram of messages.
func (g *Gate) readRefused(b []byte) error {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return nil
		}
		kind, body := binary.NativeEndian.Uint16(b[4:]), b[unix.SizeofNlMsghdr:size]
		switch {
		case kind == unix.NLMSG_ERROR && len(body) >= 4:
			// EBUSY: who made the socket has joined already.
			if no := int32(binary.NativeEndian.Uint32(body)); no != 0 && unix.Errno(-no) != unix.EBUSY {
				return fmt.Errorf("join group %d: %w", refusedGroup, unix.Errno(-no))
			}
		case kind == nfulMsgPacket && len(body) > 4:
			g.packet(body[4:])
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return nil
}

func (g *Gate) packet(attributes []byte) {
	d, err := netlink.NewAttributeDecoder(attributes)
	if err != nil {
		return
	}
	for d.Next() {
		if d.Type() == nfulaPayload {
			g.recordPacket(g.describe(d.Bytes()))
		}
	}
}

func (g *Gate) recordPacket(target, why string) {
	if why == "" {
		why = "only TCP leaves the sandbox, through the gate"
	}
	g.tally.record(Event{Kind: Network, Program: "unknown", Target: target, Why: why})
}

// describe reads an IP packet's destination: "udp 8.8.8.8:443".
func (g *Gate) describe(p []byte) (target, why string) {
	var to netip.Addr
	var protocol byte
	var above []byte
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		to, protocol = netip.AddrFrom4([4]byte(p[16:20])), p[9]
		above = p[min(len(p), int(p[0]&15)*4):]
	case len(p) >= 40 && p[0]>>4 == 6:
		to, protocol = netip.AddrFrom16([16]byte(p[24:40])), p[6]
		above = p[40:]
	default:
		return "a packet of an unknown protocol", ""
	}
	where := to.String()
	if name, mine := g.names.name(to); mine && name != "" {
		where = string(name)
	}
	if !hasPorts(protocol) || len(above) < 4 {
		return protocolName(protocol) + " " + where, ""
	}
	if to.Is6() && where == to.String() {
		where = "[" + where + "]"
	}
	return fmt.Sprintf("%s %s:%d", protocolName(protocol), where, binary.BigEndian.Uint16(above[2:])), ""
}

func hasPorts(protocol byte) bool {
	switch protocol {
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_UDPLITE, unix.IPPROTO_SCTP, unix.IPPROTO_DCCP:
		return true
	}
	return false
}

func protocolName(p byte) string {
	switch p {
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		return "icmp"
	case unix.IPPROTO_IGMP:
		return "igmp"
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	case unix.IPPROTO_UDPLITE:
		return "udplite"
	case unix.IPPROTO_SCTP:
		return "sctp"
	case unix.IPPROTO_DCCP:
		return "dccp"
	}
	return fmt.Sprintf("protocol %d", p)
}
