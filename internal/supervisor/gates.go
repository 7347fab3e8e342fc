package supervisor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/gate/egress"
	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/plan"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// modelLogLimit bounds the agent's own view of its model calls, in bytes.
const modelLogLimit = 8 << 20

// openModelLog opens the host's file behind /sandbox/.openclaw/inference.log.
// Others may read it: the sandbox's user is one of them, and the folder around
// it is the operator's alone.
func openModelLog(path string) (*inference.Log, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the inference log: %w", err)
	}
	if err := f.Chmod(0o644); err != nil { // whatever the umask was
		f.Close()
		return nil, fmt.Errorf("open the inference log: %w", err)
	}
	return inference.NewLog(f, modelLogLimit)
}

// gates makes the two gates. They serve nothing yet.
func (k *keeper) gates(log *inference.Log) (err error) {
	k.asks, err = newAsks(filepath.Join(k.place.RunDir(), "approvals.json"), func() time.Duration { return k.policies.network.Load().Hold() }, k.record.Event, k.policies.keep)
	if err != nil {
		return err
	}
	if k.notifier != nil {
		k.asks.news = k.notify
	}
	k.portions = portionsFor(openFiles(), k.settings.Limits.Connections)
	k.router = inference.New(k.routerConfig(log))
	roots, _ := x509.SystemCertPool() // now, since it cannot be read later; without one no server is trusted
	k.gate = egress.New(egress.Config{
		Policy:   k.policies.network.Load,
		Ask:      k.asks,
		Record:   eventsOf{k.record},
		Holder:   k.holder,
		Line:     lineOf(k.box),
		Router:   k.router.ServeConn,
		GatePort: plan.GatePort,
		Ready:    k.book.Err,
		Upstream: k.upstream.forGate(),
		Leaf:     k.leaf,
		Roots:    roots,
		Secret:   k.clerk.Credential,
		Flows:    k.portions.flows,
	})
	return nil
}

// leaf is the sandbox's own certificate for a name.
func (k *keeper) leaf(name string) (*tls.Certificate, error) { return k.ca.Leaf(name, time.Now()) }

// forgetProof drops the packets that the proof sent and the kernel refused
// before anything ran inside: they are in the proof, not the agent's doing.
func forgetProof(refused *os.File) {
	raw, err := refused.SyscallConn()
	if err != nil {
		return // the gate will say so
	}
	buf := make([]byte, 4096)
	_ = raw.Control(func(fd uintptr) {
		for {
			if _, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT); err != nil {
				return
			}
		}
	})
}

// holder is who has the socket local → remote, as init sees it.
func (k *keeper) holder(ctx context.Context, local, remote netip.AddrPort) (policy.Program, int) {
	return holderIn(ctx, k.box, local, remote)
}

func holderIn(ctx context.Context, box *launch.Box, local, remote netip.AddrPort) (policy.Program, int) {
	return programAt(box.Who(ctx, local, remote))
}

// line is init's answers, for the gate; it implements egress.Line.
type line struct{ *launch.Line }

func lineOf(box *launch.Box) egress.Line {
	if box.Line() == nil {
		return nil
	}
	return line{box.Line()}
}

func (l line) Hear() (id uint64, p policy.Program, pid int, err error) {
	id, found, known, err := l.Line.Hear()
	p, pid = programAt(found, known)
	return id, p, pid, err
}

func programAt(p spec.Program, ok bool) (policy.Program, int) {
	if !ok {
		return policy.Program{}, 0
	}
	return policy.ProgramAt(p.Exe, p.Parents), p.PID
}

// blocked says whether the network policy's deny list names the provider: the
// router needs no rule, but a deny is obeyed.
func (k *keeper) blocked(host string, port int) (string, bool) {
	h, a, err := policy.ParseTarget(host)
	if err != nil {
		return "", false // the router itself refuses what is no host
	}
	v, denied := k.policies.network.Load().Denies(policy.Request{Host: h, Addr: a, Port: policy.Port(port), Time: time.Now()})
	return v.Why, denied
}

// eventsOf writes the gate's events into the book; it implements
// egress.Recorder.
type eventsOf struct{ *recorder }

func (r eventsOf) Record(e egress.Event) { r.Event(networkEvent(e)) }

func networkEvent(e egress.Event) audit.Event {
	kind := audit.Network
	switch e.Kind {
	case egress.Names:
		kind = audit.Names
	case egress.HTTP:
		kind = audit.HTTP
	}
	count := e.Count
	if count == 1 {
		count = 0 // the book leaves one out
	}
	return audit.Event{
		Kind: kind, Wall: string(spec.NetworkWall), Verdict: e.Verdict.String(), Program: e.Program, PID: e.PID,
		Target: e.Target, Method: e.Method, Path: e.Path, Rule: e.Rule, Why: e.Why, Count: count,
	}
}

func proofs(ps []spec.Proof) []audit.Proof {
	out := make([]audit.Proof, len(ps))
	for i, p := range ps {
		out[i] = audit.Proof{Wall: string(p.Wall), Layer: p.Layer, Tried: p.Tried, Got: p.Got}
	}
	return out
}
