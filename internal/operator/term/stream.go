package term

import (
	"context"
	"errors"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
)

// openEvents bounds the wait for the stream's beginning, not the stream.
func openEvents(ctx context.Context, client *control.Client) (*control.Stream[audit.Event], error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(patience, func() { cancel(errSilent) })
	stream, err := client.View(ctx)
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

// listen sends model calls as they are answered. A supervisor that does not
// tell, or stops telling, shows them in its events.
func (a *attendant) listen(ctx context.Context, client *control.Client) {
	stream, err := client.Calls(ctx)
	if err != nil {
		return
	}
	defer stream.Close()
	for {
		c, err := stream.Next()
		if err != nil {
			return
		}
		a.send(speaking{a.name, c})
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
