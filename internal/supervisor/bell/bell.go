package bell

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/child"
)

// Word is the door of the bell's process: `nemoclaw bell NAME`, with the wire as
// descriptor child.Descriptor.
const Word = "bell"

// Bell is the supervisor's side. It is safe for concurrent use.
type Bell struct {
	*child.Process
	wants func(id string) bool // whether the question still waits, and nobody watches

	told chan struct{}

	mu      sync.Mutex
	waiting []Question // protected by mu: not rung for yet
	failed  string     // protected by mu: why the last ring was in vain
}

// most bounds the questions that are kept for the next ring.
const most = 1024

// Hang starts the bell's process. wants is asked right before each ring.
func Hang(place state.Sandbox, wants func(id string) bool) (*Bell, error) {
	p, err := child.Start(Word, place, os.Environ()) // the operator's own, for his command
	if err != nil {
		return nil, err
	}
	return &Bell{Process: p, wants: wants, told: make(chan struct{}, 1)}, nil
}

// Ring asks for a ring, and never waits.
func (b *Bell) Ring(q Question) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) < most {
		b.waiting = append(b.waiting, q)
	}
	select {
	case b.told <- struct{}{}:
	default:
	}
}

// Serve rings one after the other until ctx ends or the process is gone: what
// came meanwhile is one ring.
func (b *Bell) Serve(ctx context.Context) {
	in, out := json.NewDecoder(b.Wire), json.NewEncoder(b.Wire)
	defer context.AfterFunc(ctx, func() { b.Wire.Close() })()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.Gone():
			b.say("the process that runs it has ended")
			return
		case <-b.told:
		}
		q, any := b.next()
		if !any {
			continue
		}
		var r rung
		if err := out.Encode(q); err == nil {
			err = in.Decode(&r)
			if err != nil && ctx.Err() == nil {
				r.Error = fmt.Sprintf("the process that runs it: %v", err)
			}
		}
		b.say(r.Error)
	}
}

// next is the oldest question that is still to be rung for, and how many more
// there are.
func (b *Bell) next() (q Question, any bool) {
	b.mu.Lock()
	all := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for _, one := range all {
		switch {
		case !b.wants(one.ID):
		case !any:
			q, any = one, true
		default:
			q.More++
		}
	}
	return q, any
}

func (b *Bell) say(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = why
}

// Failed is why the last ring was in vain; empty where it was not.
func (b *Bell) Failed() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}
