package audit

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// retry is how long run waits before it tries a full disk again.
const retry = time.Second

// run is the one writer: it takes what is queued, commits it as a group, and
// then tells those who wait and those who watch.
func (b *Book) run() {
	defer close(b.done)
	defer b.writer.close()
	for {
		group := b.take()
		if group == nil {
			return
		}
		err := b.writer.commit(group)
		if err != nil {
			b.failed(group, err)
			if errors.Is(err, errLasting) || !b.pause() {
				b.abandon()
				return
			}
			continue
		}
		b.tell(group)
	}
}

// take waits for the next group; nil when the book is closed and all is taken.
func (b *Book) take() []entry {
	var company <-chan time.Time
	for {
		b.mu.Lock()
		n := len(b.queue)
		if n == 0 && b.closed {
			b.mu.Unlock()
			return nil
		}
		if n > 0 && (b.urgent || b.closed) {
			group := b.cut()
			b.mu.Unlock()
			return group
		}
		b.mu.Unlock()
		if n > 0 && company == nil {
			company = time.After(gather)
		}
		select {
		case <-b.wake:
		case <-company:
			b.mu.Lock()
			b.urgent = true
			b.mu.Unlock()
		}
	}
}

// cut takes a group of bounded size off the queue. The caller holds mu.
func (b *Book) cut() []entry {
	if b.lost > 0 {
		lost := Event{Time: time.Now().UTC(), Kind: Damage, Why: "lost: " + ErrFull.Error(), Count: b.lost}
		b.queue = append(b.queue, entry{event: lost})
		b.bytes += entry{event: lost}.bytes()
		b.lost = 0
	}
	size, n := 0, 0
	for n < len(b.queue) && size < groupBytes {
		size += b.queue[n].bytes()
		n++
	}
	group := b.queue[:n:n]
	b.queue = b.queue[n:]
	b.bytes -= size
	if len(b.queue) == 0 {
		b.queue = nil // a burst's memory goes with it
		b.urgent = false
	}
	return group
}

// failed tells those who wait that their events are not in the book, and puts
// the others back to be tried again.
func (b *Book) failed(group []entry, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var again []entry
	if b.err == nil {
		// It will tell of this time, and makes sure that there is something to
		// try again with.
		note := Event{Time: time.Now().UTC(), Kind: Damage, Why: "from here on, for a while: " + err.Error()}
		again = append(again, entry{event: note})
	}
	b.err = err
	for _, e := range slices.Concat(group, b.queue) {
		if e.done != nil {
			e.done <- err
			continue
		}
		again = append(again, e)
	}
	b.queue, b.bytes = again, 0
	for _, e := range again {
		b.bytes += e.bytes()
	}
	b.urgent = true
}

// pause waits before the next attempt; false when the book was closed.
func (b *Book) pause() bool {
	patience := time.After(retry)
	for {
		b.mu.Lock()
		closed := b.closed
		b.mu.Unlock()
		if closed {
			return false
		}
		select {
		case <-patience:
			return true
		case <-b.wake:
		}
	}
}

// abandon gives up what is queued; err says why to everyone who asks.
func (b *Book) abandon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, e := range b.queue {
		if e.done != nil {
			e.done <- b.err
		}
	}
	b.queue = nil
}

func (b *Book) tell(group []entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = nil
	for _, e := range group {
		if e.done != nil {
			e.done <- nil
		}
		for w := range b.watchers {
			w.send(e.event)
		}
	}
}

// maxText bounds a prompt or an answer in the book, in bytes.
const maxText = 4 << 20

// bound cuts texts that would make a line too long to read again.
func (e *Event) bound() {
	if e.Call == nil || (len(e.Call.Prompt) <= maxText && len(e.Call.Answer) <= maxText) {
		return
	}
	c := *e.Call // the caller keeps its own
	c.Prompt, c.Answer = shorten(c.Prompt), shorten(c.Answer)
	e.Call = &c
}

func shorten(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return fmt.Sprintf("%s… (%d more bytes)", s[:n], len(s)-n)
}
