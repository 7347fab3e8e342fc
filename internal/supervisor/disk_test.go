package supervisor

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

// stoppable remembers what was done with it.
type stoppable struct {
	did   []string
	fails error
}

func (s *stoppable) Pause() error  { s.did = append(s.did, "pause"); return s.fails }
func (s *stoppable) Resume() error { s.did = append(s.did, "resume"); return s.fails }

func TestReserveIsKept(t *testing.T) {
	box := &stoppable{}
	var told []string
	d := &disk{box: box, reserve: 100, say: func(string, ...any) {}, record: func(e audit.Event) { told = append(told, e.Verdict) }}
	d.free = func() (uint64, error) { return 99, nil }
	for _, free := range []uint64{1000, 100, 99, 0, 100, 124, 125, 99} {
		if err := d.judge(free); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"pause", "resume", "pause"}; !slices.Equal(box.did, want) {
		t.Errorf("%v, want %v", box.did, want)
	}
	if want := []string{"paused", "resumed", "paused"}; !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
	if !strings.Contains(d.note(), "99 B free on the disk") {
		t.Error("status does not name the cause")
	}
}

// Near the reserve the disk is looked at twenty times a second.
func TestDiskIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &stoppable{}
		var free, looks atomic.Uint64
		free.Store(1 << 40)
		d := &disk{box: box, reserve: 1 << 20, say: func(string, ...any) {}, record: func(audit.Event) {}}
		d.free = func() (uint64, error) { looks.Add(1); return free.Load(), nil }
		go d.watch(t.Context())
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if n := looks.Swap(0); n != 11 {
			t.Errorf("%d looks in 10 s with much room", n)
		}
		free.Store(2 << 20)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := looks.Load(); n < 20 || len(box.did) > 0 {
			t.Errorf("%d looks in 2 s near the reserve, %v", n, box.did)
		}
		free.Store(0)
		time.Sleep(fast)
		synctest.Wait()
		if !slices.Equal(box.did, []string{"pause"}) {
			t.Errorf("without room: %v", box.did)
		}
	})
}

// A sandbox that cannot be stopped must not go on.
func TestUnstoppableEndsTheWatch(t *testing.T) {
	d := &disk{box: &stoppable{fails: errors.New("gone")}, reserve: 1, free: func() (uint64, error) { return 0, nil }}
	if err := d.watch(t.Context()); err == nil {
		t.Error("nobody was told")
	}
}
