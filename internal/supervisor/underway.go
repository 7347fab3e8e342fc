package supervisor

import (
	"context"
	"slices"
	"sync"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
)

// underway tells those who watch of model calls that are being answered. It
// waits for nobody. The zero value is ready, and safe for concurrent use.
type underway struct {
	mu      sync.Mutex
	readers []chan control.Underway // protected by mu
}

// underwayRoom is how many words one reader may be behind.
const underwayRoom = 256

// tell passes a word on. A reader that is behind misses it; the end of a call
// takes the place of the oldest word that waits.
func (u *underway) tell(word func() inference.Underway) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.readers) == 0 {
		return
	}
	w := shownCall(word())
	for _, r := range u.readers {
		select {
		case r <- w:
			continue
		default:
		}
		if !w.Ended {
			continue
		}
		select {
		case <-r:
		default: // it was read just now
		}
		select {
		case r <- w:
		default:
		}
	}
}

func shownCall(u inference.Underway) control.Underway {
	c := u.Call
	return control.Underway{
		ID: u.ID, Time: c.Time, Program: c.Program, API: c.API, Asked: c.Asked, Given: c.Given,
		Answer: c.Answer, Millis: int64(c.Duration), Ended: u.Ended,
	}
}

// follow yields what comes until ctx ends.
func (u *underway) follow(ctx context.Context) <-chan control.Underway {
	r := make(chan control.Underway, underwayRoom)
	u.mu.Lock()
	u.readers = append(u.readers, r)
	u.mu.Unlock()
	context.AfterFunc(ctx, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.readers = slices.DeleteFunc(u.readers, func(o chan control.Underway) bool { return o == r })
	})
	return r
}

// Calls are the model calls that are being answered.
func (o offers) Calls(ctx context.Context) (<-chan control.Underway, error) {
	return o.speaking.follow(ctx), nil
}
