package internet

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// enter takes over the sockets of the keeper and serves the world.
func enter() error {
	dir, err := os.Readlink("/proc/self/fd/3")
	if err != nil {
		return err
	}
	a, err := loadAuthority(dir)
	if err != nil {
		return err
	}
	w := newWorld(dir, a)
	w.openDoors()
	for fd := uintptr(4); fd <= 5; fd++ {
		l, err := net.FileListener(os.NewFile(fd, "capture"))
		if err != nil {
			return fmt.Errorf("take over listener: %w", err)
		}
		go w.accept(l)
	}
	for fd, serve := range map[uintptr]func(*net.UDPConn) error{6: w.serveNames4, 7: w.serveNames6} {
		c, err := net.FilePacketConn(os.NewFile(fd, "names"))
		if err != nil {
			return fmt.Errorf("take over names: %w", err)
		}
		if err := serve(c.(*net.UDPConn)); err != nil {
			return err
		}
	}
	for fd := 3; fd <= 7; fd++ {
		syscall.CloseOnExec(fd)
	}
	current = w
	return nil
}

func (w *World) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go w.receive(w.record(c))
	}
}

// guest is a connection that writes down what it receives.
type guest struct {
	net.Conn
	w *World
	a *Arrival
}

func (w *World) record(c net.Conn) *guest {
	to := unmap(c.LocalAddr().(*net.TCPAddr).AddrPort())
	w.mu.Lock()
	defer w.mu.Unlock()
	a := &Arrival{Host: to.Addr().String(), Addr: to, From: unmap(c.RemoteAddr().(*net.TCPAddr).AddrPort()), At: time.Now()}
	if name, ok := w.byAddr[to.Addr()]; ok {
		a.Host = name
	}
	w.arrivals = append(w.arrivals, a)
	w.tell()
	return &guest{Conn: c, w: w, a: a}
}

func (g *guest) note(f func(*Arrival)) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	f(g.a)
	g.w.tell()
}

func (g *guest) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	g.note(func(a *Arrival) {
		a.Bytes += int64(n)
		a.Head = append(a.Head, b[:min(n, 4096-len(a.Head))]...)
		a.Reset = a.Reset || errors.Is(err, syscall.ECONNRESET)
	})
	return n, err
}

func (g *guest) Close() error {
	g.note(func(a *Arrival) { a.Closed = true })
	return g.Conn.Close()
}

// CloseWrite ends the answer; the question may still come.
func (g *guest) CloseWrite() error { return g.Conn.(*net.TCPConn).CloseWrite() }

// Reset ends a connection that a Service was given by RST.
func Reset(c net.Conn) {
	_ = c.(*guest).Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// Deafen drops every packet that comes to c from now on, as if its machine were
// off: nothing is acknowledged, and nothing is answered. c is a TCP connection, as
// it is or as a Service was given it. Where only root may do that, the test is
// skipped. See socket(7), SO_ATTACH_FILTER.
func Deafen(t testing.TB, c net.Conn) {
	t.Helper()
	switch err := deafen(c); {
	case errors.Is(err, unix.EPERM):
		t.Skip("needs root, or a kernel that lets everybody filter what a socket receives")
	case err != nil:
		t.Fatal(err)
	}
}

func deafen(c net.Conn) error {
	if g, ok := c.(*guest); ok {
		c = g.Conn
	}
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	inner := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing[0]})
	})
	return errors.Join(inner, err)
}

// receive gives a connection to whoever serves its host and port.
func (w *World) receive(g *guest) {
	w.mu.Lock()
	host, port := g.a.Host, g.a.Addr.Port()
	serve := w.services[service{host, port}]
	w.mu.Unlock()
	switch {
	case serve != nil:
		defer g.Close()
		serve(g)
	case port == 80:
		w.doors.plain <- g
	case port == 443:
		w.doors.secure <- g
	case port == 53:
		defer g.Close()
		w.serveNamesTCP(g)
	default:
		defer g.Close()
		io.Copy(g, g)
		g.CloseWrite()
	}
}

// serveNamesTCP answers length-prefixed questions (RFC 1035, 4.2.2).
func (w *World) serveNamesTCP(c net.Conn) {
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		m := w.answer(b)
		if m == nil {
			return
		}
		c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
	}
}

// doors are the two HTTP servers, fed one connection at a time.
type doors struct{ plain, secure door }

type door chan net.Conn

func (d door) Accept() (net.Conn, error) { return <-d, nil }
func (d door) Close() error              { return nil }
func (d door) Addr() net.Addr            { return &net.TCPAddr{} }

type guestKey struct{}

func (w *World) openDoors() {
	w.doors = doors{make(door), make(door)}
	silent := silence()
	server := func() *http.Server {
		return &http.Server{
			Handler:  http.HandlerFunc(w.answerHTTP),
			ErrorLog: silent,
			ConnContext: func(ctx context.Context, c net.Conn) context.Context {
				if t, ok := c.(*tls.Conn); ok {
					c = t.NetConn()
				}
				return context.WithValue(ctx, guestKey{}, c)
			},
		}
	}
	secure := server()
	secure.TLSConfig = &tls.Config{
		GetCertificate: w.authority.leaf,
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			h.Conn.(*guest).note(func(a *Arrival) { a.SNI = h.ServerName })
			return nil, nil
		},
	}
	go server().Serve(w.doors.plain)
	go secure.ServeTLS(w.doors.secure, "", "")
}

// Echo is what a site without a handler of its own answers, as JSON.
type Echo struct {
	Method string      `json:"method"`
	Host   string      `json:"host"`
	Path   string      `json:"path"`
	Proto  string      `json:"proto"`
	TLS    bool        `json:"tls"`
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
}

func (w *World) answerHTTP(rw http.ResponseWriter, r *http.Request) {
	g := r.Context().Value(guestKey{}).(*guest)
	g.note(func(a *Arrival) {
		a.Requests = append(a.Requests, Request{Method: r.Method, Host: r.Host, Path: r.URL.RequestURI()})
	})
	w.mu.Lock()
	site := w.sites[g.a.Host]
	w.mu.Unlock()
	if site != nil {
		site.ServeHTTP(rw, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	rw.Header().Set("Content-Type", "application/json")
	json.NewEncoder(rw).Encode(Echo{
		Method: r.Method, Host: r.Host, Path: r.URL.RequestURI(), Proto: r.Proto,
		TLS: r.TLS != nil, Header: r.Header, Body: string(body),
	})
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
