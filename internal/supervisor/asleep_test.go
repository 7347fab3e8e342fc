package supervisor

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A process that did not run is told from one that did, by either clock.
func TestSlept(t *testing.T) {
	at := func(boot, wall time.Duration) reading { return reading{time.Unix(1e9, 0).Add(wall), boot} }
	const hour = time.Hour
	for _, c := range []struct {
		what string
		is   reading
		want time.Duration
	}{
		{"awake", at(glance, glance), 0},
		{"a busy machine", at(glance+missing/2, glance+missing/2), 0},
		{"asleep", at(hour+glance, hour+glance), hour},
		{"asleep, and the wall clock does not know", at(hour+glance, glance), hour},
		{"laid aside", at(glance, hour+glance), hour},
		{"the wall clock put back", at(glance, -hour), 0},
	} {
		if got := slept(at(0, 0), c.is); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

// Each sleep is acted on once, one act at a time, and one that comes during an act
// is not forgotten.
func TestWhenWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var asleep atomic.Int64
		read := func() reading { return reading{time.Now(), time.Since(began) + time.Duration(asleep.Load())} }
		ctx, stop := context.WithCancel(t.Context())
		var mu sync.Mutex
		var acts []time.Duration // protected by mu
		acted := func() []time.Duration { mu.Lock(); defer mu.Unlock(); return slices.Clone(acts) }
		done := make(chan struct{})
		go func() {
			defer close(done)
			whenWoken(ctx, read, func() {}, func(away time.Duration) {
				mu.Lock()
				acts = append(acts, away)
				mu.Unlock()
				select {
				case <-time.After(3 * glance):
				case <-ctx.Done():
				}
			})
		}()
		pass := func(d time.Duration) { <-time.After(d); synctest.Wait() }
		pass(10*glance + time.Second)
		if acts := acted(); len(acts) != 0 {
			t.Fatalf("awake: %v", acts)
		}
		asleep.Add(int64(time.Hour))
		pass(glance)
		asleep.Add(int64(2 * time.Hour))
		pass(glance)
		if acts := acted(); len(acts) != 1 {
			t.Errorf("during an act: %v", acts)
		}
		pass(3 * glance)
		stop()
		<-done
		if acts, want := acted(), []time.Duration{time.Hour, 2 * time.Hour}; !slices.Equal(acts, want) {
			t.Errorf("%v, want %v", acts, want)
		}
	})
}
