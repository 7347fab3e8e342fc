package supervisor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/authority"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/gate/egress"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/plan"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/session"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/throwaway"
)

// Once is one command in a throw-away sandbox. Nobody is asked anything: what
// the policy does not allow is denied, and nothing is kept.
type Once struct {
	Command    []string
	Env        []string // "KEY=value", beside the plan's
	PolicyFile string   // "" denies everything
	Mounts     []state.Mount
	Base       string // the folder of a pinned base; "" stands on the machine's /usr
	TTY        bool
	// Signals are the command's; one that comes before it runs ends the start.
	// They are the caller's to begin, early, since that takes 0.3 ms. May be nil.
	Signals <-chan os.Signal
	// Begun is what launch.Take or BeginOnce gave, when it was called before. nil
	// begins now.
	Begun *launch.Expected
	// Ahead is that sandbox where it is being raised already. It was planned
	// without a policy, a mount or a base, so with one of those there must be none
	// ahead. nil for none.
	Ahead *throwaway.Sandbox
	// Secret gives the value of a rule's credential. Nil: there is none.
	Secret func(name string) ([]byte, error)
	// Refused takes what was refused, when the command has ended. May be nil.
	Refused func([]audit.Event)
}

func (o Once) system() plan.System {
	if o.Base != "" {
		return host.Pinned(o.Base)
	}
	return host.System()
}

// mostRefusals bounds what is told at the end.
const mostRefusals = 50

// BeginOnce begins the sandbox of a RunOnce before anything is known about it.
func BeginOnce() (*launch.Expected, error) {
	var o launch.Options
	if os.Geteuid() == 0 {
		var err error
		if o.UID, err = host.FreeUser(os.DirFS("/")); err != nil {
			return nil, err
		}
		o.GID = o.UID
	}
	return launch.Begin(o), nil
}

// RunOnce runs o and returns the command's exit code, or 128 and the signal's
// number where one killed it. The error says why nothing ran.
func RunOnce(ctx context.Context, o Once) (code int, err error) {
	if o.Ahead != nil && (o.PolicyFile != "" || len(o.Mounts) > 0 || o.Base != "") {
		o.Ahead.Drop()
		return 0, errAhead
	}
	if o.Begun == nil && o.Ahead == nil {
		if o.Begun, err = BeginOnce(); err != nil {
			return 0, err
		}
	}
	if o.Begun != nil {
		defer o.Begun.Close()
	}
	rules, err := oncePolicy(o.PolicyFile)
	if err != nil {
		return 0, err
	}
	k := &once{refused: map[refusal]*counted{}}
	if k.place, err = o.place(); err != nil {
		return 0, err
	}
	defer k.place.Remove(state.RemoveTree) //nolint:errcheck // what the command left; a later run tries again
	ctx, k.stop = context.WithCancel(ctx)
	defer k.stop()
	go k.passSignals(ctx, o.Signals)
	if err := k.start(ctx, o, rules); err != nil {
		return 0, err
	}
	defer k.end(o)
	return k.run(ctx, o)
}

// errAhead is a mistake of the caller's: the sandbox that was begun is not the
// one that is asked for.
var errAhead = errors.New("run: the sandbox was begun without the policy, mounts or base that it is to have")

func (o Once) place() (throwaway.Place, error) {
	if o.Ahead != nil {
		return o.Ahead.Place, nil
	}
	return throwaway.MakePlace()
}

// quiet is how long a command runs before what killed runs have left is looked
// for: a short one is not kept waiting for that.
const quiet = 100 * time.Millisecond

// sweep takes away what killed runs have left, beside a command that lasts.
func (k *once) sweep(ctx context.Context) {
	begin := time.NewTimer(quiet)
	defer begin.Stop()
	select {
	case <-ctx.Done():
	case <-begin.C:
		throwaway.Sweep(func() bool { return ctx.Err() == nil }, state.RemoveTree)
	}
}

