package egress

import (
	"context"

	"github.com/nemoclaw/nemoclaw/internal/gate/pulse"
)

// Wake is called when this machine has slept. It asks outside for a sign of life
// on every connection, cuts those whose other end is gone, and says how many that
// were; it takes as long as they are waited for. A connection of the quick road is
// none of them: its other end is this machine's, and slept with it.
func (g *Gate) Wake(ctx context.Context) (gone int) {
	conns := g.beside.All()
	for _, f := range g.all() {
		if c, ok := f.awake(); ok {
			conns = append(conns, c)
		}
	}
	return pulse.Ask(ctx, conns)
}

// awake is the flow's end outside. Where requests are read, that is one connection
// of several: what waits for it alone shall end.
func (f *flow) awake() (c pulse.Conn, ok bool) {
	f.mu.Lock()
	out, over := f.out, f.over
	f.mu.Unlock()
	if out == nil || over {
		return c, false
	}
	if r := f.reading.Load(); r != nil {
		r.transport.CloseIdleConnections() // new ones cost less than to wait for these
		return pulse.Conn{TCP: out, Gone: func() { pulse.Expire(out) }}, true
	}
	return pulse.Conn{TCP: out, Gone: f.cut}, true
}
