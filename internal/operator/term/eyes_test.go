package term

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// soon is how long a test waits for what is pushed: far less than the slow
// look, which would bring it, too.
const soon = lookAnyway / 2

// keeper is a supervisor with nothing inside, behind a real control socket. It
// also is the driver that knows where it lives.
type keeper struct {
	driver.Driver // what the view must not use panics
	*testing.T
	socket string

	mu        sync.Mutex
	approvals []control.Approval // protected by mu
	watchers  []chan audit.Event // protected by mu
	stop      func()             // protected by mu; nil while it does not run
}

func (k *keeper) Dial(_ context.Context, s state.Sandbox) (*control.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stop == nil {
		return nil, &driver.NotRunning{Name: s.Name()}
	}
	return control.Dial(k.socket), nil
}

func (k *keeper) Probe(context.Context) error { return nil }

// asleep is the driver's Status; the name Status is the supervisor's.
type asleep struct{ *keeper }

func (a asleep) Status(context.Context, state.Sandbox) (control.Status, error) {
	return control.Status{State: control.Stopped}, nil
}

// start opens the socket; the stop that it leaves in k closes it again.
func (k *keeper) start() {
	ln, err := control.Listen(k.socket)
	if err != nil {
		k.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- control.Serve(ctx, ln, awake{k}) }()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stop = func() {
		k.mu.Lock()
		k.stop = nil
		k.mu.Unlock()
		cancel()
		if err := <-done; err != nil {
			k.Error(err)
		}
	}
}

// happen changes what is asked and tells the watchers of e.
func (k *keeper) happen(e audit.Event, all ...control.Approval) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.approvals = all
	for _, w := range k.watchers {
		w <- e
	}
}

// awake is the supervisor; it implements control.Sandbox.
type awake struct{ k *keeper }

func (a awake) Calls(ctx context.Context) (<-chan control.Underway, error) {
	out := make(chan control.Underway, 1)
	out <- control.Underway{ID: 7, Given: "ollama/tiny", Answer: "as far"}
	return out, nil
}
func (a awake) Watched() func()                       { return func() {} }
func (a awake) Status(context.Context) control.Status { return healthy("box") }
func (a awake) Approvals(context.Context) ([]control.Approval, error) {
	a.k.mu.Lock()
	defer a.k.mu.Unlock()
	return a.k.approvals, nil
}
func (a awake) Events(ctx context.Context) (<-chan audit.Event, error) {
	out := make(chan audit.Event, 100)
	a.k.mu.Lock()
	defer a.k.mu.Unlock()
	a.k.watchers = append(a.k.watchers, out)
	return out, nil
}
func (a awake) Answer(_ context.Context, id string, w control.Answer) (control.Approval, error) {
	if id != "a2a2" {
		return control.Approval{}, errors.New("no such question")
	}
	q := suspicious()
	q.State = w.Scope
	return q, nil
}
func (a awake) ReloadPolicy(context.Context) (r control.Reloaded, _ error)    { return r, nil }
func (a awake) ReloadInference(context.Context) (r control.Reloaded, _ error) { return r, nil }
func (a awake) Inference(context.Context) (p control.InferencePolicy, _ error) {
	return p, nil
}
func (a awake) Verify(context.Context) (v control.Verified, _ error)   { return v, nil }
func (a awake) Stop(context.Context) error                             { return nil }
func (a awake) Logs(context.Context, int, bool) (<-chan string, error) { return nil, nil }
func (a awake) SSH(context.Context, net.Conn) error                    { return nil }
func (a awake) Exec(context.Context, *control.Carrier) error           { return nil }