func (k *once) passSignals(ctx context.Context, from <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-from:
			if p := k.runningOrStop(); p != nil {
				_ = p.Signal(s.(syscall.Signal)) // one that has ended needs none
			}
		}
	}
}

// runningOrStop is the command, if it runs; if not it never will.
func (k *once) runningOrStop() *launch.Process {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running == nil {
		k.stop()
	}
	return k.running
}

// runs makes p the command that runs, unless ctx, that of stop, has ended.
func (k *once) runs(ctx context.Context, p *launch.Process) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() == nil {
		k.running = p
	}
	return ctx.Err()
}

func oncePolicy(file string) (*policy.Policy, error) {
	if file == "" {
		return policy.Closed(), nil
	}
	return readPolicy(file, policy.Parse)
}

// once is a running throw-away sandbox.
type once struct {
	box     *launch.Box
	ordered *launch.Ordered // the command
	gate    *egress.Gate
	stop    context.CancelFunc
	all     sync.WaitGroup
	// silent, when closed, ends the answering of refused calls.
	silent *os.File
	// alone says that nothing of the command is left inside.
	alone bool
	place throwaway.Place

	mu      sync.Mutex
	running *launch.Process      // once it does; protected by mu
	refused map[refusal]*counted // protected by mu
	order   []*counted           // protected by mu
}

func (k *once) start(ctx context.Context, o Once, rules *policy.Policy) error {
	up, err := onceUpstream(o.PolicyFile)
	if err != nil {
		return err
	}
	leaf, err := k.raise(ctx, o, rules)
	if err != nil {
		return err
	}
	for _, h := range k.box.Sockets() {
		if h.Use == spec.Refused {
			forgetProof(h.File) // before anything else can be refused
		}
	}
	k.ordered = k.box.Order(o.command())
	k.gate = egress.New(egress.Config{
		Policy: func() *policy.Policy { return rules },
		Record: onceEvents{k},
		Holder: func(ctx context.Context, local, remote netip.AddrPort) (policy.Program, int) {
			return holderIn(ctx, k.box, local, remote)
		},
		Line:     lineOf(k.box),
		GatePort: plan.GatePort,
		Upstream: up,
		Leaf:     leaf,
		Secret:   o.Secret,
		Flows:    portionsFor(openFiles(), 0).flows,
	})
	return nil
}

// raise raises the sandbox, and gives what signs for it, where a rule needs that.
func (k *once) raise(ctx context.Context, o Once, rules *policy.Policy) (leaf func(string) (*tls.Certificate, error), err error) {
	if o.Ahead != nil {
		k.box, err = o.Ahead.Wait(ctx)
		return nil, err
	}
	in := throwaway.Input(o.system(), k.place.Workspace())
	for _, m := range o.Mounts {
		in.Mounts = append(in.Mounts, plan.Mount{Host: m.Host, Target: m.Sandbox, ReadOnly: m.ReadOnly})
	}
	if leaf, err = k.readable(&in, rules); err != nil {
		return nil, err
	}
	k.box, err = throwaway.Raise(ctx, o.Begun, in)
	return leaf, err
}

// readable gives the sandbox an authority of its own, in a folder that ends with
// it, where a rule needs one.
func (k *once) readable(in *plan.Input, rules *policy.Policy) (func(string) (*tls.Certificate, error), error) {
	if !rules.ReadsSome() {
		return nil, nil
	}
	file, err := authority.Make(in.Name, time.Now())
	if err != nil {
		return nil, err
	}
	a, err := authority.Parse(file)
	if err != nil {
		return nil, err
	}
	in.Trust, err = layTrust(k.place.In("trust"), a, host.TrustedCertificates())
	return func(name string) (*tls.Certificate, error) { return a.Leaf(name, time.Now()) }, err
}

