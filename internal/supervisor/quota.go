package supervisor

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/nemoclaw/nemoclaw/internal/launch"
)

// A workspace with a limit is measured by PID 1, which adds up what lies in it:
// 0.1 s for some ten thousand files. So it is measured only when it may hold much
// more than it did: no more than has gone from the free space of its disk can have
// been added, unless somebody else freed some meanwhile. For their sake it is measured
// now and then all the same, for a fiftieth of the time at most: each second where
// little lies in it.

// seldom is how long a measurement is believed at most.
const seldom = 15 * time.Second

// believed is how long m is, when nothing speaks against it.
func (m measurement) believed() time.Duration { return min(max(slowly, 50*m.took), seldom) }

// headroom is how much before the limit the disk is looked at fast, in bytes: a
// program writes at most some gigabytes a second.
const headroom = 1 << 30

// quota measures one workspace. It belongs to the disk's watch, but for measured.
// A nil quota has room for everything.
type quota struct {
	limit uint64
	usage func(context.Context) (launch.Used, error)

	last     measurement
	measured chan measurement // holds at most one
	asking   bool
	asker    sync.WaitGroup

	largest atomic.Pointer[string] // the name of a file that was as large as one may be, the last that was seen
}

// measurement is what lay in the workspace, and how it was found out.
type measurement struct {
	used  uint64
	whole bool
	free  uint64 // on the disk, when it began
	ended time.Time
	took  time.Duration
	err   error
}

func newQuota(limit int64, usage func(context.Context) (launch.Used, error)) *quota {
	if limit <= 0 {
		return nil
	}
	return &quota{limit: uint64(limit), usage: usage, measured: make(chan measurement, 1)}
}

// look takes a measurement that has ended, and begins one that is due.
func (q *quota) look(ctx context.Context, free uint64) error {
	if q == nil {
		return nil
	}
	select {
	case m := <-q.measured:
		q.asking = false
		if m.err != nil {
			return m.err
		}
		if !m.whole { // the agent hides some: take the worst for it
			m.used, m.free = max(m.used, q.most(free)), free
		}
		q.last = m
	default:
	}
	if !q.asking && q.due(free) {
		q.asking = true
		q.asker.Go(func() { q.measured <- q.measure(ctx, free) })
	}
	return nil
}

func (q *quota) measure(ctx context.Context, free uint64) measurement {
	began := time.Now()
	u, err := q.usage(ctx)
	if ctx.Err() != nil {
		err = nil // the watch ends anyway
	}
	ended := time.Now()
	if u.Largest != "" {
		q.largest.Store(&u.Largest)
	}
	return measurement{u.Bytes, u.Whole, free, ended, ended.Sub(began), err}
}

// due says whether it is time to measure, which may take a fifth of it.
func (q *quota) due(free uint64) bool {
	since := time.Since(q.last.ended)
	if q.last.ended.IsZero() || since >= q.last.believed() {
		return true
	}
	if q.last.used > q.limit-q.limit/16 { // somebody may be waiting for room
		return since >= max(slowly, 4*q.last.took)
	}
	grown := q.most(free) - q.last.used
	left := q.limit - min(q.limit, q.last.used)
	return since >= 4*q.last.took && grown > left/8
}

// most is what the workspace may hold by now, to judge by the disk.
func (q *quota) most(free uint64) uint64 {
	if free >= q.last.free {
		return q.last.used
	}
	return q.last.used + q.last.free - free
}

func (q *quota) short(free uint64) (why string, roomy bool) {
	if q == nil {
		return "", true
	}
	if q.last.used > q.limit {
		return fmt.Sprintf("/sandbox holds %s, and its limit is %s", humanize.IBytes(q.last.used), humanize.IBytes(q.limit)), false
	}
	return "", q.last.used <= q.limit-q.limit/16
}

func (q *quota) isNear(free uint64) bool {
	return q != nil && q.limit-min(q.limit, q.most(free)) < headroom
}

func (q *quota) wait() {
	if q != nil {
		q.asker.Wait()
	}
}
