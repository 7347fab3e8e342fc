package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// ServeNames answers DNS questions on a UDP socket of port 53, IPv4 or IPv6,
// until ctx ends, and then returns nil. Each answer comes from the address
// that was asked, whichever that was.
func (g *Gate) ServeNames(ctx context.Context, c *net.UDPConn) error {
	shut := func() { _ = c.Close() }
	defer context.AfterFunc(ctx, shut)()
	defer context.AfterFunc(g.ctx, shut)()
	var err error
	if a, ok := c.LocalAddr().(*net.UDPAddr); ok && a.IP.To4() == nil {
		if err = anySource(c); err == nil {
			err = g.serveNames6(ipv6.NewPacketConn(c))
		}
	} else {
		err = g.serveNames4(ipv4.NewPacketConn(c))
	}
	if ctx.Err() != nil || g.ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve names: %w", err)
}

// anySource lets an IPv6 socket answer from an address that is local by a
// route alone (ipv6(7) wants it on an interface otherwise). IPv4 needs nothing.
func anySource(c *net.UDPConn) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = rc.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
	})
	return errors.Join(err, failed)
}

// A question never needs more: names are at most 255 bytes.
const questionSize = 4096

func (g *Gate) serveNames4(c *ipv4.PacketConn) error {
	if err := c.SetControlMessage(ipv4.FlagDst, true); err != nil {
		return err
	}
	b := make([]byte, questionSize)
	for {
		n, cm, from, err := c.ReadFrom(b)
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) { // that one tells of an earlier answer
			return err
		}
		if err != nil || cm == nil {
			continue
		}
		if m := g.replySafely(b[:n]); m != nil {
			_, _ = c.WriteTo(m, &ipv4.ControlMessage{Src: cm.Dst}, from) // lost as UDP may be; the program asks again
		}
	}
}

func (g *Gate) serveNames6(c *ipv6.PacketConn) error {
	if err := c.SetControlMessage(ipv6.FlagDst, true); err != nil {
		return err
	}
	b := make([]byte, questionSize)
	for {
		n, cm, from, err := c.ReadFrom(b)
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
		if err != nil || cm == nil {
			continue
		}
		if m := g.replySafely(b[:n]); m != nil {
			_, _ = c.WriteTo(m, &ipv6.ControlMessage{Src: cm.Dst}, from)
		}
	}
}

// replySafely is silent where reply would crash: the gate must go on.
func (g *Gate) replySafely(b []byte) (m []byte) {
	defer func() {
		if p := recover(); p != nil {
			g.refuseName("?", fmt.Sprintf("the gate failed on this question: %v", p))
			m = nil
		}
	}()
	return g.reply(b)
}

// A program may keep a TCP connection to its resolver open this long, and ask
// this often on it.
const (
	namesIdle = 10 * time.Second
	namesMost = 1000
)

// serveNamesTCP answers length-prefixed questions (RFC 1035, 4.2.2), whatever
// address they were sent to.
func (g *Gate) serveNamesTCP(c net.Conn) {
	b := make([]byte, 1<<16+2)
	for range namesMost {
		_ = c.SetDeadline(time.Now().Add(namesIdle))
		if _, err := io.ReadFull(c, b[:2]); err != nil {
			return
		}
		size := binary.BigEndian.Uint16(b)
		if _, err := io.ReadFull(c, b[2:2+int(size)]); err != nil {
			return
		}
		m := g.replySafely(b[2 : 2+int(size)])
		if m == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)); err != nil {
			return
		}
	}
}
