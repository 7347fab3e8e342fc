package inference

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Serve answers the connections of l until ctx ends; then it cuts the calls in
// flight, and returns when they are recorded.
func (r *Router) Serve(ctx context.Context, l net.Listener) error {
	// A connection is counted before server.Serve can return, and until the handler has:
	// who counted calls as they begin could have waited for none when the last one began.
	var open sync.WaitGroup
	server := r.server()
	server.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Done()
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err := server.Serve(&slotted{Listener: l, slots: r.slots})
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		_ = server.Close() // what was accepted while the first one closed the others
		open.Wait()
		r.Drain()
		return nil
	}
	return err
}

// ServeConn answers the requests on one connection, and returns when that is
// closed. The connection is the router's from now on.
func (r *Router) ServeConn(conn net.Conn) {
	select {
	case r.slots <- struct{}{}:
	default:
		_ = conn.Close()
		return
	}
	c := newHeld(conn, r.slots)
	_ = r.server().Serve(&single{held: c, conn: r.secured(c)}) // ends with the connection
}

// Where the router speaks TLS, and for whom.
const (
	httpsPort = 443
	ownName   = "inference.local"
)

// secured is a connection as it is spoken on: with TLS, where it was made to the
// port for that.
func (r *Router) secured(c net.Conn) net.Conn {
	to, ok := c.LocalAddr().(*net.TCPAddr)
	if !ok || to.Port != httpsPort || r.cfg.Leaf == nil {
		return c
	}
	return tls.Server(c, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if name := hello.ServerName; name != "" && !strings.EqualFold(strings.TrimSuffix(name, "."), ownName) {
				return nil, fmt.Errorf("the router is %s, not %.100q", ownName, name)
			}
			return r.cfg.Leaf(ownName, r.now())
		},
	})
}

func (r *Router) server() *http.Server {
	return &http.Server{
		Handler:           r,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       keepAlive,
		MaxHeaderBytes:    headerSize,
		ErrorLog:          log.New(io.Discard, "", 0), // the agent's bad HTTP is no news of ours
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, programKey{}, &caller{ask: func() string { return r.who(c) }})
		},
	}
}

type programKey struct{}

// who asks once a connection, at its first request: the program that opened it
// still holds it then.
func (r *Router) who(c net.Conn) string {
	if r.cfg.Who == nil {
		return ""
	}
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if h, ok := c.(*held); ok {
		c = h.given
	}
	return r.cfg.Who(c)
}

// caller is the program at the other end of a connection. It is asked for while
// the model is: see identify.
type caller struct {
	ask  func() string
	once sync.Once
	name string
	done chan struct{} // closed when name is known
}

// begin asks, at the first request.
func (c *caller) begin() {
	c.once.Do(func() {
		c.done = make(chan struct{})
		go func() {
			defer close(c.done)
			c.name = c.ask()
		}()
	})
}

// program is what was found; it waits where that is still being asked.
func program(ctx context.Context) string {
	c, ok := ctx.Value(programKey{}).(*caller)
	if !ok {
		return ""
	}
	c.begin()
	<-c.done
	return c.name
}

// identify waits until it is known who calls. It stands before the first byte of
// each answer: a program that has its answer may end, and then nobody can tell.
func (x *exchange) identify() { program(x.req.Context()) }

// slotted is a listener that closes what is over the limit.
type slotted struct {
	net.Listener
	slots chan struct{}
}

// Accept gives the next connection that has a slot.
func (l *slotted) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return newHeld(c, l.slots), nil
		default:
			_ = c.Close()
		}
	}
}

// held is a connection that gives its slot back when it is closed.
type held struct {
	net.Conn
	given  net.Conn // as it came
	free   func()
	closed chan struct{}
}

func newHeld(c net.Conn, slots chan struct{}) *held {
	h := &held{Conn: newSocket(c), given: c, closed: make(chan struct{})}
	h.free = sync.OnceFunc(func() {
		<-slots
		close(h.closed)
	})
	return h
}

// Close closes the connection.
func (h *held) Close() error {
	defer h.free()
	return h.Conn.Close()
}

// single is a listener of one connection, which ends with that.
type single struct {
	held *held
	conn net.Conn // it, or TLS on it
	once sync.Once
}

// Accept gives the connection, and then waits for its end.
func (l *single) Accept() (c net.Conn, err error) {
	l.once.Do(func() { c = l.conn })
	if c != nil {
		return c, nil
	}
	<-l.held.closed
	return nil, net.ErrClosed
}

// Close does nothing: the connection outlives the listening.
func (l *single) Close() error { return nil }

// Addr is where the connection arrived.
func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }
