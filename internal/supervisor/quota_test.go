package supervisor

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/launch"
)

// workspaceOf is one that a test fills.
type workspaceOf struct {
	used, free, asked atomic.Uint64
	hides             atomic.Bool
	takes             time.Duration // to measure it
	box               stoppable
}

func (w *workspaceOf) usage(context.Context) (launch.Used, error) {
	w.asked.Add(1)
	time.Sleep(w.takes)
	if w.hides.Load() {
		return launch.Used{}, nil
	}
	return launch.Used{Bytes: w.used.Load(), Whole: true}, nil
}

func (w *workspaceOf) write(n int64) { w.used.Add(uint64(n)); w.free.Add(uint64(-n)) }

func (w *workspaceOf) watched(t *testing.T, limit int64) {
	w.free.Store(1 << 50)
	d := &disk{box: &w.box, say: func(string, ...any) {}, record: func(audit.Event) {}, quota: newQuota(limit, w.usage)}
	d.free = func() (uint64, error) { return w.free.Load(), nil }
	go d.watch(t.Context())
	w.settle(t)
}

// settle lets the watch see what is there now.
func (w *workspaceOf) settle(t *testing.T) {
	t.Helper()
	time.Sleep(2 * time.Second)
	synctest.Wait()
}

func (w *workspaceOf) did(t *testing.T, what string, want ...string) {
	t.Helper()
	w.settle(t)
	if !slices.Equal(w.box.did, want) {
		t.Errorf("%s: %v, want %v", what, w.box.did, want)
	}
}

func TestWorkspaceIsHeldToItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &workspaceOf{}
		w.watched(t, 100<<20)
		w.write(90 << 20)
		w.did(t, "below the limit")
		w.free.Store(1 << 40)
		w.did(t, "what others write is not held against it")
		w.write(11 << 20)
		w.did(t, "above", "pause")
		w.write(-3 << 20)
		w.did(t, "a little below", "pause")
		w.write(-50 << 20)
		w.did(t, "with room", "pause", "resume")
	})
}

// What cannot be looked into is taken for as full as it can be.
func TestHiddenIsTakenForFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &workspaceOf{}
		w.watched(t, 100<<20)
		w.hides.Store(true)
		w.write(50 << 20)
		w.did(t, "half of it")
		w.write(51 << 20)
		w.did(t, "more than it may hold", "pause")
		w.hides.Store(false)
		w.write(-90 << 20)
		w.did(t, "when it can be seen", "pause", "resume")
	})
}

// An idle workspace is measured now and then, not all the time: the less often, the
// longer it takes.
func TestMeasuringIsRare(t *testing.T) {
	for took, most := range map[time.Duration]uint64{0: 61, 100 * time.Millisecond: 13, time.Second: 5} {
		synctest.Test(t, func(t *testing.T) {
			w := &workspaceOf{takes: took}
			w.watched(t, 1<<30)
			w.asked.Store(0)
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := w.asked.Load(); n < most-3 || n > most {
				t.Errorf("measured %d times in a minute, each of %s", n, took)
			}
		})
	}
}

// What others free meanwhile hides what the workspace takes for a moment only.
func TestOthersFreeMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &workspaceOf{}
		w.watched(t, 100<<20)
		w.write(101 << 20)
		w.free.Add(200 << 20)
		w.did(t, "above, while the disk has more room than before", "pause")
	})
}