// watched is a home with one sandbox, eyes on it, and what they said.
func watched(t *testing.T) (*keeper, <-chan tea.Msg) {
	home := state.Home{Dir: filepath.Join(t.TempDir(), "home")}
	s := home.Sandbox("box")
	if err := s.Create(state.Settings{Agent: "none"}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.RunDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	k := &keeper{T: t, socket: s.ControlSocket()}
	said := make(chan tea.Msg, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { eyes{home, asleep{k}, "", func(m tea.Msg) { said <- m }}.watch(ctx) })
	t.Cleanup(func() {
		if k.stop != nil {
			k.stop()
		}
		cancel()
		all.Wait()
	})
	return k, said
}

// next waits for a message of type M that is like that, and leaves out others.
func next[M tea.Msg](t *testing.T, said <-chan tea.Msg, like func(M) bool) M {
	t.Helper()
	late := time.After(soon)
	for {
		select {
		case m := <-said:
			if m, ok := m.(M); ok && like(m) {
				return m
			}
		case <-late:
			var none M
			t.Fatalf("no %T of that kind within %s", none, soon)
		}
	}
}

func whatever[M tea.Msg](M) bool { return true }

func TestSupervisorGoesAndComes(t *testing.T) {
	k, said := watched(t)
	if m := next(t, said, whatever[found]); len(m.names) != 1 || m.names[0] != "box" {
		t.Errorf("found %+v", m)
	}
	next(t, said, func(m away) bool { return m.status.State == control.Stopped })

	for round := range 3 {
		k.start()
		next(t, said, whatever[attached])
		next(t, said, func(m standing) bool { return m.status.State == control.Running })
		k.happen(audit.Event{Seq: uint64(round + 1), Kind: audit.Approval, Verdict: "ask", ID: "a2a2"}, suspicious())
		next(t, said, func(m happened) bool { return m.events[0].ID == "a2a2" })
		next(t, said, func(m asked) bool { return len(m.all) == 1 })
		k.stop()
		next(t, said, whatever[away])
	}
}

// A model call is seen while it is answered.
func TestCallsArePushed(t *testing.T) {
	k, said := watched(t)
	k.start()
	next(t, said, func(m speaking) bool { return m.call.ID == 7 && m.call.Answer == "as far" })
}

// Every question is seen without a slow look, however fast they come.
func TestQuestionsArePushed(t *testing.T) {
	k, said := watched(t)
	k.start()
	next(t, said, func(m asked) bool { return len(m.all) == 0 })
	var all []control.Approval
	for i := range 200 {
		all = append(all, another(string(rune('A'+i)), 1))
		k.happen(audit.Event{Seq: uint64(i + 1), Kind: audit.Approval, Verdict: "ask"}, all...)
	}
	next(t, said, func(m asked) bool { return len(m.all) == 200 })
}

func TestSandboxesComeAndGo(t *testing.T) {
	home := state.Home{Dir: filepath.Join(t.TempDir(), "home")}
	said := make(chan tea.Msg, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { eyes{home, asleep{&keeper{T: t}}, "", func(m tea.Msg) { said <- m }}.watch(ctx) })
	next(t, said, func(m found) bool { return len(m.names) == 0 })
	s := home.Sandbox("box")
	if err := s.Create(state.Settings{Agent: "none"}); err != nil {
		t.Fatal(err)
	}
	next(t, said, func(m found) bool { return len(m.names) == 1 })
	next(t, said, whatever[away])
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	next(t, said, func(m found) bool { return len(m.names) == 0 })
}

func TestAnswerReachesTheSupervisor(t *testing.T) {
	k, _ := watched(t)
	send := answerer(t.Context(), func(ctx context.Context, n state.Name) (*control.Client, error) {
		return k.Dial(ctx, state.Home{}.Sandbox(n))
	})
	w, _ := wordOf("o")
	if m := send(id{"box", "a2a2"}, w)().(answered); !errors.As(m.err, new(*driver.NotRunning)) {
		t.Errorf("while it is away: %+v", m)
	}
	k.start()
	if m := send(id{"box", "a2a2"}, w)().(answered); m.err != nil || m.now.State != "once" {
		t.Errorf("answered %+v", m)
	}
	if m := send(id{"box", "none"}, w)().(answered); m.err == nil {
		t.Errorf("a question that is gone: %+v", m)
	}
}
