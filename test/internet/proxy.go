package internet

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
)

// Proxy is a company's HTTP proxy in the world: it makes tunnels (CONNECT) and
// forwards requests for http URLs, and resolves names by itself: no question of
// the world's DNS is its.
type Proxy struct {
	w *World

	mu     sync.Mutex
	user   string   // guarded by mu: "user:password" that it wants; "" for nobody's
	asked  []string // guarded by mu
	denied int      // guarded by mu: requests without the right user
}

// Proxy serves one at host:port, for as long as the test that called Use.
func (w *World) Proxy(host string, port uint16, user string) *Proxy {
	p := &Proxy{w: w, user: user}
	w.Service(host, port, p.serve)
	return p
}

// Wants changes whom it serves.
func (p *Proxy) Wants(user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.user = user
}

// Asked is what it was asked for, in order: HOST:PORT or a URL.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// Denied counts the requests of strangers.
func (p *Proxy) Denied() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.denied
}

func (p *Proxy) knows(r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.user != "" && r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(p.user)) {
		p.denied++
		return false
	}
	p.asked = append(p.asked, r.RequestURI)
	return true
}

func (p *Proxy) serve(c net.Conn) {
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	switch {
	case !p.knows(r):
		io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"corp\"\r\nContent-Length: 0\r\n\r\n")
	case r.Method == http.MethodConnect:
		p.tunnel(c, in, r.Host)
	default:
		p.forward(c, r)
	}
}

// dial goes to a name or an address of the world.
func (p *Proxy) dial(to string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(to)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		a = p.w.Addr(host)
	}
	return net.Dial("tcp", netip.AddrPortFrom(a, uint16(port)).String())
}

func (p *Proxy) tunnel(c net.Conn, in io.Reader, to string) {
	out, err := p.dial(to)
	if err != nil {
		io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer out.Close()
	io.WriteString(c, "HTTP/1.1 200 Connection established\r\nVia: 1.1 corp\r\n\r\n")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(out, in)
		out.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(c, out)
	c.(*guest).CloseWrite()
	<-ended
}

func (p *Proxy) forward(c net.Conn, r *http.Request) {
	t := &http.Transport{DialContext: func(_ context.Context, _, to string) (net.Conn, error) { return p.dial(to) }, DisableKeepAlives: true}
	r.RequestURI = ""
	r.Header.Del("Proxy-Authorization")
	answer, err := t.RoundTrip(r)
	if err != nil {
		io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer answer.Body.Close()
	answer.Write(c)
}
