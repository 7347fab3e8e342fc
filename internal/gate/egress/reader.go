package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Bounds of a connection whose requests are judged.
const (
	maxStreams      = 100       // requests at one time, HTTP/2
	maxUpstream     = 100       // connections to the server: as many, where it speaks HTTP/1
	maxResponseHead = 256 << 10 // bytes
	greetTime       = 10 * time.Second

	// What is held of HTTP/2 bodies that nobody reads: from a program, which is
	// near, and from a server, which may be far. The defaults of net/http are 1
	// MiB and 1 GiB a connection.
	heldIn        = 256 << 10                  // bytes, of a connection
	heldOutStream = 512 << 10                  // bytes, of one answer
	heldOut       = maxStreams * heldOutStream // so that none waits for the room of another

	// An event stream, and whatever has no length, is passed on at once; of an
	// answer of a known length a small piece waits so long for the next.
	flushTime = time.Millisecond
)

// reader serves the connections under rules with http: TLS ends here, by the
// sandbox's own authority, each request is judged, and TLS begins anew to the
// server. One server and one proxy of the standard library serve all of them;
// what belongs to one connection is its reading.
type reader struct {
	g       *Gate
	server  *http.Server
	proxy   *httputil.ReverseProxy
	theirs  *tls.Config // to the programs inside
	roots   *x509.CertPool
	tickets tls.ClientSessionCache
	secrets secrets
	in      *inlet
	begin   func()
	beside  atomic.Int32  // connections to servers, beside the first of each reading
	slots   chan struct{} // one token a request
}

// more takes a place for another connection to a server; less gives it back.
func (rd *reader) more() bool {
	if rd.beside.Add(1) <= int32(min(rd.g.cfg.Flows, math.MaxInt32)) {
		return true
	}
	rd.less()
	return false
}

func (rd *reader) less() { rd.beside.Add(-1) }

func newReader(g *Gate) *reader {
	rd := &reader{
		g: g, roots: g.cfg.Roots, tickets: tls.NewLRUClientSessionCache(256), in: newInlet(), slots: make(chan struct{}, g.cfg.Flows),
		secrets: secrets{get: g.cfg.Secret, now: g.cfg.Now, kept: map[string]kept{}},
	}
	rd.theirs = &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: rd.certificate,
	}
	rd.server = &http.Server{
		Handler:           rd,
		ReadHeaderTimeout: finishTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHead,

		DisableGeneralOptionsHandler: true, // it would answer in the server's place
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: heldIn, MaxReceiveBufferPerStream: heldIn},
		BaseContext:                  func(net.Listener) context.Context { return g.ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, readingKey{}, readingOf(c))
		},
		ConnState: rd.stateChanged,
		ErrorLog:  log.New(io.Discard, "", 0), // what a program breaks is no news
	}
	rd.proxy = &httputil.ReverseProxy{
		Rewrite: rewrite, Transport: onward{}, FlushInterval: flushTime,
		ModifyResponse: inspect, ErrorHandler: failed,
		ErrorLog: rd.server.ErrorLog, BufferPool: &buffers{},
	}
	rd.begin = sync.OnceFunc(func() {
		if rd.roots == nil {
			rd.roots, _ = x509.SystemCertPool() // without one, no server is trusted
		}
		g.served.Go(func() { _ = rd.server.Serve(rd.in) }) // ends by close
	})
	return rd
}

// close ends what is served. The connections are cut already.
func (rd *reader) close() {
	rd.in.Close()
	rd.server.Close()
}

// certificate is that for the name which the connection is for. The hello's own
// was compared with it before.
func (rd *reader) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c, ok := h.Conn.(*readConn)
	if !ok || rd.g.cfg.Leaf == nil {
		return nil, errors.New("no authority")
	}
	return rd.g.cfg.Leaf(string(c.reading.name))
}

// inlet is a listener of connections that were accepted elsewhere.
type inlet struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newInlet() *inlet { return &inlet{conns: make(chan net.Conn), done: make(chan struct{})} }

func (i *inlet) Accept() (net.Conn, error) {
	select {
	case c := <-i.conns:
		return c, nil
	case <-i.done:
		return nil, net.ErrClosed
	}
}

func (i *inlet) give(c net.Conn) bool {
	select {
	case i.conns <- c:
		return true
	case <-i.done:
		return false
	}
}

func (i *inlet) Close() error {
	i.once.Do(func() { close(i.done) })
	return nil
}

func (i *inlet) Addr() net.Addr { return &net.TCPAddr{} }

// readConn is the program's end: what was read of it comes first, and who waits
// hears of its end. It is no *net.TCPConn, whose shortcuts would leave out what
// was read.
type readConn struct {
	net.Conn
	presence
	reading *reading
	first   []byte
	once    sync.Once
	closed  chan struct{}
}

func (c *readConn) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	n, err := c.Conn.Read(b)
	c.heard(err)
	return n, err
}

func (c *readConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n))
	return n, err
}

func (c *readConn) Close() error {
	defer c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

type readingKey struct{}

func readingOf(c net.Conn) *reading {
	if conn := readConnOf(c); conn != nil {
		return conn.reading
	}
	return nil
}

// readRequests serves a flow whose requests are judged, until it ends. One
// connection to the server stands already.
func (f *flow) readRequests(first shape) {
	rd := f.g.reader
	rd.begin()
	r := newReading(f, first == looksTLS)
	defer r.end()
	_ = f.in.SetReadDeadline(time.Time{}) // what listens next sets its own; a dead socket shows at once
	conn := &readConn{Conn: f.in, reading: r, first: f.pending, closed: make(chan struct{})}
	r.conn = conn
	f.pending = nil
	var served net.Conn = conn
	if r.secure {
		t := tls.Server(conn, rd.theirs)
		if err := greet(f.g.ctx, t); err != nil {
			f.record(policy.Verdict{Why: "no TLS with the program, which must trust the sandbox's authority: " + err.Error()})
			return
		}
		served = t
	}
	f.reading.Store(r)
	if !rd.in.give(served) {
		return
	}
	<-conn.closed // the server closes it, or cut does, which the server hears
	f.close()
}

func greet(ctx context.Context, t *tls.Conn) error {
	ctx, stop := context.WithTimeout(ctx, greetTime)
	defer stop()
	return t.HandshakeContext(ctx)
}

// buffers are what bodies pass through.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

func (p *buffers) Get() []byte {
	if b, ok := p.pool.Get().(*[bufferSize]byte); ok {
		return b[:]
	}
	return make([]byte, bufferSize)
}

func (p *buffers) Put(b []byte) {
	if len(b) == bufferSize {
		p.pool.Put((*[bufferSize]byte)(b))
	}
}
