package supervisor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/cgroup"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/plan"
	"github.com/nemoclaw/nemoclaw/internal/proxy"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/clerk"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/notify"
)

// Options are what the starter of a supervisor brings, and wants to hear.
type Options struct {
	// Content checks the sandbox's blueprint, byte by byte, against the digest
	// that was locked when the sandbox was created. See package content.
	Content func(ctx context.Context, place state.Sandbox, set state.Settings, way *proxy.Proxy, progress func(string)) (Content, error)
	// Progress is told, in plain words, what takes long. May be nil.
	Progress func(string)
	// Ready is called once, when walls, agent and inference were checked and
	// the control socket answers. A Status that is not healthy is still ready:
	// a model server that is down is no reason to end the sandbox.
	Ready func(control.Status)
}

// modelAddress is where every agent expects its model server.
var modelAddress = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), plan.ModelPort)

// Run keeps the sandbox at place until ctx ends, the operator stops it, or it
// ends by itself. An error before Ready says why it could not start; nothing
// of it is left then.
func Run(ctx context.Context, place state.Sandbox, o Options) (err error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	unlock, err := place.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := place.Settle(); err != nil {
		return err
	}
	k, err := prepare(ctx, place, o)
	if err != nil {
		return err
	}
	ctx, k.stop = context.WithCancel(ctx)
	why := "the supervisor was told to end"
	defer func() { k.teardown(why) }()
	if err := k.start(ctx, o); err != nil {
		why = "could not start: " + err.Error()
		return err
	}
	select {
	case <-ctx.Done():
	case <-k.box.Done():
		why = "the sandbox ended by itself"
		return errors.New("the sandbox ended by itself: see its log")
	}
	return nil
}

// prepare reads everything that decides what the sandbox will be, and starts
// nothing yet.
func prepare(ctx context.Context, place state.Sandbox, o Options) (*keeper, error) {
	set, err := place.Load()
	if err == nil {
		err = place.Migrate()
	}
	if err != nil {
		return nil, err
	}
	if _, err := notify.Command(set); err != nil {
		return nil, err
	}
	k := &keeper{place: place, settings: set, began: time.Now()}
	if k.policies, err = openPolicies(place, set); err != nil {
		return nil, err
	}
	way, err := proxy.Parse(set.Proxy)
	if err != nil {
		return nil, fmt.Errorf("sandbox.yaml: %w", err)
	}
	if way != nil {
		k.upstream = &upstream{Proxy: way, secret: set.Proxy.Credential, key: func(name string) ([]byte, error) { return k.clerk.Key(name) }}
	}
	if k.content, err = o.Content(ctx, place, set, way, o.Progress); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(place.RunDir(), 0o700); err != nil {
		return nil, fmt.Errorf("make %s: %w", place.RunDir(), err)
	}
	if k.ca, k.trust, err = openAuthority(place, set.Name, k.content.Base != "", k.began); err != nil {
		return nil, err
	}
	if k.log, err = openAgentLog(place.AgentLog()); err != nil {
		return nil, err
	}
	if k.book, err = audit.Open(place.AuditDir(), place.Anchor()); err != nil {
		k.log.Close()
		return nil, err
	}
	k.record = newRecorder(k.written)
	return k, nil
}

