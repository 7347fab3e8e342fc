package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/gate/pulse"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// reading is one connection whose requests are judged. It has connections to
// the server of its own, so that no answer and no right of one program reaches
// another.
type reading struct {
	f         *flow
	conn      *readConn // the program's end
	name      policy.Host
	port      policy.Port
	secure    bool // TLS, on both sides
	transport *http.Transport
	first     atomic.Pointer[net.TCPConn] // to the server, until it is taken

	mu   sync.Mutex
	open map[*exchange]struct{} // protected by mu
}

func newReading(f *flow, secure bool) *reading {
	r := &reading{f: f, name: f.request.Host, port: f.request.Port, secure: secure, open: map[*exchange]struct{}{}}
	r.first.Store(f.out)
	r.transport = &http.Transport{
		DialContext: r.dial,
		TLSClientConfig: &tls.Config{
			ServerName: string(r.name), RootCAs: f.g.reader.roots, MinVersion: tls.VersionTLS12, ClientSessionCache: f.g.reader.tickets,
		},
		TLSHandshakeTimeout:    greetTime,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerConnection: heldOut, MaxReceiveBufferPerStream: heldOutStream},
		DisableCompression:     true, // an answer is passed on as it comes
		MaxConnsPerHost:        maxUpstream,
		MaxIdleConnsPerHost:    maxUpstream,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxResponseHead,
	}
	return r
}

// end closes what is left of the connections to the server.
func (r *reading) end() {
	r.mu.Lock()
	for x := range r.open {
		x.cancel(errLeft)
	}
	r.mu.Unlock()
	r.transport.CloseIdleConnections()
	if c := r.first.Swap(nil); c != nil {
		c.Close()
	}
}

// dial gives the connection that stands, then others to the very address that
// was dialled first: judged again, looked up never.
// A failure of the gate is one of the dialling: net/http dials where nobody else
// would catch it.
func (r *reading) dial(ctx context.Context, _, _ string) (c net.Conn, err error) {
	if c := r.first.Swap(nil); c != nil {
		return counted{c, r.f.g}, nil
	}
	f := r.f
	if !f.g.reader.more() {
		return nil, errMany
	}
	back := sync.OnceFunc(f.g.reader.less)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the gate failed: %v", p)
		}
		if err != nil {
			back()
		}
	}()
	if c, err = r.dialMore(ctx); err != nil {
		return nil, err
	}
	return &lent{Conn: counted{c, f.g}, back: f.g.watched(c, back)}, nil
}

// watched lists c until back is called, which it gives anew.
func (g *Gate) watched(c net.Conn, back func()) func() {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return back
	}
	remove := g.beside.Add(t, func() { pulse.Expire(t) })
	return func() {
		remove()
		back()
	}
}

// dialMore is a connection beside the first.
func (r *reading) dialMore(ctx context.Context) (net.Conn, error) {
	f := r.f
	f.mu.Lock()
	to, over, asked := f.dialled, f.over, f.grant == byOperator
	f.mu.Unlock()
	if over {
		return nil, net.ErrClosed
	}
	if !to.IsValid() { // it went by the company's proxy, and so do the others
		return r.dialUpstream(ctx)
	}
	t := target{addrs: []netip.Addr{to}, own: f.g.cfg.Own(), policy: f.g.policy(), request: f.ask(), asked: asked}
	c, err := t.dial(ctx, netip.AddrPortFrom(to, f.to.Port()))
	if err != nil {
		return nil, err
	}
	_ = c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}) // not worth failing for
	return c, nil
}

func (r *reading) dialUpstream(ctx context.Context) (net.Conn, error) {
	up := r.f.g.cfg.Upstream
	if up == nil {
		return nil, net.ErrClosed
	}
	c, err := up.dial(ctx, net.JoinHostPort(string(r.name), strconv.Itoa(int(r.port))))
	if err != nil {
		return nil, err
	}
	return c, nil
}

var errMany = errors.New("too many connections to servers are open already")

// lent is a connection that counts against the bound of all.
type lent struct {
	net.Conn
	back func()
}

func (l *lent) Close() error {
	defer l.back()
	return l.Conn.Close()
}

// counted counts what flows.
type counted struct {
	net.Conn
	g *Gate
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.g.received.Add(int64(n))
	return n, err
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.g.sent.Add(int64(n))
	return n, err
}

// scheme is that of the requests.
func (r *reading) scheme() string {
	if r.secure {
		return "https"
	}
	return "http"
}

// authority is what a request calls the server: its port is left out where the
// scheme says it.
func (r *reading) authority() string {
	if r.secure && r.port == 443 || !r.secure && r.port == 80 {
		return string(r.name)
	}
	return net.JoinHostPort(string(r.name), strconv.Itoa(int(r.port)))
}

// request is the connection as the policy sees it now.
func (r *reading) request() policy.Request {
	q := r.f.ask()
	q.Program, _ = r.f.who()
	q.Time = r.f.g.cfg.Now()
	return q
}

// add lists x, so that a reload finds it.
func (r *reading) add(x *exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[x] = struct{}{}
}

func (r *reading) remove(x *exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, x)
}

// recheck judges the requests that are under way again, and ends those that
// are denied now. It returns how many.
func (r *reading) recheck(p *policy.Policy) (ended int) {
	r.mu.Lock()
	open := make([]*exchange, 0, len(r.open))
	for x := range r.open {
		open = append(open, x)
	}
	r.mu.Unlock()
	q := r.request()
	for _, x := range open {
		v, _ := p.DecideHTTP(q, x.method, x.path)
		if v.Action == policy.Allow {
			continue
		}
		v.Why = "no rule allows it any more: " + v.Why
		ended++
		x.revoke(v)
	}
	return ended
}

// revoked is why a request under way was ended.
type revoked struct{ policy.Verdict }

func (r revoked) Error() string { return r.Why }

// revoke ends a request under way. HTTP/1 has no way to say so but the end of
// the connection, by reset.
func (x *exchange) revoke(v policy.Verdict) {
	x.record(v)
	x.cancel(revoked{v})
	if x.only {
		x.r.f.cut()
	}
}

func (f *flow) recheckRequests(p *policy.Policy) int {
	if r := f.reading.Load(); r != nil {
		return r.recheck(p)
	}
	return 0
}

// record writes down the verdict on one request.
func (x *exchange) record(v policy.Verdict) {
	program, pid := x.r.f.who()
	x.r.f.g.tally.record(Event{
		Kind: HTTP, Verdict: v.Action, Program: programName(program), PID: pid,
		Target: x.r.f.target(), Method: short(x.method), Path: short(x.shown()), Rule: ruleText(v), Why: v.Why,
	})
}

// shown is the path in canonical form; of one that has none, as it was said,
// without a query.
func (x *exchange) shown() string {
	if p := x.path.String(); p != "" {
		return p
	}
	return x.said
}

// short bounds what an event repeats of the agent.
func short(s string) string {
	const most = 512
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:most], len(s))
}
