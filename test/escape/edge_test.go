package escape

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
	"github.com/nemoclaw/nemoclaw/internal/confine/notify"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch"
)

// edge is everything that a sandbox can send outwards, in this test's hands:
// it answers nothing but no, and remembers.
type edge struct {
	mu   sync.Mutex
	seen []string      // protected by mu
	more chan struct{} // closed when seen grows; protected by mu
	open []io.Closer   // the sockets
}

func watch(t *testing.T, box *launch.Box) *edge {
	t.Helper()
	e := &edge{more: make(chan struct{})}
	for _, h := range box.Sockets() {
		switch h.Use {
		case spec.Capture4, spec.Capture6, spec.Router:
			l, err := net.FileListener(h.File)
			check(t, err)
			e.open = append(e.open, l)
			go e.accept(l, h.Use == spec.Router)
		case spec.Names4, spec.Names6:
			c, err := net.FilePacketConn(h.File)
			check(t, err)
			e.open = append(e.open, c)
			go e.names(c.(*net.UDPConn))
		case spec.Refused:
			go e.refusals(h.File)
		}
		e.open = append(e.open, h.File)
	}
	t.Cleanup(e.leave)
	if n := box.Notify(); n != nil {
		go e.calls(n)
	}
	return e
}

// leave closes every socket, as a supervisor does that dies.
func (e *edge) leave() {
	for _, c := range e.open {
		c.Close()
	}
	e.open = nil
}

// remembered is more than any case makes; a flood is not kept whole.
const remembered = 4096

func (e *edge) saw(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.seen) < remembered {
		e.seen = append(e.seen, what)
	}
	close(e.more)
	e.more = make(chan struct{})
}

// forget begins a new case.
func (e *edge) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = nil
}

// sees waits for one of the events, which are given as "kind a|b".
func (e *edge) sees(event string) bool {
	kind, rest, _ := strings.Cut(event, " ")
	limit := time.After(patience)
	for {
		e.mu.Lock()
		all, more := e.seen, e.more
		e.mu.Unlock()
		for _, name := range strings.Split(rest, "|") {
			for _, s := range all {
				if s == kind+" "+name {
					return true
				}
			}
		}
		select {
		case <-more:
		case <-limit:
			return false
		}
	}
}

func (e *edge) list() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.seen, ", ")
}

// accept turns every connection away with a reset, as the gate does.
func (e *edge) accept(l net.Listener, router bool) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if router {
			e.saw("router")
		} else {
			e.saw("tcp " + c.LocalAddr().String())
		}
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// names answers every question with nonsense, from the address that was asked.
func (e *edge) names(c *net.UDPConn) {
	b, oob := make([]byte, 1500), make([]byte, 256)
	for {
		_, n, _, from, err := c.ReadMsgUDPAddrPort(b, oob)
		if err != nil {
			return
		}
		to, reply := asked(oob[:n])
		e.saw("name " + to)
		_, _, _ = c.WriteMsgUDPAddrPort([]byte("no"), reply, from)
	}
}

// asked reads which address a packet was for (ip(7), IP_PKTINFO), and makes
// the control message that answers from there.
func asked(oob []byte) (string, []byte) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return "", nil
	}
	for _, m := range msgs {
		switch {
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12:
			a := [4]byte(m.Data[8:12])
			return netip.AddrFrom4(a).String(), unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a})
		case m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= 16:
			a := [16]byte(m.Data[:16])
			return netip.AddrFrom16(a).Unmap().String(), unix.PktInfo6(&unix.Inet6Pktinfo{Addr: a})
		}
	}
	return "", nil
}

// refusals reads the packets that the kernel refused and logged.
func (e *edge) refusals(f *os.File) {
	b := make([]byte, 1<<16)
	for {
		n, err := f.Read(b)
		if err != nil {
			return
		}
		for rest := b[:n]; len(rest) >= unix.NLMSG_HDRLEN; {
			size := int(binary.NativeEndian.Uint32(rest))
			if size < unix.NLMSG_HDRLEN || size > len(rest) {
				break
			}
			e.packet(rest[unix.NLMSG_HDRLEN:size])
			rest = rest[min(len(rest), (size+3)&^3):]
		}
	}
}

// packet reads one message of NFLOG: four bytes, then attributes.
func (e *edge) packet(b []byte) {
	if len(b) < 4 {
		return
	}
	attributes, err := netlink.UnmarshalAttributes(b[4:])
	if err != nil {
		return
	}
	for _, a := range attributes {
		if a.Type == payload {
			if to, ok := destination(a.Data); ok {
				e.saw("udp " + to)
			}
		}
	}
}

// destination is where an IP packet with a UDP header goes.
func destination(p []byte) (string, bool) {
	switch {
	case len(p) >= 24 && p[0]>>4 == 4 && p[9] == unix.IPPROTO_UDP:
		header := int(p[0]&15) * 4
		if len(p) < header+4 {
			return "", false
		}
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(p[16:20])), binary.BigEndian.Uint16(p[header+2:])).String(), true
	case len(p) >= 44 && p[0]>>4 == 6 && p[6] == unix.IPPROTO_UDP:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(p[24:40])), binary.BigEndian.Uint16(p[42:])).String(), true
	}
	return "", false
}

// calls answers EPERM to every refused call until nobody is left to make one.
func (e *edge) calls(f *os.File) {
	fd := int(f.Fd())
	for {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, -1); err == unix.EINTR {
			continue
		}
		if p[0].Revents&unix.POLLIN == 0 {
			return
		}
		n, err := notify.Receive(fd)
		if err != nil {
			continue
		}
		e.saw("syscall " + filter.Name(int(n.Nr)))
		_ = notify.Refuse(fd, n.ID, unix.EPERM)
	}
}

// String says what happened in one case, for a line of the table.
func (o outcome) String() string {
	switch {
	case o.Needs != "":
		return "needs " + o.Needs
	case o.Escaped:
		return "ESCAPED"
	}
	return fmt.Sprintf("refused (%s)", o.Why)
}

// payload is NFULA_PAYLOAD of linux/netfilter/nfnetlink_log.h.
const payload = 9
