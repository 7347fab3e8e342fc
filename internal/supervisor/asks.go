package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/approval"
	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/gate/egress"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// pendingLimit is how many questions may wait for the operator at once.
const pendingLimit = 1000

// asks stands between the gate, which waits, and the operator, who answers.
// It implements egress.Asker and is safe for concurrent use.
type asks struct {
	file   string // where the desk lies between starts
	hold   func() time.Duration
	record func(audit.Event)
	keep   keeping
	news   func(approval.Item) // is told of each question when it is new
	clock  clock

	changed chan struct{} // to the saver
	saving  sync.Mutex    // before mu

	mu      sync.Mutex
	desk    *approval.Desk             // protected by mu
	waiting map[string][]chan struct{} // protected by mu: by question, closed when it is answered
}

// keeping writes an "always" into the policy file, and whose word it was.
type keeping func(i approval.Item, allow bool, by string) error

// newAsks goes on with the questions that file has from before a restart; one
// that cannot be read has none, which only means that they are asked again. One
// of a later nemoclaw is refused: it would be written over.
func newAsks(file string, hold func() time.Duration, record func(audit.Event), keep keeping) (*asks, error) {
	a := &asks{news: func(approval.Item) {}, file: file, hold: hold, record: record, keep: keep, clock: newClock(), changed: make(chan struct{}, 1), waiting: map[string][]chan struct{}{}}
	a.desk = approval.NewDesk(pendingLimit)
	var s approval.Snapshot
	err := state.ReadState(file, approval.Version, &s)
	if errors.As(err, new(*state.Newer)) {
		return nil, err
	}
	if err == nil {
		if desk, err := approval.Restore(pendingLimit, s); err == nil {
			a.desk = desk
		}
	}
	return a, nil
}

// keepSaved saves whatever is asked, until ctx ends.
func (a *asks) keepSaved(ctx context.Context) {
	for {
		select {
		case <-a.changed:
			a.save()
		case <-ctx.Done():
			a.save()
			return
		}
	}
}

// save writes the desk to its file, so that a restart loses no question. The
// file decides nothing by itself: a grant in it ends when it says.
func (a *asks) save() {
	a.saving.Lock() // an older snapshot must not overtake a newer one
	defer a.saving.Unlock()
	a.mu.Lock()
	b, err := json.Marshal(a.desk.Snapshot())
	a.mu.Unlock()
	if err != nil {
		panic("bug: json.Marshal of a desk: " + err.Error())
	}
	_ = state.WriteDurable(a.file, b, 0o600) // a full disk loses questions, no verdict
}

// Ask waits for the operator, at most for the hold and no longer than the
// client. ctx ends when the program gave up.
func (a *asks) Ask(ctx context.Context, q egress.Question) (allow bool, why string, done func(through bool)) {
	question := approval.Question{Host: string(q.Host), Port: int(q.Port), Program: programName(q.Program), Addr: q.Addr}
	id, d, answered := a.ask(question)
	if d.Kind == approval.Wait {
		d = a.wait(ctx, id, question, answered)
	}
	if d.Kind != approval.Allowed {
		return false, d.Why, nil
	}
	return true, d.Why, func(through bool) { a.settle(id, through) }
}

// wait holds one connection until its question is answered.
func (a *asks) wait(ctx context.Context, id string, q approval.Question, answered <-chan struct{}) approval.Decision {
	a.record(audit.Event{
		Kind: audit.Approval, Wall: "network", Verdict: "ask", ID: id,
		Program: q.Program, Target: target(q), Why: "not listed; the operator is asked",
	})
	if item, ok := a.find(id); ok && item.Count == 1 {
		a.news(item)
	}
	select {
	case a.changed <- struct{}{}: // a wait must not wait for the disk
	default: // the saver is to run anyway
	}
	hold := a.hold()
	deadline := time.NewTimer(hold)
	defer deadline.Stop()
	select {
	case <-answered:
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.desk.Claim(a.clock.now(), id)
	case <-deadline.C:
		return a.lapse(id, answered, "nobody answered within "+hold.String())
	case <-ctx.Done():
		return a.lapse(id, answered, "the program gave up waiting")
	}
}

func (a *asks) ask(q approval.Question) (string, approval.Decision, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, d := a.desk.Ask(a.clock.now(), q)
	if d.Kind != approval.Wait {
		return id, d, nil
	}
	ch := make(chan struct{})
	a.waiting[id] = append(a.waiting[id], ch)
	return id, d, ch
}

// lapse ends a wait without an answer; one that came in the same instant
// counts.
func (a *asks) lapse(id string, answered <-chan struct{}, why string) approval.Decision {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.waiting[id], func(ch chan struct{}) bool { return ch == answered })
	if i < 0 {
		return a.desk.Claim(a.clock.now(), id)
	}
	a.waiting[id] = slices.Delete(a.waiting[id], i, i+1)
	a.desk.Lapsed(a.clock.now(), id)
	return approval.Decision{Kind: approval.Denied, Why: why}
}

// settle uses a grant up, or gives it back where the connection failed.
func (a *asks) settle(id string, through bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if through {
		a.desk.Used(a.clock.now(), id)
		return
	}
	a.desk.Released(a.clock.now(), id)
}

// Answer is the operator's word. An "always" is written into the policy file
// first, on the road of a hand edit, so that what is answered is what stands
// there; edited says that it was.
func (a *asks) Answer(id string, w control.Answer, by string) (s control.Approval, edited bool, err error) {
	answer, err := parseAnswer(w)
	if err != nil {
		return s, false, err
	}
	if answer.Scope == approval.Always {
		item, ok := a.find(id)
		if !ok {
			return s, false, &approval.Unknown{ID: id}
		}
		if err := a.keep(item, answer.Allow, by); err != nil {
			return s, false, err
		}
		edited = true
	}
	defer a.save() // after the unlock below
	a.mu.Lock()
	defer a.mu.Unlock()
	item, err := a.desk.Answer(a.clock.now(), id, answer)
	if err != nil {
		return s, edited, err
	}
	for _, ch := range a.waiting[id] {
		close(ch)
	}
	delete(a.waiting, id)
	return shown(item), edited, nil
}

func (a *asks) find(id string) (approval.Item, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.desk.Get(a.clock.now(), id)
}

// List is every question that the operator may want to see.
func (a *asks) List() []control.Approval {
	a.mu.Lock()
	defer a.mu.Unlock()
	items := a.desk.List(a.clock.now())
	out := make([]control.Approval, 0, len(items))
	for _, i := range items {
		out = append(out, shown(i))
	}
	return out
}

func programName(p policy.Program) string {
	if !p.Known {
		return "unknown"
	}
	return p.Exe
}
