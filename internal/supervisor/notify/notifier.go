package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/child"
)

// Word is the door of the process that notifies: `nemoclaw notify NAME`, with the wire as
// descriptor child.Descriptor.
const Word = "notify"

// Notifier is the supervisor's side. It is safe for concurrent use.
type Notifier struct {
	*child.Process
	wants func(id string) bool // whether the question still waits, and nobody watches

	told chan struct{}

	mu      sync.Mutex
	waiting []Question // protected by mu: nobody is notified of them yet
	failed  string     // protected by mu: why the last run failed
}

// most bounds the questions that are kept for the next run.
const most = 1024

// Start starts the process. wants is asked right before each run.
func Start(place state.Sandbox, wants func(id string) bool) (*Notifier, error) {
	p, err := child.Start(Word, place, os.Environ(), 0) // the operator's own, for his command
	if err != nil {
		return nil, err
	}
	return &Notifier{Process: p, wants: wants, told: make(chan struct{}, 1)}, nil
}

// Tell asks for a run, and never waits.
func (n *Notifier) Tell(q Question) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.waiting) < most {
		n.waiting = append(n.waiting, q)
	}
	select {
	case n.told <- struct{}{}:
	default:
	}
}

// Serve has one run after the other until ctx ends or the process is gone: what
// came meanwhile is one run.
func (n *Notifier) Serve(ctx context.Context) {
	in, out := json.NewDecoder(n.Wire), json.NewEncoder(n.Wire)
	defer context.AfterFunc(ctx, func() { n.Wire.Close() })()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.Gone():
			n.say("the process that runs it has ended")
			return
		case <-n.told:
		}
		q, any := n.next()
		if !any {
			continue
		}
		var r outcome
		if err := out.Encode(q); err == nil {
			err = in.Decode(&r)
			if err != nil && ctx.Err() == nil {
				r.Error = fmt.Sprintf("the process that runs it: %v", err)
			}
		}
		n.say(r.Error)
	}
}

// next is the oldest question that is still to be told of, and how many more
// there are.
func (n *Notifier) next() (q Question, any bool) {
	n.mu.Lock()
	all := n.waiting
	n.waiting = nil
	n.mu.Unlock()
	for _, one := range all {
		switch {
		case !n.wants(one.ID):
		case !any:
			q, any = one, true
		default:
			q.More++
		}
	}
	return q, any
}

func (n *Notifier) say(why string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed = why
}

// Failed is why the last run failed; empty where it was not.
func (n *Notifier) Failed() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failed
}
