package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// presence is what is known of the program at the other end of a connection whose
// requests are judged, from what its socket does.
type presence struct {
	broken  atomic.Bool  // a read failed, and not because there is no more to read
	unseen  atomic.Bool  // no request was judged since the last answer
	written atomic.Int64 // bytes, since then
}

// heard notes how a read of the socket ended.
func (p *presence) heard(err error) {
	if err != nil && err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded) {
		p.broken.Store(true)
	}
}

// lookEvery is how often a program is looked for that has said all it will say.
// The kernel knows that nobody is there any more when it forgets the other end
// of a socket that was closed (tcp_fin_timeout, a minute) and its own keepalive
// is answered by a reset.
const lookEvery = 5 * time.Second

// untilGone is ctx without the end that net/http gives it once a program has
// said all that it will say: that is no reason to let it go without its answer
// (RFC 9110, 7.6.1; RFC 9112, 9.6, has clients half-close). It ends where the
// connection broke or was closed, and where the gate ends. A program that has
// closed all of its socket is found out by the first bytes of the answer, which
// are answered by a reset, or else by looking.
func (r *reading) untilGone(ctx context.Context) (context.Context, func()) {
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for r.f.g.ctx.Err() == nil && !r.conn.gone() {
			select {
			case <-tick.C:
			case <-r.f.g.ctx.Done():
			case <-r.conn.closed:
			case <-out.Done():
				return
			}
		}
		cancel(errLeft)
	})
	return out, func() { stop(); cancel(nil) }
}

// gone says whether nothing can be written to the program any more.
func (c *readConn) gone() bool {
	if c.broken.Load() {
		return true
	}
	socket, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return true
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	dead := true
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO)
		dead = err != nil || info.State != unix.BPF_TCP_ESTABLISHED && info.State != unix.BPF_TCP_CLOSE_WAIT
	})
	return err != nil || dead
}

// notAnswer is the most that TLS itself writes where a connection ends: an alert.
const notAnswer = 64

// stateChanged notes what net/http does with a connection. A head of HTTP/1 that
// it cannot read it answers itself, and closes the connection: nothing went
// anywhere, and nobody would hear of it. It says so to nobody, but between
// requests nothing else is written.
func (rd *reader) stateChanged(c net.Conn, state http.ConnState) {
	conn := readConnOf(c)
	if conn == nil {
		return
	}
	if t, ok := c.(*tls.Conn); ok && t.ConnectionState().NegotiatedProtocol == "h2" {
		return
	}
	switch state {
	case http.StateNew, http.StateIdle:
		conn.written.Store(0)
		conn.unseen.Store(true)
	case http.StateClosed:
		if conn.unseen.Load() && conn.written.Load() > notAnswer {
			x := &exchange{r: conn.reading}
			x.record(policy.Verdict{Why: "no HTTP request that can be judged: it was answered with an error, and went nowhere"})
		}
	}
}

func readConnOf(c net.Conn) *readConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	conn, _ := c.(*readConn)
	return conn
}
