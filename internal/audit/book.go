package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Bounds of the queue between those who append and the disk.
const (
	maxQueued      = 1 << 16  // events
	maxQueuedBytes = 32 << 20 // bytes, roughly
	groupBytes     = 1 << 20  // bytes of one commit, roughly
)

// gather is how long an event that nobody waits for may wait for company: with
// the disk's own time it is durable within 10 ms.
const gather = 5 * time.Millisecond

// Book is a book open for writing. It is safe for concurrent use; no method
// but Sync and Close waits for the disk.
type Book struct {
	writer writer // owned by the goroutine of run
	damage error  // found by Open; never changes

	wake chan struct{} // capacity 1: there is something to look at
	done chan struct{} // closed when run has ended

	mu       sync.Mutex
	queue    []entry               // protected by mu
	bytes    int                   // of queue; protected by mu
	urgent   bool                  // somebody waits; protected by mu
	lost     int                   // events that found the queue full; protected by mu
	err      error                 // the disk's; protected by mu
	closed   bool                  // protected by mu
	watchers map[*watcher]struct{} // protected by mu
}

// entry is one event on its way to the disk.
type entry struct {
	event Event
	done  chan error // capacity 1, of Sync; nil of Append
}

func (e entry) bytes() int {
	n := 512 + len(e.event.Target) + len(e.event.Why) + len(e.event.Program)
	if c := e.event.Call; c != nil {
		n += len(c.Prompt) + len(c.Answer)
	}
	return n
}

// ErrFull means that events come faster than the disk takes them, and that
// some were lost; the book says how many.
var ErrFull = errors.New("audit book: the queue to the disk is full")

// ErrClosed means that the book was closed.
var ErrClosed = errors.New("audit book: closed")

// atOpen begins what Open says of a damage: Verify tells it by that from what was
// lost to a full disk.
const atOpen = "found when the book was opened: "

// Open opens the book in dir, whose anchor is a file elsewhere, to write; both
// are made where they do not exist. A torn end, as a crash leaves it, is
// dropped. Where more is wrong, the book goes on after a Damage event that
// says so, and Verify names the place for good. A book has one writer.
func Open(dir, anchorPath string) (*Book, error) {
	for _, d := range []string{dir, filepath.Dir(anchorPath)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open book: %w", err)
		}
	}
	w, damage, err := openWriter(dir, anchorPath)
	if err != nil {
		return nil, err
	}
	b := &Book{
		writer:   w,
		damage:   damage,
		wake:     make(chan struct{}, 1),
		done:     make(chan struct{}),
		watchers: map[*watcher]struct{}{},
	}
	if damage != nil {
		b.Append(Event{Kind: Damage, Why: atOpen + damage.Error()})
	}
	go b.run()
	return b, nil
}

// Damage is what was wrong with the book when it was opened, beyond what a
// crash leaves; nil when it was whole. It is a standing condition for status.
func (b *Book) Damage() error { return b.damage }

// Append hands e over and returns at once. Time is set here, the rest of its
// place when it is written. Once Err is not nil, e may be lost; the book then
// says how many were.
func (b *Book) Append(e Event) { _ = b.enqueue(entry{event: e}) }

// Sync returns when e is durable, or with the reason why it will not be. When
// ctx ends first, e may still become durable.
func (b *Book) Sync(ctx context.Context, e Event) error {
	wait := make(chan error, 1)
	if err := b.enqueue(entry{event: e, done: wait}); err != nil {
		return err
	}
	select {
	case err := <-wait:
		return err
	case <-ctx.Done():
		return fmt.Errorf("write audit book: %w", ctx.Err())
	}
}

func (b *Book) enqueue(e entry) error {
	e.event.bound()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil && (e.done != nil || b.closed):
		return b.err
	case b.closed:
		return ErrClosed
	case len(b.queue) >= maxQueued || b.bytes >= maxQueuedBytes:
		b.lost++
		return ErrFull
	}
	e.event.Time = time.Now().UTC()
	first := len(b.queue) == 0
	b.queue = append(b.queue, e)
	b.bytes += e.bytes()
	if e.done != nil || b.bytes > groupBytes {
		b.urgent = true
	}
	if first || b.urgent {
		b.signal()
	}
	return nil
}

func (b *Book) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Err is nil while the book can be written. While it is not, no gate may let
// anything through. It heals by itself where the cause can (a full disk).
func (b *Book) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return b.err
	case b.closed:
		return ErrClosed
	case b.lost > 0:
		return ErrFull
	}
	return nil
}

// Close writes what is queued, as far as the disk lets it, and ends every
// Watch. It is safe to call twice.
func (b *Book) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.signal()
	<-b.done
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.watchers {
		b.drop(w)
	}
	return b.err
}
