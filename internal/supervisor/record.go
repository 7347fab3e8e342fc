package supervisor

import (
	"sync"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

// Equal refusals, and connections that wait on one question, become one line
// with a count within a window, so that a program in a loop cannot fill the
// disk. The first is written at once.
const (
	window   = time.Second
	mostKeys = 512 // different ones counted in one window; the rest are one line
)

// recorder is the road of every event into the book. Safe for concurrent use.
type recorder struct {
	append func(audit.Event)
	see    func(audit.Event) // what `run` lists at its end; nil otherwise

	mu     sync.Mutex
	counts map[refusal]*counted // protected by mu
	timer  *time.Timer          // protected by mu: runs while counts is not empty
	closed bool                 // protected by mu
}

type refusal struct {
	kind                          audit.Kind
	verdict, program, target, why string
	id                            string // of a question
}

type counted struct {
	event audit.Event
	more  int // beyond the first, which is written
}

func newRecorder(appendTo func(audit.Event)) *recorder {
	return &recorder{append: appendTo, counts: map[refusal]*counted{}}
}

// Event writes e, or counts it where an equal refusal was just written.
func (r *recorder) Event(e audit.Event) {
	if r.see != nil {
		r.see(e)
	}
	if !repeats(e) || r.first(e) {
		r.append(e)
	}
}

// repeats says whether the agent can make any number of such events. What an
// operator does it cannot.
func repeats(e audit.Event) bool {
	switch e.Kind {
	case audit.Approval:
		return e.Verdict == "ask"
	case audit.Reload:
		return false
	}
	return e.Verdict == "deny"
}

// first says whether e is to be written now; an equal one is only counted.
func (r *recorder) first(e audit.Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return true
	}
	key := refusal{e.Kind, e.Verdict, e.Program, e.Target, e.Why, e.ID}
	if _, known := r.counts[key]; !known && len(r.counts) >= mostKeys {
		key = refusal{kind: e.Kind, verdict: e.Verdict, why: "further ones of this second"}
		e = audit.Event{Kind: e.Kind, Wall: e.Wall, Verdict: e.Verdict, Program: "several", Target: "several", Why: key.why}
	}
	if c, known := r.counts[key]; known {
		c.more++
		return false
	}
	r.counts[key] = &counted{event: e}
	if r.timer == nil {
		r.timer = time.AfterFunc(window, r.flush)
	}
	return true
}

// flush writes a line for whatever was counted, and begins a new window.
func (r *recorder) flush() {
	r.mu.Lock()
	counts := r.counts
	r.counts, r.timer = map[refusal]*counted{}, nil
	r.mu.Unlock()
	for _, c := range counts {
		if c.more > 0 {
			e := c.event
			e.Count = c.more
			r.append(e)
		}
	}
}

// Close writes what was counted; later events are written one by one.
func (r *recorder) Close() {
	r.mu.Lock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	r.mu.Unlock()
	r.flush()
}
