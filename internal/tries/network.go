package tries

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Addresses that are nobody's (RFC 5737), and the one of a cloud's metadata
// server, about which no operator is ever asked.
var (
	nobody   = &unix.SockaddrInet4{Port: 443, Addr: [4]byte{192, 0, 2, 1}}
	nobody6  = &unix.SockaddrInet6{Port: 443, Addr: [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}}
	many     = &unix.SockaddrInet4{Port: 5353, Addr: [4]byte{224, 0, 0, 251}}
	metadata = &unix.SockaddrInet4{Port: 443, Addr: [4]byte{169, 254, 169, 254}}
	model    = &unix.SockaddrInet4{Port: 11434, Addr: [4]byte{127, 0, 0, 1}}
)

func network() []Try {
	out := []Try{
		{ID: "A5", What: "a UDP packet to a public address", do: sends(unix.AF_INET, nobody)},
		{ID: "A5 v6", What: "the same over IPv6", do: sends(unix.AF_INET6, nobody6), want: append([]error{unix.EAFNOSUPPORT}, no...)},
		{ID: "A201 multicast", What: "UDP to everybody near", do: sends(unix.AF_INET, many)},
		{ID: "A11", What: "TCP to a cloud's metadata server", Policy: true, do: speaks(metadata, "\x16\x03\x01"),
			want: []error{unix.ECONNRESET, unix.ECONNREFUSED}},
		{ID: "A16 interfaces", What: "an interface beside loopback", do: interfaces},
		{ID: "A16 route", What: "a route of its own", do: addsRoute},
		{ID: "A16 rules", What: "the firewall's rules", do: opens(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER)},
	}
	for _, s := range []struct {
		id, what               string
		family, kind, protocol int
	}{
		{"A7 UDP-Lite", "a UDP-Lite socket", unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE},
		{"A7 SCTP", "an SCTP socket", unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP},
		{"A7 ping", "a ping socket", unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP},
		{"A7 raw", "a raw socket", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW},
		{"A8 packet", "a packet socket", unix.AF_PACKET, unix.SOCK_RAW, 0},
		{"A8 vsock", "a socket to the hypervisor", unix.AF_VSOCK, unix.SOCK_STREAM, 0},
		{"A8 alg", "the kernel's cryptography", unix.AF_ALG, unix.SOCK_SEQPACKET, 0},
		{"A8 diag", "a look at all sockets", unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_SOCK_DIAG},
		{"A8 xdp", "an XDP socket", unix.AF_XDP, unix.SOCK_RAW, 0},
		{"A8 bluetooth", "a Bluetooth socket", unix.AF_BLUETOOTH, unix.SOCK_STREAM, 3},
	} {
		out = append(out, Try{ID: s.id, What: s.what, do: opens(s.family, s.kind, s.protocol)})
	}
	out = append(out, Try{ID: "A9", What: "io_uring, past every filter", do: func() error {
		return reached(unix.SYS_IO_URING_SETUP, 0, 0)
	}})
	return inWall(out, spec.NetworkWall)
}

func inWall(all []Try, w spec.Wall) []Try {
	for i := range all {
		all[i].Wall = w
	}
	return all
}

// opens makes one socket.
func opens(family, kind, protocol int) func() error {
	return func() error {
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}
}

// sends sends one packet to an address of a family.
func sends(family int, to unix.Sockaddr) func() error {
	return func() error {
		fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, []byte("try"), 0, to)
	}
}

// speaks connects, says request and wants a word back, which is no HTTP answer
// with a status of refusal.
func speaks(to unix.Sockaddr, request string, refusal ...string) func() error {
	return func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		patience := unix.Timeval{Sec: 3}
		err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience),
			unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience))
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, to); err != nil {
			return err
		}
		if _, err := unix.Write(fd, []byte(request)); err != nil {
			return err
		}
		got := make([]byte, 256)
		n, err := unix.Read(fd, got)
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(string(got[:n]), "\r\n")
		for _, status := range refusal {
			if strings.HasPrefix(first, "HTTP/1.1 "+status+" ") {
				return held(first)
			}
		}
		return nil
	}
}

// interfaces looks for one that is not loopback. See proc_pid_net(5).
func interfaces() error {
	b, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		if name, _, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) != "lo" {
			return nil
		}
	}
	return held("there is only lo")
}

// addsRoute asks for a local route to a range that is nobody's, and takes the
// kernel's answer. See rtnetlink(7).
func addsRoute() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const size = unix.NLMSG_HDRLEN + unix.SizeofRtMsg
	b := make([]byte, size)
	binary.NativeEndian.PutUint32(b, size)
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_NEWROUTE)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE)
	copy(b[unix.NLMSG_HDRLEN:], []byte{unix.AF_INET, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_HOST, unix.RTN_LOCAL})
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	n, _, err := unix.Recvfrom(fd, b[:cap(b)], 0)
	if err != nil {
		return err
	}
	if n < unix.NLMSG_HDRLEN+4 {
		return errors.New("the kernel's answer was cut")
	}
	if e := -int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:])); e != 0 {
		return unix.Errno(e)
	}
	return nil
}
