package egress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Upstream is the HTTP proxy by which a company's network is left. The names
// that go through it are resolved there: what can be judged of them is the name.
type Upstream struct {
	Address string                              // HOST:PORT
	Direct  func(host string, port uint16) bool // reached without it
	// Authorization is the Proxy-Authorization of the next connection, "" for
	// none; refused says that the last one was.
	Authorization func(refused bool) (string, error)
}

// How long the proxy may take to make a connection, and the most bytes of its
// answer.
const (
	upstreamTime = 30 * time.Second
	upstreamHead = 16 << 10
)

// byUpstream says whether r goes through the proxy. A rule that lists addresses
// is meant for a network that can be seen from here, and only so can they be
// checked.
func (f *flow) byUpstream(r policy.Request) bool {
	up := f.g.cfg.Upstream
	if up == nil || r.Host.IsHostLoopback() {
		return false
	}
	name := string(r.Host)
	if name == "" {
		name = r.Addr.String()
	}
	return !up.Direct(name, uint16(r.Port)) && !f.g.policy().ListsAddresses(r)
}

// reachByUpstream dials through the proxy. A literal address is judged as ever.
func (f *flow) reachByUpstream(ctx context.Context, r policy.Request, v policy.Verdict) (*net.TCPConn, policy.Verdict) {
	to := string(r.Host)
	if r.Host == "" {
		t := target{addrs: []netip.Addr{r.Addr}, own: f.g.cfg.Own(), policy: f.g.policy(), request: r, verdict: v}
		if w := f.judgeAddrs(ctx, &t); w.Action != policy.Allow {
			return nil, w
		}
		to = r.Addr.String()
	}
	c, err := f.g.cfg.Upstream.dial(ctx, net.JoinHostPort(to, fmt.Sprint(r.Port)))
	if err != nil {
		return nil, unreachable(v, err)
	}
	return c, v
}

// dial asks the proxy for a connection (RFC 9110, 9.3.6).
func (u *Upstream) dial(ctx context.Context, to string) (*net.TCPConn, error) {
	c, code, err := u.connect(ctx, to, false)
	if err != nil && code == http.StatusProxyAuthRequired { // the password may have been changed since
		c, _, err = u.connect(ctx, to, true)
	}
	return c, err
}

func (u *Upstream) connect(ctx context.Context, to string, refused bool) (out *net.TCPConn, code int, err error) {
	word, err := u.Authorization(refused)
	if err != nil {
		return nil, 0, fmt.Errorf("ask the proxy %s: %w", u.Address, err)
	}
	ctx, stop := context.WithTimeout(ctx, upstreamTime)
	defer stop()
	d := net.Dialer{Resolver: &net.Resolver{PreferGo: true}}
	c, err := d.DialContext(ctx, "tcp", u.Address)
	if err != nil {
		return nil, 0, fmt.Errorf("ask the proxy %s: %w", u.Address, err)
	}
	ended := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	code, err = handshake(c, to, word)
	if !ended() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		closeNow(c)
		return nil, code, fmt.Errorf("ask the proxy %s: %w", u.Address, err)
	}
	return c.(*net.TCPConn), code, nil
}

// handshake makes a tunnel of c, and reads not a byte of what comes through it.
func handshake(c net.Conn, to, authorization string) (code int, err error) {
	ask := "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n"
	if authorization != "" {
		ask += "Proxy-Authorization: " + authorization + "\r\n"
	}
	if _, err := c.Write([]byte(ask + "\r\n")); err != nil {
		return 0, err
	}
	head := make([]byte, 0, 512)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if len(head) == upstreamHead {
			return 0, errors.New("its answer has no end")
		}
		var b [1]byte // byte by byte: a server may speak first, right behind it
		if _, err := c.Read(b[:]); err != nil {
			return 0, err
		}
		head = append(head, b[0])
	}
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return 0, errors.New("it answers in no HTTP")
	}
	if answer.StatusCode/100 != 2 {
		return answer.StatusCode, fmt.Errorf("it answers %d %s to %s", answer.StatusCode, http.StatusText(answer.StatusCode), to)
	}
	return answer.StatusCode, nil
}