// serve gives the sockets to the gate. There is no inference router: its
// listeners are closed, so that a model call is refused at once.
func (k *once) serve(ctx context.Context) error {
	for _, h := range k.box.Sockets() {
		switch h.Use {
		case spec.Capture4, spec.Capture6:
			l, err := net.FileListener(h.File)
			if err != nil {
				return fmt.Errorf("take the %s socket: %w", h.Use, err)
			}
			k.all.Go(func() { _ = k.gate.ServeTCP(ctx, l) }) // its end is the command's
		case spec.Names4, spec.Names6:
			c, err := net.FilePacketConn(h.File)
			if err != nil {
				return fmt.Errorf("take the %s socket: %w", h.Use, err)
			}
			if u, ok := c.(*net.UDPConn); ok {
				k.all.Go(func() { _ = k.gate.ServeNames(ctx, u) })
			}
		case spec.Refused:
			k.all.Go(func() { _ = k.gate.ServeRefused(ctx, h.File) })
			continue // the gate owns it
		}
		h.File.Close()
	}
	k.all.Go(func() { whenWoken(ctx, clock{}.read, func() {}, func(time.Duration) { k.gate.Wake(ctx) }) })
	if n := k.box.Notify(); n != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("answer refused calls: %w", err)
		}
		k.silent = w
		k.all.Go(func() {
			defer r.Close()
			_ = refuseCalls(n, r, k.box.Look, k.see)
		})
	}
	return nil
}

// command is o's as init wants it.
func (o Once) command() spec.Command {
	c := spec.Command{Argv: o.Command, Env: o.Env, TTY: o.TTY}
	if o.TTY {
		c.Env = append(slices.Clone(c.Env), "TERM="+os.Getenv("TERM"))
		c.Rows, c.Cols = session.WindowSize(os.Stdin)
	}
	return c
}

func (k *once) run(ctx context.Context, o Once) (int, error) {
	p, err := k.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	if err := k.runs(ctx, p); err != nil {
		return 0, err
	}
	code, sig, err := session.Attach(p, o.TTY, os.Stdin, os.Stdout, os.Stderr)
	k.alone = p.Alone()
	if sig != 0 {
		code = 128 + int(sig)
	}
	return code, err
}

// begin begins what serves the command, while that starts: whoever is faster
// waits, a connection or a refused call too.
func (k *once) begin(ctx context.Context) (*launch.Process, error) {
	failed := k.serve(ctx)
	k.all.Go(func() { k.sweep(ctx) })
	p, err := k.ordered.Wait(ctx)
	k.all.Go(throwaway.Lighten)
	if err == nil && failed != nil {
		_ = p.Close()
	}
	return p, cmp.Or(err, failed)
}

func (k *once) end(o Once) {
	if !k.alone { // else it ends by itself, beside what follows
		_ = k.box.Kill()
		// What is left writes into the folder, and makes calls, until it is gone.
		_ = k.box.Wait()
	}
	// Only now: until then somebody may be refused something.
	k.stop()
	if k.silent != nil {
		k.silent.Close()
	}
	k.all.Wait()
	k.gate.Close()
	if o.Refused == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []audit.Event
	for _, c := range k.order {
		c.event.Count = c.more + 1
		out = append(out, c.event)
	}
	if len(out) > 0 {
		o.Refused(out)
	}
}

// see keeps what was refused, equal ones counted.
func (k *once) see(e audit.Event) {
	if e.Verdict != "deny" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	key := refusal{e.Kind, e.Verdict, e.Program, e.Target, e.Why, e.ID}
	if c, ok := k.refused[key]; ok {
		c.more++
		return
	}
	if len(k.order) == mostRefusals {
		return
	}
	c := &counted{event: e}
	k.refused[key] = c
	k.order = append(k.order, c)
}

// onceEvents implements egress.Recorder.
type onceEvents struct{ *once }

func (r onceEvents) Record(e egress.Event) { r.see(networkEvent(e)) }
