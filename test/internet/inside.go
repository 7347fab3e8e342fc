package internet

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const insideDoor = "internet-inside"

// Inside is a network namespace as a sandbox has it: loopback alone, all TCP
// led to a transparent listener, everything else refused and logged. It stands
// for launch and confine in tests of the gate.
type Inside struct {
	GatePort  uint16
	Listeners []net.Listener // of the gate, IPv4 and IPv6
	Names     []*net.UDPConn // port 53, IPv4 and IPv6
	Refused   *os.File       // NFLOG group 5

	mu   sync.Mutex
	wire int // to the child that lives there
}

const gatePort = 12345

// NewInside makes one; it ends with the test.
func NewInside(t testing.TB) *Inside {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "wire")
	defer theirs.Close()
	c := exec.Command("/proc/self/exe")
	c.Args = []string{insideDoor}
	c.Stderr = os.Stderr
	c.ExtraFiles = []*os.File{theirs}
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWPID}
	if os.Getuid() != 0 {
		c.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := c.Start(); err != nil {
		t.Skipf("needs new namespaces: %v", err)
	}
	i := &Inside{GatePort: gatePort, wire: pair[0]}
	t.Cleanup(func() {
		unix.Close(i.wire)
		c.Process.Kill() // it holds nothing worth an orderly end
		c.Wait()
	})
	i.takeSockets(t)
	return i
}

