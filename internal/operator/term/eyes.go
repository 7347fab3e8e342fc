package term

import (
	"context"
	"slices"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

const (
	lookAnyway = 10 * time.Second      // at what makes no event: whether a model server answers
	patience   = 5 * time.Second       // with a supervisor that does not answer
	breath     = 20 * time.Millisecond // between two looks at questions, and what one message gathers
)

// history is how many events the feed begins with.
const history = 200

// eyes watch the sandboxes of a home, or only one, and send what they see.
type eyes struct {
	home   state.Home
	driver driver.Driver
	only   state.Name // "" for all
	send   func(tea.Msg)
}

// watch looks until ctx ends, and returns when nothing of it runs any more.
func (e eyes) watch(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	watched := map[state.Name]context.CancelFunc{}
	again := stirs(ctx, e.home.Dir)
	for first := true; ; first = false {
		names, err := e.names()
		if err != nil || first || leave(watched, names) {
			e.send(found{names, err})
			for _, n := range names {
				if watched[n] == nil {
					watched[n] = e.attend(ctx, &all, n)
				}
			}
		}
		select {
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

func (e eyes) names() ([]state.Name, error) {
	if e.only == "" {
		return e.home.List()
	}
	if !e.home.Sandbox(e.only).Exists() {
		return nil, nil
	}
	return []state.Name{e.only}, nil
}

// leave lets go of sandboxes that are gone, and says whether anything changed.
func leave(watched map[state.Name]context.CancelFunc, names []state.Name) bool {
	changed := len(names) != len(watched)
	for n, stop := range watched {
		if !slices.Contains(names, n) {
			stop()
			delete(watched, n)
			changed = true
		}
	}
	return changed
}

// attend watches one sandbox in a goroutine of its own, until stop.
func (e eyes) attend(ctx context.Context, all *sync.WaitGroup, n state.Name) (stop context.CancelFunc) {
	ctx, stop = context.WithCancel(ctx)
	one := &attendant{eyes: e, sandbox: e.home.Sandbox(n), name: n}
	all.Go(func() { one.attend(ctx) })
	return stop
}
