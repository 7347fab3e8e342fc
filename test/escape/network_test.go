package escape

import (
	"bytes"
	"errors"
	"fmt"

	"net"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds every wait of an attack.
const patience = 5 * time.Second

// networkCases try to get a word out, past the gate. Whoever answers outside
// says the token; inside, only the gate's socket may see the connection.
func networkCases() []attackCase {
	out := []attackCase{
		{id: "A1", name: "TCP to a public address", attack: dials("tcp", "203.0.113.5:443"), event: "tcp 203.0.113.5:443"},
		{id: "A1 other port", name: "TCP to a port nobody listed", attack: dials("tcp", "203.0.113.5:9999"), event: "tcp 203.0.113.5:9999"},
		{id: "A2 curl", name: "curl without any proxy", attack: runs("curl", "-sS", "-m", "5", "--noproxy", "*", "http://203.0.113.6/"), event: "tcp 203.0.113.6:80"},
		{id: "A2 python3", name: "a raw Python socket", attack: runs("python3", "-c", "import socket;s=socket.create_connection(('203.0.113.7',80),5);s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n');print(s.recv(4096))"), event: "tcp 203.0.113.7:80"},
		{id: "A2 node", name: "Node's fetch", attack: runs("node", "-e", "fetch('http://203.0.113.8/').then(r=>r.text()).then(console.log)"), event: "tcp 203.0.113.8:80"},
		{id: "A3", name: "multipath TCP", attack: speaks(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP, "203.0.113.9:443")},
		{id: "A4 sendto", name: "TCP fast open by sendto", attack: fastOpen("203.0.113.10:443"), event: "tcp 203.0.113.10:443"},
		{id: "A4 option", name: "TCP fast open by option", attack: fastConnect("203.0.113.11:443"), event: "tcp 203.0.113.11:443"},
		{id: "A5", name: "UDP to port 443", attack: dials("udp", "203.0.113.12:443"), event: "udp 203.0.113.12:443"},
		{id: "A5 v6", name: "UDP over IPv6", attack: dials("udp", "[2001:db8::12]:443"), event: "udp [2001:db8::12]:443"},
		{id: "A6", name: "a DNS server of its own choice", attack: dials("udp", "8.8.8.8:53"), event: "name 8.8.8.8"},
		{id: "A10 v6", name: "TCP to an IPv6 address", attack: dials("tcp", "[2001:db8::5]:443"), event: "tcp [2001:db8::5]:443"},
		{id: "A10 mapped", name: "an IPv4 address inside IPv6", attack: speaks(unix.AF_INET6, unix.SOCK_STREAM, 0, "[::ffff:203.0.113.13]:443"), event: "tcp 203.0.113.13:443"},
		{id: "A10 NAT64", name: "an IPv4 address inside NAT64", attack: dials("tcp", "[64:ff9b::cb00:710e]:443"), event: "tcp [64:ff9b::cb00:710e]:443"},
		{id: "A11", name: "the cloud's metadata server", attack: dials("tcp", "169.254.169.254:80"), event: "tcp 169.254.169.254:80"},
		{id: "A11 v6", name: "the cloud's metadata server, IPv6", attack: dials("tcp", "[fd00:ec2::254]:80"), event: "tcp [fd00:ec2::254]:80"},
		{id: "A12 loopback", name: "a service on the host's loopback", attack: dials("tcp", "127.0.0.1:80")},
		{id: "A12 zero", name: "the same, as 0.0.0.0", attack: speaks(unix.AF_INET, unix.SOCK_STREAM, 0, "0.0.0.0:80")},
		{id: "A12 own", name: "the host's own address", attack: func(w world) error { return dials("tcp", net.JoinHostPort(w.Host, "80"))(w) }, event: "tcp HOST:80"},
		{id: "A16 route", name: "a route of its own", attack: func(world) error { return addRoute(netip.MustParsePrefix("198.51.100.0/24")) }},
		{id: "A16 link", name: "an interface of its own", attack: func(world) error { return addLink() }},
		{id: "A16 rules", name: "the firewall's rules", attack: opens(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER), event: "syscall socket"},
		{id: "A17", name: "a private address", attack: dials("tcp", "10.200.0.1:443"), event: "tcp 10.200.0.1:443"},
		{id: "A19", name: "the router's port, taken over", attack: func(world) error { return takePort("127.0.0.1:11434") }},
		{id: "A201 multicast", name: "UDP multicast", attack: broadcast("224.0.0.251:5353")},
		{id: "A201 broadcast", name: "UDP broadcast", attack: broadcast("255.255.255.255:9")},
	}
	for i := range out {
		out[i].wall = "network"
	}
	return out
}

// dials gets the token from address, or says why not.
func dials(network, address string) func(world) error {
	return func(w world) error {
		c, err := net.DialTimeout(network, address, patience)
		if err != nil {
			return err
		}
		defer c.Close()
		return asks(c, w.Token)
	}
}

// asks says hello on c and expects the token.
func asks(c net.Conn, token string) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.Write([]byte(hello)); err != nil {
		return err
	}
	got := make([]byte, 4096)
	n, err := c.Read(got)
	if err != nil {
		return err
	}
	return loot(got[:n], token)
}

const hello = "GET / HTTP/1.0\r\n\r\n"

// loot is nil when got has the token in it.
func loot(got []byte, token string) error {
	if token != "" && bytes.Contains(got, []byte(token)) {
		return nil
	}
	return fmt.Errorf("got %q, not the token", got)
}

