package egress

import (
	"fmt"
	"net"
	"sync"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// The names of the inference router, and where it answers under them.
const (
	inferenceLocal             = "inference.local"
	ollamaPort     policy.Port = 11434
)

// isForRouter: everything for inference.local, and Ollama's port on the names
// of the host.
func isForRouter(r policy.Request) bool {
	switch r.Host {
	case inferenceLocal:
		return true
	case "host.docker.internal", "host.nemoclaw.internal":
		return r.Port == ollamaPort
	}
	return false
}

// route hands the connection to the inference router, which needs no rule and
// writes down each call itself. A deny rule blocks it.
func (f *flow) route() {
	if why := f.notRouted(); why != "" {
		f.refuse(policy.Verdict{Why: why})
		return
	}
	if v, denied := f.g.policy().Denies(f.request); denied {
		v.Why += "; this blocks inference: remove the deny rule, or list the host under egress"
		f.refuse(v)
		return
	}
	f.granted(byRouter)
	c := &handed{TCPConn: f.in, closed: make(chan struct{})}
	f.g.cfg.Router(c)
	select { // the router may serve it after it has returned
	case <-c.closed:
	case <-f.g.ctx.Done():
	}
	f.close()
}

// handed is a connection that tells when it was closed.
type handed struct {
	*net.TCPConn
	once   sync.Once
	closed chan struct{}
}

func (h *handed) Close() error {
	defer h.once.Do(func() { close(h.closed) })
	return h.TCPConn.Close()
}

func (f *flow) notRouted() string {
	switch {
	case f.g.cfg.Router == nil:
		return "no inference router runs"
	case f.request.Host != inferenceLocal || f.request.Port == 80 || f.request.Port == 443:
		return ""
	}
	return fmt.Sprintf("inference.local answers on ports 80 and 443, not on %d", f.request.Port)
}