func (i *Inside) takeSockets(t testing.TB) {
	_, files, err := i.call(order{Op: "sockets"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files[:2] {
		l, err := net.FileListener(f)
		if err != nil {
			t.Fatal(err)
		}
		i.Listeners = append(i.Listeners, l)
		t.Cleanup(func() { l.Close() })
		f.Close()
	}
	for _, f := range files[2:4] {
		c, err := net.FilePacketConn(f)
		if err != nil {
			t.Fatal(err)
		}
		i.Names = append(i.Names, c.(*net.UDPConn))
		t.Cleanup(func() { c.Close() })
		f.Close()
	}
	i.Refused = files[4]
	t.Cleanup(func() { i.Refused.Close() })
}

// order is one message to the child; it answers with a result.
type order struct {
	Op   string   // sockets, socket, run
	Six  bool     // of socket
	UDP  bool     // of socket
	Argv []string // of run
}

type result struct {
	Out   string
	Error string
}

// call sends an order and waits for its result.
func (i *Inside) call(o order) (result, []*os.File, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	b, err := json.Marshal(o)
	if err != nil {
		return result{}, nil, err
	}
	if err := unix.Sendmsg(i.wire, b, nil, nil, 0); err != nil {
		return result{}, nil, err
	}
	answer, rights := make([]byte, 1<<20), make([]byte, 1024)
	n, rn, _, _, err := unix.Recvmsg(i.wire, answer, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		return result{}, nil, fmt.Errorf("the child inside is gone: %w", err)
	}
	var r result
	if err := json.Unmarshal(answer[:n], &r); err != nil {
		return r, nil, err
	}
	if r.Error != "" {
		return r, nil, errors.New(r.Error)
	}
	return r, filesOf(rights[:rn]), nil
}

func filesOf(rights []byte) (files []*os.File) {
	messages, _ := unix.ParseSocketControlMessage(rights)
	for _, m := range messages {
		fds, _ := unix.ParseUnixRights(&m)
		for _, fd := range fds {
			unix.SetNonblock(fd, true)
			files = append(files, os.NewFile(uintptr(fd), "inside"))
		}
	}
	return files
}

// Dial connects from inside. The network is tcp or udp; the address a literal.
func (i *Inside) Dial(network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	_, files, err := i.call(order{Op: "socket", Six: to.Addr().Is6(), UDP: network == "udp"})
	if err != nil {
		return nil, err
	}
	defer files[0].Close()
	fd := int(files[0].Fd())
	if err := unix.SetNonblock(fd, false); err != nil {
		return nil, err
	}
	var sa unix.Sockaddr
	if to.Addr().Is6() {
		sa = &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	} else {
		sa = &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	if err := unix.Connect(fd, sa); err != nil {
		return nil, fmt.Errorf("connect %s: %w", address, err)
	}
	return net.FileConn(files[0])
}

// Socket is an unconnected, blocking TCP socket of the namespace, IPv4. It
// panics where the child inside is gone.
func (i *Inside) Socket() *os.File {
	_, files, err := i.call(order{Op: "socket"})
	if err != nil {
		panic(err)
	}
	if err := unix.SetNonblock(int(files[0].Fd()), false); err != nil {
		panic(err)
	}
	return files[0]
}

// Run runs a program inside and returns what it wrote.
func (i *Inside) Run(argv ...string) (string, error) {
	r, _, err := i.call(order{Op: "run", Argv: argv})
	return r.Out, err
}

// inside is the child: it builds the namespace and obeys until its wire ends.
func inside() int {
	sockets, err := buildInside()
	if err != nil {
		return fail(fmt.Errorf("build inside: %w", err))
	}
	for b := make([]byte, 1<<16); ; {
		n, err := unix.Read(3, b)
		if err != nil || n == 0 {
			return 0
		}
		var o order
		if err := json.Unmarshal(b[:n], &o); err != nil {
			return fail(err)
		}
		r, fds := obey(o, sockets)
		answer, _ := json.Marshal(r)
		if err := unix.Sendmsg(3, answer, unix.UnixRights(fds...), nil, 0); err != nil {
			return fail(err)
		}
		if o.Op == "socket" {
			unix.Close(fds[0])
		}
		runtime.KeepAlive(sockets)
	}
}

func obey(o order, sockets []*os.File) (result, []int) {
	switch o.Op {
	case "sockets":
		var fds []int
		for _, s := range sockets {
			fds = append(fds, int(s.Fd()))
		}
		return result{}, fds
	case "socket":
		family, kind := unix.AF_INET, unix.SOCK_STREAM
		if o.Six {
			family = unix.AF_INET6
		}
		if o.UDP {
			kind = unix.SOCK_DGRAM
		}
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return result{Error: err.Error()}, nil
		}
		return result{}, []int{fd}
	}
	out, err := exec.Command(o.Argv[0], o.Argv[1:]...).CombinedOutput()
	if err != nil {
		return result{Error: fmt.Sprintf("%v: %s", err, out)}, nil
	}
	return result{Out: string(out)}, nil
}

func buildInside() ([]*os.File, error) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return nil, err
	}
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := linkUp(c, lo.Index); err != nil {
		return nil, err
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if err := routeAllTo(c, family, lo.Index); err != nil {
			return nil, err
		}
	}
	if err := capture(gatePort); err != nil {
		return nil, err
	}
	if err := refuseOthers(); err != nil {
		return nil, err
	}
	files, err := openSockets(gatePort)
	if err != nil {
		return nil, err
	}
	log, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(log, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	return append(files, os.NewFile(uintptr(log), "nflog")), nil
}

// refuseOthers logs and rejects what is neither TCP, nor loopback, nor DNS.
func refuseOthers() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	for _, family := range []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyIPv6} {
		table := c.AddTable(&nftables.Table{Name: "others", Family: family})
		chain := c.AddChain(&nftables.Chain{
			Name: "out", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter,
		})
		accept := &expr.Verdict{Kind: expr.VerdictAccept}
		protocol := &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}
		is := func(b ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: b} }
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{protocol, is(unix.IPPROTO_TCP), accept}})
		for _, offset := range []uint32{0, 2} { // questions to port 53, and answers from it
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
				protocol, is(unix.IPPROTO_UDP),
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
				is(binary.BigEndian.AppendUint16(nil, 53)...), accept,
			}})
		}
		code := uint8(unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED)
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(notOwn(family),
			&expr.Log{Key: 1 << unix.NFTA_LOG_GROUP, Group: 5},
			&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: code},
		)})
	}
	return c.Flush()
}
