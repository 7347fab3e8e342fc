package term

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// How often the eyes look, where nothing is pushed to them.
const (
	lookForSandboxes = 500 * time.Millisecond
	lookForLife      = 250 * time.Millisecond // of one that is away
	lookAnyway       = 10 * time.Second       // at what makes no event
	patience         = 5 * time.Second        // with a supervisor that does not answer
	breath           = 20 * time.Millisecond  // between two looks at questions, and what one message gathers
)

// history is how many events the feed begins with.
const history = 200

// eyes watch the sandboxes of a home, or only one, and send what they see.
type eyes struct {
	home   state.Home
	driver driver.Driver
	only   state.Name // "" for all
	send   func(tea.Msg)
}

// watch looks until ctx ends, and returns when nothing of it runs any more.
func (e eyes) watch(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	watched := map[state.Name]context.CancelFunc{}
	again := time.NewTicker(lookForSandboxes)
	defer again.Stop()
	for first := true; ; first = false {
		names, err := e.names()
		if err != nil || first || leave(watched, names) {
			e.send(found{names, err})
			for _, n := range names {
				if watched[n] == nil {
					watched[n] = e.attend(ctx, &all, n)
				}
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

func (e eyes) names() ([]state.Name, error) {
	if e.only == "" {
		return e.home.List()
	}
	if !e.home.Sandbox(e.only).Exists() {
		return nil, nil
	}
	return []state.Name{e.only}, nil
}

// leave lets go of sandboxes that are gone, and says whether anything changed.
func leave(watched map[state.Name]context.CancelFunc, names []state.Name) bool {
	changed := len(names) != len(watched)
	for n, stop := range watched {
		if !slices.Contains(names, n) {
			stop()
			delete(watched, n)
			changed = true
		}
	}
	return changed
}

// attend watches one sandbox in a goroutine of its own, until stop.
func (e eyes) attend(ctx context.Context, all *sync.WaitGroup, n state.Name) (stop context.CancelFunc) {
	ctx, stop = context.WithCancel(ctx)
	one := &attendant{eyes: e, sandbox: e.home.Sandbox(n), name: n}
	all.Go(func() { one.attend(ctx) })
	return stop
}

// attendant watches one sandbox.
type attendant struct {
	eyes
	sandbox state.Sandbox
	name    state.Name

	parsed string        // revision of the policy that hold is of
	hold   time.Duration // of that policy
}

// attend goes with the supervisor while there is one, and waits for the next.
func (a *attendant) attend(ctx context.Context) {
	for ctx.Err() == nil {
		err := a.accompany(ctx)
		if ctx.Err() != nil {
			return
		}
		a.rest(ctx, err)
	}
}

// rest shows that the sandbox is away, and why, until it is to be had again.
func (a *attendant) rest(ctx context.Context, cause error) {
	shown := a.showAbsent(ctx, cause)
	anew := time.NewTicker(lookForLife)
	defer anew.Stop()
	again := time.NewTicker(lookAnyway)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C: // stopped can become failed, or be edited
			a.send(away{a.name, a.absent(ctx, cause)})
		case <-anew.C:
			c, err := a.driver.Dial(ctx, a.sandbox)
			if err == nil {
				c.Close()
				return
			}
			if shown.State == between {
				shown = a.showAbsent(ctx, err)
			}
		}
	}
}

// showAbsent shows it with the last lines of its book: the very last ones are
// written when nobody is told any more.
func (a *attendant) showAbsent(ctx context.Context, cause error) control.Status {
	st := a.absent(ctx, cause)
	a.past()
	a.send(away{a.name, st})
	return st
}

// between is the state of a sandbox that has a supervisor, and the supervisor
// no door: not yet, or no more.
const between control.State = "starting or stopping"

// absent is the status of a sandbox whose events are not to be had.
func (a *attendant) absent(ctx context.Context, cause error) control.Status {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	st := control.Status{Name: string(a.name), State: control.Failed}
	client, err := a.driver.Dial(ctx, a.sandbox)
	if err != nil {
		asleep, err := a.driver.Status(ctx, a.sandbox)
		if err != nil {
			st.Why = err.Error()
			return st
		}
		return asleep
	}
	defer client.Close()
	_, err = client.Status(ctx)
	switch {
	case errors.As(err, new(*control.NotRunning)):
		st.State = between
	case err != nil:
		st.Why = errSilent.Error()
	default: // it answers one question and not the other
		st.Why = cause.Error()
	}
	return st
}

// accompany sends what one supervisor says, until it is gone. It asks for the
// events first, so that what happens while it looks is not missed.
func (a *attendant) accompany(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := a.driver.Dial(ctx, a.sandbox)
	if err != nil {
		return err
	}
	defer client.Close()
	stream, err := openEvents(ctx, client)
	if err != nil {
		return err
	}
	a.send(attached{a.name})
	a.past()
	var all sync.WaitGroup
	defer all.Wait()
	// Both before the wait: they end those who are waited for.
	defer stream.Close()
	defer cancel()
	questions, status := make(chan struct{}, 1), make(chan struct{}, 1)
	all.Go(func() { looks(ctx, questions, func() { a.lookAtQuestions(ctx, client) }) })
	all.Go(func() { looks(ctx, status, func() { a.lookAtStatus(ctx, client) }) })
	coming, end := make(chan audit.Event, 1024), make(chan error, 1)
	all.Go(func() { end <- readAll(ctx, stream, coming) })
	return a.relay(ctx, coming, end, func(e []audit.Event) { poke(e, questions, status) })
}

// openEvents bounds the wait for the stream's beginning, not the stream.
func openEvents(ctx context.Context, client *control.Client) (*control.Stream[audit.Event], error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(patience, func() { cancel(errSilent) })
	stream, err := client.Events(ctx)
	if !late.Stop() || err != nil {
		err = errors.Join(context.Cause(ctx), err)
		cancel(nil)
		if stream != nil {
			stream.Close()
		}
		return nil, err
	}
	return stream, nil
}

var errSilent = errors.New("its supervisor does not answer")

// past sends the last lines of the book.
func (a *attendant) past() {
	last, err := audit.Last(a.sandbox.AuditDir(), history, func(audit.Event) bool { return true })
	if err == nil && len(last) > 0 { // a book that cannot be read is what status is for
		a.send(happened{a.name, last, true})
	}
}

func readAll(ctx context.Context, stream *control.Stream[audit.Event], out chan<- audit.Event) error {
	for {
		e, err := stream.Next()
		if err != nil {
			return err
		}
		select {
		case out <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// relay sends events as they come, those of a moment together, and has the
// rest looked at when they tell of a change.
func (a *attendant) relay(ctx context.Context, coming <-chan audit.Event, end <-chan error, poke func([]audit.Event)) error {
	anyway := time.NewTicker(lookAnyway)
	defer anyway.Stop()
	poke(nil)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-anyway.C:
			poke(nil)
		case e := <-coming:
			batch := gather(e, coming)
			a.send(happened{a.name, batch, false})
			poke(batch)
		case err := <-end:
			if batch := drain(coming); len(batch) > 0 {
				a.send(happened{a.name, batch, false})
			}
			return err
		}
	}
}

// gather takes what comes within a breath of first.
func gather(first audit.Event, coming <-chan audit.Event) []audit.Event {
	batch := []audit.Event{first}
	enough := time.NewTimer(breath)
	defer enough.Stop()
	for len(batch) < cap(coming) {
		select {
		case e := <-coming:
			batch = append(batch, e)
		case <-enough.C:
			return batch
		}
	}
	return batch
}

func drain(coming <-chan audit.Event) (batch []audit.Event) {
	for {
		select {
		case e := <-coming:
			batch = append(batch, e)
		default:
			return batch
		}
	}
}

// poke asks for a look at what the events may have changed; nil for both.
func poke(all []audit.Event, questions, status chan<- struct{}) {
	q, s := all == nil, all == nil
	for _, e := range all {
		switch e.Kind {
		case audit.Approval, audit.Network, audit.Names:
			q = true
		case audit.Agent, audit.Damage:
			s = true
		case audit.Start, audit.Stop, audit.Reload, audit.Gap:
			q, s = true, true
		case audit.Inference:
			s = s || e.Call != nil && e.Call.Error != ""
		}
	}
	for due, c := range map[chan<- struct{}]bool{questions: q, status: s} {
		if !c {
			continue
		}
		select {
		case due <- struct{}{}:
		default: // a look is due already
		}
	}
}

// looks calls look when it is due, not more often than once a breath.
func looks(ctx context.Context, due <-chan struct{}, look func()) {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rest.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-due:
			look()
			rest.Reset(breath)
		}
	}
}

func (a *attendant) lookAtQuestions(ctx context.Context, client *control.Client) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if all, err := client.Approvals(ctx); err == nil { // one that does not answer shows in its status
		a.send(asked{a.name, all})
	}
}

func (a *attendant) lookAtStatus(ctx context.Context, client *control.Client) {
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	st, err := client.Status(short)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		st = control.Status{Name: string(a.name), State: control.Failed, Why: errSilent.Error()}
	}
	a.send(standing{a.name, st, a.holdOf(st.NetworkPolicy.Revision)})
}

// holdOf is how long the policy in force holds a connection, read from the
// file as long as that is the one in force.
func (a *attendant) holdOf(revision string) time.Duration {
	if revision == "" || revision == a.parsed {
		return a.hold
	}
	a.parsed, a.hold = revision, 0
	b, err := os.ReadFile(a.sandbox.PolicyFile())
	if err != nil {
		return 0
	}
	p, err := policy.Parse(a.sandbox.PolicyFile(), b)
	if err == nil && p.Revision() == revision {
		a.hold = p.Hold()
	}
	return a.hold
}
