package inference

import (
	"context"
	"net"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/gate/pulse"
)

// The names under which people know their host from inside a container, and
// the address of Docker's bridge. In a provider's URL they mean the host: what
// listens there or, where nothing does, its loopback.
var hostNames = map[string]bool{
	"host.docker.internal":   true,
	"host.nemoclaw.internal": true,
	"172.17.0.1":             true,
}

const (
	dialTime = 5 * time.Second
	// A bridge that is not there is a silent one: the loopback's turn comes soon.
	bridgeTime = 500 * time.Millisecond
)

// dial connects to a provider.
func (r *Router) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := reach(ctx, network, address)
	if err != nil {
		return nil, err
	}
	t, ok := c.(*net.TCPConn)
	if !ok {
		return newSocket(c), nil
	}
	return &provided{newSocket(c), r.reached.Add(t, func() { pulse.Expire(t) })}, nil
}

// provided is a connection to a provider, which is listed while it is open.
type provided struct {
	net.Conn
	remove func()
}

func (p *provided) Close() error {
	p.remove()
	return p.Conn.Close()
}

// Wake is called when this machine has slept. It asks every provider for a sign
// of life, ends the connections whose other end is gone, and says how many that
// were; it takes as long as they are waited for.
func (r *Router) Wake(ctx context.Context) (gone int) {
	r.transport.CloseIdleConnections() // new ones cost less than to wait for these
	return pulse.Ask(ctx, r.reached.All())
}

func reach(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := &net.Dialer{Timeout: dialTime}
	if !hostNames[host] {
		return d.DialContext(ctx, network, address)
	}
	if host != "host.nemoclaw.internal" { // ours alone: nobody else knows it
		there, cancel := context.WithTimeout(ctx, bridgeTime)
		conn, err := d.DialContext(there, network, address)
		cancel()
		if err == nil {
			return conn, nil
		}
	}
	conn, err := d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err == nil {
		return conn, nil
	}
	if conn, err6 := d.DialContext(ctx, network, net.JoinHostPort("::1", port)); err6 == nil {
		return conn, nil
	}
	return nil, err
}
