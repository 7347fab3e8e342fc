package supervisor

import (
	"context"
	"sync"
	"time"
)

// glance is how often the clocks are compared, and missing how much more time
// than that must have passed for a machine that has slept.
const (
	glance  = 5 * time.Second
	missing = 5 * time.Second
)

// reading is what the clocks said at one moment.
type reading struct {
	wall time.Time
	boot time.Duration
}

func (c clock) read() reading {
	m := c.now()
	return reading{m.Wall, m.Boot}
}

// slept says for how long this process did not run between two glances: 0 where it
// ran. The clock of this boot goes on while a machine sleeps, or while we alone are
// stopped; where a virtual machine was laid aside, only the wall clock tells, once
// somebody has set it.
func slept(was, is reading) time.Duration {
	away := is.boot - was.boot - glance
	if set := is.wall.Sub(was.wall) - (is.boot - was.boot); set > away {
		away = set
	}
	if away < missing {
		return 0
	}
	return away
}

// whenWoken glances at the clocks, calls also each time, which must not take long, and act after each time that this process did not run for a while,
// one call at a time, until ctx ends. What others thought of it meanwhile is to be
// found out; after a false alarm that does no harm.
func whenWoken(ctx context.Context, read func() reading, also func(), act func(away time.Duration)) {
	woken := make(chan time.Duration, 1)
	var acts sync.WaitGroup
	defer acts.Wait()
	defer close(woken)
	acts.Go(func() {
		for away := range woken {
			act(away)
		}
	})
	look := time.NewTicker(glance)
	defer look.Stop()
	for was := read(); ; {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		also()
		is := read()
		if away := slept(was, is); away > 0 {
			select {
			case woken <- away:
			default: // one is due already
			}
		}
		was = is
	}
}

// wake closes, after a sleep, the connections whose other end is gone.
func (k *keeper) wake(ctx context.Context, away time.Duration) {
	var flows, calls int
	var both sync.WaitGroup
	both.Go(func() { flows = k.gate.Wake(ctx) })
	both.Go(func() { calls = k.router.Wake(ctx) })
	both.Wait()
	if flows+calls > 0 {
		k.log.Say("after %s asleep: %d connections outside and %d to model servers had no other end any more, and were closed", away.Round(time.Second), flows, calls)
	}
}
