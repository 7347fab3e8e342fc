package term

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// attendant watches one sandbox.
type attendant struct {
	eyes
	sandbox state.Sandbox
	name    state.Name

	parsed string        // revision of the policy that hold is of
	hold   time.Duration // of that policy

	stirs <-chan struct{} // when something comes into its folders or goes
	pause time.Duration   // before the next look for its life; 0 is none
}

// attend goes with the supervisor while there is one, and waits for the next.
func (a *attendant) attend(ctx context.Context) {
	a.stirs, a.pause = stirs(ctx, a.sandbox.Dir(), a.sandbox.RunDir()), firstPause
	for ctx.Err() == nil {
		err := a.accompany(ctx)
		if ctx.Err() != nil {
			return
		}
		a.rest(ctx, err)
	}
}

// A supervisor that is coming up has its socket for an instant before it
// listens. So a stir is followed by a few looks, ever further apart, and then by
// none.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// rest shows that the sandbox is away, and why, until it is to be had again.
func (a *attendant) rest(ctx context.Context, cause error) {
	shown := a.showAbsent(ctx, cause)
	anew := time.NewTimer(a.pause)
	defer anew.Stop()
	again := time.NewTicker(lookAnyway)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C: // stopped can become failed, or be edited
			a.send(away{a.name, a.absent(ctx, cause)})
		case <-a.stirs:
			a.pause = firstPause
		case <-anew.C:
			if a.pause *= 2; a.pause > lastPause {
				continue // until something stirs
			}
		}
		anew.Reset(a.pause)
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
	a.pause = firstPause
	a.past()
	var all sync.WaitGroup
	defer all.Wait()
	// Both before the wait: they end those who are waited for.
	defer stream.Close()
	defer cancel()
	questions, status := make(chan struct{}, 1), make(chan struct{}, 1)
	all.Go(func() { looks(ctx, questions, func() { a.lookAtQuestions(ctx, client) }) })
	all.Go(func() { looks(ctx, status, func() { a.lookAtStatus(ctx, client) }) })
	all.Go(func() { a.listen(ctx, client) })
	coming, end := make(chan audit.Event, 1024), make(chan error, 1)
	all.Go(func() { end <- readAll(ctx, stream, coming) })
	return a.relay(ctx, coming, end, func(e []audit.Event) { poke(e, questions, status) })
}