// start builds the walls, and everything between them and the world, in the
// order in which nothing is ever open without its gate.
func (k *keeper) start(ctx context.Context, o Options) error {
	ports, err := k.gatewayListeners(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			for _, l := range ports {
				l.Close()
			}
		}
	}()
	modelLog, err := openModelLog(k.place.InferenceLog())
	if err != nil {
		return err
	}
	if err = k.openNotes(); err != nil {
		return err
	}
	if k.group, err = cgroup.Make(groupName(k.place), k.shares()); err != nil {
		return err
	}
	walls, err := plan.Make(k.planInput(k.content.system()))
	if err != nil {
		return err
	}
	if k.clerk, err = clerk.Hire(k.place); err != nil {
		return err
	}
	if err = k.startNotifier(); err != nil {
		return err
	}
	o.Progress("building the walls")
	if k.box, err = launch.Start(ctx, walls, launch.Options{UID: k.settings.User, GID: k.settings.User, Join: k.group.Add, Stderr: k.log}); err != nil {
		return err
	}
	if k.disk, err = openDisk(k.place.Workspace(), k.settings.Limits.DiskReserve); err != nil {
		return err
	}
	k.disk.quota = newQuota(k.settings.Limits.DiskBytes, k.box.Usage)
	k.disk.box, k.disk.record, k.disk.say, k.disk.name = k.box, k.record.Event, k.log.Say, k.settings.Name
	if err = k.gates(modelLog); err != nil {
		return err
	}
	k.meter = k.newMeter()
	answers, err := k.openControl()
	if err != nil {
		return err
	}
	if err = k.confine(ctx); err != nil {
		answers.Close()
		return err
	}
	k.all.Go(func() { k.router.Learn(k.policies.inference.Load()) }) // a start does not wait for keys that no call needs yet
	// From here on nothing is opened that confine does not grant, and only from
	// here on is a byte of the agent's read.
	if err = k.serve(ctx); err != nil {
		return err
	}
	k.watch(ctx)
	k.all.Go(func() {
		defer k.meter.wait()
		also := func() { k.meter.glance(ctx) }
		whenWoken(ctx, newClock().read, also, func(away time.Duration) { k.wake(ctx, away) })
	})
	k.goServe(ctx, "disk", func() error { return k.disk.watch(ctx) })
	k.all.Go(func() { k.asks.keepSaved(ctx) })
	if k.notifier != nil {
		k.all.Go(func() { k.notifier.Serve(ctx) })
	}
	// Where it cannot be written, the answer to `start` says so, and nothing opens.
	_ = k.told(audit.Event{Kind: audit.Start, Verdict: "allow", Target: k.settings.Blueprint.Name + "@" + k.settings.Blueprint.Version, Proofs: slices.Concat(proofs(k.box.Proofs()), k.ownProofs())})
	k.goServe(ctx, "control", func() error { return control.Serve(ctx, answers, offers{k}) })
	if err = k.startAgent(ctx, o.Progress); err != nil {
		return err
	}
	k.forwards(ctx, ports)
	o.Progress("asking the model server")
	o.Ready(offers{k}.Status(ctx))
	return nil
}

// gatewayListeners takes the host's port before anything is built, so that a
// taken one is found in a moment.
func (k *keeper) gatewayListeners(ctx context.Context) ([]net.Listener, error) {
	if k.content.gatewayPort() == 0 || k.settings.Ports.Gateway == 0 {
		return nil, nil
	}
	return listenLoopback(ctx, k.settings.Ports.Gateway)
}

// openNotes writes what the agent is told before there is an agent.
func (k *keeper) openNotes() (err error) {
	if k.page, err = openNotes(k.place.PolicyNotes(), k.settings.Name); err != nil {
		return err
	}
	return k.page.write(k.policies.network.Load, time.Now())
}

// groupName is the control group's: sandboxes of several homes on one machine
// may have the same name.
func groupName(place state.Sandbox) string {
	sum := sha256.Sum256([]byte(place.Dir()))
	return fmt.Sprintf("%s-%x", place.Name(), sum[:4])
}

func (k *keeper) shares() cgroup.Limits {
	l := k.settings.Limits
	return cgroup.Limits{MemoryBytes: l.MemoryBytes, Pids: l.Pids, Beside: spec.OwnTasks, CPUs: l.CPUs}
}

// usualLives is how often a program may end while it is started: some restart
// themselves once, after a migration or an update of their settings.
const usualLives = 3

// startAgent starts the blueprint's program, where it has one, and waits until
// it is healthy.
func (k *keeper) startAgent(ctx context.Context, progress func(string)) error {
	p, ok := k.content.program()
	if !ok || k.settings.Agent == "none" {
		return nil
	}
	p.lives = usualLives
	if k.place.IsTrial() {
		p.lives = 1 // what cannot be relied on once is not put in force
	}
	k.agent = &agent{program: p, box: insideOf{k.box}, log: k.log, record: k.record.Event}
	k.all.Go(func() { k.agent.keep(ctx) })
	progress("starting " + p.name)
	return k.agent.await(ctx, progress)
}

// openControl opens what answers the operator. Serving it begins later, before
// the agent comes up, so that `status` and `logs` tell what is happening.
func (k *keeper) openControl() (l net.Listener, err error) {
	if k.sessions, err = k.sessionServer(); err != nil {
		return nil, err
	}
	return control.Listen(k.place.ControlSocket())
}
