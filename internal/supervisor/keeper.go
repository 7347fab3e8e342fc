package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/authority"
	"github.com/nemoclaw/nemoclaw/internal/cgroup"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/gate/egress"
	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/plan"
	"github.com/nemoclaw/nemoclaw/internal/session"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/child"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/clerk"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/limit"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/notify"
)

// keeper is one running sandbox. Its fields are set before its goroutines
// start.
type keeper struct {
	place    state.Sandbox
	settings state.Settings
	content  Content
	began    time.Time

	book     *audit.Book
	record   *recorder
	policies *policies
	ca       *authority.Authority
	trust    *plan.Trust
	page     *notes // POLICY.md, for the agent
	asks     *asks
	log      *agentLog
	group    *cgroup.Group
	disk     *disk
	meter    *meter // of limits that are met
	box      *launch.Box
	gate     *egress.Gate
	router   *inference.Router
	clerk    *clerk.Clerk
	speaking underway         // model calls that are being answered
	upstream *upstream        // nil where the network is left without a proxy
	notifier *notify.Notifier // nil where no command is to be run
	views    atomic.Int32     // operators that watch
	limits   []limit.Proof    // what we took from ourselves, as it was proved
	agent    *agent           // nil where the blueprint starts none
	sessions func(context.Context, net.Conn) error
	portions portions

	stop context.CancelFunc // ends the sandbox
	all  sync.WaitGroup     // the goroutines that serve it
}

// insideOf narrows a launch.Box to what agents and forwards need.
type insideOf struct{ *launch.Box }

func (i insideOf) Run(ctx context.Context, c spec.Command) (session.Process, error) {
	p, err := i.Box.Run(ctx, c)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// serve starts everything that stands between the sandbox and the world.
func (k *keeper) serve(ctx context.Context) error {
	for _, s := range k.box.Sockets() {
		if err := k.serveSocket(ctx, s); err != nil {
			return err
		}
	}
	if n := k.box.Notify(); n != nil {
		k.all.Go(func() {
			if err := refuseCalls(n, nil, k.box.Look, k.record.Event); err != nil {
				k.fail("process", err)
			}
		})
	}
	return nil
}

// serveSocket gives one handed-out socket to its gate.
func (k *keeper) serveSocket(ctx context.Context, s launch.Handed) error {
	switch s.Use {
	case spec.Capture4, spec.Capture6, spec.Router:
		l, err := net.FileListener(s.File)
		if err != nil {
			return fmt.Errorf("take the %s socket: %w", s.Use, err)
		}
		s.File.Close()
		serve := k.gate.ServeTCP
		if s.Use == spec.Router {
			serve = k.router.Serve
		}
		k.goServe(ctx, string(s.Use), func() error { return serve(ctx, l) })
	case spec.Names4, spec.Names6:
		c, err := net.FilePacketConn(s.File)
		if err != nil {
			return fmt.Errorf("take the %s socket: %w", s.Use, err)
		}
		s.File.Close()
		u, ok := c.(*net.UDPConn)
		if !ok {
			return fmt.Errorf("take the %s socket: not UDP", s.Use)
		}
		k.goServe(ctx, string(s.Use), func() error { return k.gate.ServeNames(ctx, u) })
	case spec.Refused:
		forgetProof(s.File)
		k.goServe(ctx, string(s.Use), func() error { return k.gate.ServeRefused(ctx, s.File) })
	default:
		return fmt.Errorf("take the %s socket: unknown use", s.Use)
	}
	return nil
}

// goServe runs one server. A server that ends before the sandbox does ends
// the sandbox: without it a wall would be a hole or a dead end.
func (k *keeper) goServe(ctx context.Context, name string, serve func() error) {
	k.all.Go(func() {
		err := serve()
		if ctx.Err() == nil {
			k.fail(name, err)
		}
	})
}

func (k *keeper) fail(what string, err error) {
	if err == nil {
		err = errors.New("ended by itself")
	}
	k.log.Say("%s: %v; the sandbox ends, since it would go on without a gate", what, err)
	k.stop()
}

// watch reloads a policy as soon as its file is saved.
func (k *keeper) watch(ctx context.Context) {
	k.goServe(ctx, "watch", func() error {
		return watchFolder(ctx, k.place.Dir(), func(name string) {
			if name == "" || name == baseName(k.place.PolicyFile()) {
				_, _ = k.reloadNetwork("file") // the error is in the log, the book and status
			}
			if name == "" || name == baseName(k.place.InferenceFile()) {
				_, _ = k.reloadInference("file")
			}
		})
	})
}

// forwards leads the host's gateway port inside.
func (k *keeper) forwards(ctx context.Context, ls []net.Listener) {
	inside := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), k.content.gatewayPort())
	for _, l := range ls {
		k.all.Go(func() { forward(ctx, l, insideOf{k.box}, inside, k.portions.forwards) })
	}
}

// teardown ends everything in the order that leaves nothing behind: the
// sandbox first, then what served it, the book last.
func (k *keeper) teardown(why string) {
	k.stop()
	if k.box != nil {
		if err := k.box.Kill(); err != nil {
			k.log.Say("kill: %v", err)
		}
		_ = k.box.Wait() // its end is what we wanted
	}
	if k.gate != nil {
		k.gate.Close()
	}
	if k.clerk != nil { // whoever waits for an answer of one that is stopped gives up
		defer time.AfterFunc(child.Leave, func() { k.clerk.Wire.Close() }).Stop()
	}
	k.all.Wait()
	if k.notifier != nil {
		k.notifier.Dismiss()
	}
	if k.router != nil {
		k.router.Drain()
	}
	if k.clerk != nil {
		k.clerk.Dismiss()
	}
	if k.group != nil {
		if n := k.group.OOMKills(); n > 0 {
			why = fmt.Sprintf("%s; OOMKilled: %d processes went over the memory limit", why, n)
		}
		k.group.Remove()
	}
	if k.record != nil {
		k.record.Close()
	}
	if k.book != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := k.book.Sync(ctx, audit.Event{Kind: audit.Stop, Why: why}); err != nil {
			fmt.Fprintf(os.Stderr, "write the book: %v\n", err)
		}
		if err := k.book.Close(); err != nil {
			fmt.Fprintf(os.Stderr, "close the book: %v\n", err)
		}
	}
	if k.page != nil {
		k.page.close()
	}
	if k.log != nil {
		k.log.Say("stopped: %s", why)
		k.log.Close()
	}
}
