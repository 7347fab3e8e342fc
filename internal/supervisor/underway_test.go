package supervisor

import (
	"context"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
)

// Who watches hears of a call and of its end, however slow he is, and nobody
// waits for him; where nobody watches nothing is made up.
func TestUnderway(t *testing.T) {
	var u underway
	word := func(id uint64, ended bool) func() inference.Underway {
		return func() inference.Underway { return inference.Underway{ID: id, Ended: ended} }
	}
	u.tell(func() inference.Underway { t.Error("made for nobody"); return inference.Underway{} })
	ctx, leave := context.WithCancel(t.Context())
	slow := u.follow(ctx)
	for range 10 * underwayRoom {
		u.tell(word(1, false))
	}
	u.tell(word(1, true))
	got := 0
	for w := range slow {
		got++
		if w.Ended {
			break
		}
	}
	if got != underwayRoom {
		t.Errorf("%d words, want %d", got, underwayRoom)
	}
	leave()
	for left := false; !left; {
		u.mu.Lock()
		left = len(u.readers) == 0
		u.mu.Unlock()
	}
}
