package audit

import (
	"context"
	"time"
)

// watchDepth is how far a reader may fall behind before it misses events.
const watchDepth = 1024

// watcher is one reader of events as they become durable.
type watcher struct {
	out    chan Event
	missed int
}

// send never waits. A reader that was too slow gets a Gap event with the
// number of those it missed as soon as it has room again.
func (w *watcher) send(e Event) {
	if w.missed > 0 && len(w.out)+1 < cap(w.out) {
		w.out <- Event{Version: version, Time: time.Now().UTC(), Kind: Gap, Count: w.missed, Why: "this reader was too slow"}
		w.missed = 0
	}
	if w.missed > 0 || len(w.out) == cap(w.out) {
		w.missed++
		return
	}
	w.out <- e // run alone sends, and there is room
}

// Watch yields the events that become durable from now on, until ctx ends or
// the book is closed; then the channel closes. A slow reader misses events and
// is told so by a Gap event; it never holds anybody up.
func (b *Book) Watch(ctx context.Context) <-chan Event {
	w := &watcher{out: make(chan Event, watchDepth)}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.done:
		close(w.out)
		return w.out
	default:
	}
	b.watchers[w] = struct{}{}
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.drop(w)
	})
	return w.out
}

// drop ends w. The caller holds mu.
func (b *Book) drop(w *watcher) {
	if _, living := b.watchers[w]; !living {
		return
	}
	delete(b.watchers, w)
	close(w.out)
}