// runs starts a program that prints the token when it gets through.
func runs(argv ...string) func(world) error {
	return func(w world) error {
		path, err := exec.LookPath(argv[0])
		if err != nil {
			return needs{argv[0]}
		}
		out, err := exec.Command(path, argv[1:]...).CombinedOutput()
		if loot(out, w.Token) == nil {
			return nil
		}
		if err == nil {
			err = errors.New("no token")
		}
		return fmt.Errorf("%w: %s", err, lastLine(string(out)))
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// sockaddr is a as the kernel takes it in a socket of family.
func sockaddr(family int, address string) unix.Sockaddr {
	a := netip.MustParseAddrPort(address)
	if family == unix.AF_INET6 {
		return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

// limited is a socket whose every wait ends.
func limited(family, kind, protocol int) (int, error) {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, err
	}
	tv := unix.NsecToTimeval(patience.Nanoseconds())
	return fd, errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv), unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
}

// speaks connects a socket of exactly this kind and asks for the token.
func speaks(family, kind, protocol int, address string) func(world) error {
	return func(w world) error {
		fd, err := limited(family, kind, protocol)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, sockaddr(family, address)); err != nil {
			return err
		}
		if _, err := unix.Write(fd, []byte(hello)); err != nil {
			return err
		}
		return answered(fd, w.Token)
	}
}

func answered(fd int, token string) error {
	got := make([]byte, 4096)
	n, err := unix.Read(fd, got)
	if err != nil {
		return err
	}
	return loot(got[:n], token)
}

// fastOpen connects and sends in one call.
func fastOpen(address string) func(world) error {
	return func(w world) error {
		fd, err := limited(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Sendto(fd, []byte(hello), unix.MSG_FASTOPEN, sockaddr(unix.AF_INET, address)); err != nil {
			return err
		}
		return answered(fd, w.Token)
	}
}

// fastConnect connects with the first bytes.
func fastConnect(address string) func(world) error {
	return func(w world) error {
		fd, err := limited(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_FASTOPEN_CONNECT, 1); err != nil {
			return err
		}
		if err := unix.Connect(fd, sockaddr(unix.AF_INET, address)); err != nil {
			return err
		}
		if _, err := unix.Write(fd, []byte(hello)); err != nil {
			return err
		}
		return answered(fd, w.Token)
	}
}

// takePort listens where somebody else should, beside whoever is there.
func takePort(address string) error {
	fd, err := limited(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, sockaddr(unix.AF_INET, address)); err != nil {
		return err
	}
	return unix.Listen(fd, 1)
}

// broadcast sends one packet to many.
func broadcast(to string) func(world) error {
	return func(world) error {
		fd, err := limited(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
			return err
		}
		return unix.Sendto(fd, []byte(hello), 0, sockaddr(unix.AF_INET, to))
	}
}

// socketCases make sockets that the gate would never see.
func socketCases() []attackCase {
	out := []attackCase{
		{id: "A7 UDP-Lite", name: "a UDP-Lite socket", attack: opens(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE)},
		{id: "A7 SCTP", name: "an SCTP socket", attack: opens(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP)},
		{id: "A7 DCCP", name: "a DCCP socket", attack: opens(unix.AF_INET, unix.SOCK_DCCP, unix.IPPROTO_DCCP)},
		{id: "A7 ping", name: "a ping socket", attack: opens(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP), root: true},
		{id: "A7 raw", name: "a raw socket", attack: opens(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)},
		{id: "A8 packet", name: "a packet socket", attack: opens(unix.AF_PACKET, unix.SOCK_RAW, 0)},
		{id: "A8 vsock", name: "a socket to the hypervisor", attack: opens(unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
		{id: "A8 alg", name: "the kernel's cryptography", attack: opens(unix.AF_ALG, unix.SOCK_SEQPACKET, 0)},
		{id: "A8 diag", name: "a netlink socket to look at sockets", attack: opens(unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_SOCK_DIAG)},
		{id: "A8 uevent", name: "a netlink socket to hear of devices", attack: opens(unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_KOBJECT_UEVENT)},
		{id: "A8 key", name: "a socket to IPsec's keys", attack: opens(unix.AF_KEY, unix.SOCK_RAW, 2)},
		{id: "A8 xdp", name: "an XDP socket", attack: opens(unix.AF_XDP, unix.SOCK_RAW, 0)},
		{id: "A8 bluetooth", name: "a Bluetooth socket", attack: opens(unix.AF_BLUETOOTH, unix.SOCK_STREAM, 3)},
		{id: "A8 tipc", name: "a TIPC socket", attack: opens(unix.AF_TIPC, unix.SOCK_STREAM, 0)},
		{id: "D81 socket", name: "a family with high bits", attack: func(world) error {
			_, err := call(unix.SYS_SOCKET, unix.AF_VSOCK|1<<32, unix.SOCK_STREAM, 0)
			return err
		}},
	}
	for i := range out {
		out[i].wall, out[i].event = "network", "syscall socket"
	}
	return append(out, attackCase{
		id: "A9", name: "io_uring, whose requests pass no filter", wall: "network", attack: func(world) error {
			params := make([]byte, 120)
			_, err := call(unix.SYS_IO_URING_SETUP, 4, at(params))
			return err
		},
	})
}

// opens makes one socket.
func opens(family, kind, protocol int) func(world) error {
	return func(world) error {
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}
}
