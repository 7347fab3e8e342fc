package internet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// serveNames4 answers whatever resolver address was asked, from that address.
func (w *World) serveNames4(c *net.UDPConn) error {
	p := ipv4.NewPacketConn(c)
	if err := p.SetControlMessage(ipv4.FlagDst, true); err != nil {
		return fmt.Errorf("serve names: %w", err)
	}
	go func() {
		b := make([]byte, 4096)
		for {
			n, cm, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			if m := w.answer(b[:n]); m != nil && cm != nil {
				p.WriteTo(m, &ipv4.ControlMessage{Src: cm.Dst}, from)
			}
		}
	}()
	return nil
}

func (w *World) serveNames6(c *net.UDPConn) error {
	if err := anySource(c); err != nil {
		return fmt.Errorf("serve names: %w", err)
	}
	p := ipv6.NewPacketConn(c)
	if err := p.SetControlMessage(ipv6.FlagDst, true); err != nil {
		return fmt.Errorf("serve names: %w", err)
	}
	go func() {
		b := make([]byte, 4096)
		for {
			n, cm, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			if m := w.answer(b[:n]); m != nil && cm != nil {
				p.WriteTo(m, &ipv6.ControlMessage{Src: cm.Dst}, from)
			}
		}
	}()
	return nil
}

// anySource lets an IPv6 socket answer from an address that no interface has.
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

// answer is the reply to one message; nil is silence.
func (w *World) answer(message []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || h.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	addrs, known := w.lookup(q)
	reply := dnsmessage.Header{ID: h.ID, Response: true, Authoritative: true, RecursionDesired: h.RecursionDesired, RecursionAvailable: true}
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, reply)
	b.EnableCompression()
	b.StartQuestions()
	b.Question(q)
	b.StartAnswers()
	rh := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class} // TTL 0: a test may change its mind
	for _, a := range addrs {
		if a.Is4() {
			b.AResource(rh, dnsmessage.AResource{A: a.As4()})
		} else {
			b.AAAAResource(rh, dnsmessage.AAAAResource{AAAA: a.As16()})
		}
	}
	out, err := b.Finish()
	if err != nil {
		return nil
	}
	return out
}

// lookup records the question and finds the addresses of its type.
func (w *World) lookup(q dnsmessage.Question) (addrs []netip.Addr, known bool) {
	name := canonical(q.Name.String())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queries = append(w.queries, Query{Name: name, Type: strings.TrimPrefix(q.Type.String(), "Type"), At: time.Now()})
	w.tell()
	if w.absent[name] {
		return nil, false
	}
	set, fixed := w.next(name, q.Type)
	if !fixed {
		a := w.addr(name)
		set = []netip.Addr{a, sixth(a)}
	}
	for _, a := range set {
		if a.Is4() && q.Type == dnsmessage.TypeA || a.Is6() && q.Type == dnsmessage.TypeAAAA {
			addrs = append(addrs, a)
		}
	}
	return addrs, true
}

// next takes the next set that a test gave. A and AAAA of one lookup go
// together: only the question for A moves on.
func (w *World) next(name string, t dnsmessage.Type) (set []netip.Addr, fixed bool) {
	sets, fixed := w.answers[name]
	if !fixed {
		return nil, false
	}
	if len(sets) == 0 {
		return nil, true
	}
	if len(sets) > 1 && t == dnsmessage.TypeA {
		w.answers[name] = sets[1:]
	}
	return sets[0], true
}
