package inference

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// clock calls late when it was not wound for a while. Winding is cheap: a timer
// looks only now and then whether it was.
type clock struct {
	idle  time.Duration
	late  func()
	began time.Time
	wound atomic.Int64 // since began

	mu    sync.Mutex
	until time.Duration // since began: late even if wound; 0 for never; protected by mu
	timer *time.Timer   // protected by mu
}

func newClock(idle time.Duration, late func()) *clock {
	c := &clock{idle: idle, late: late, began: time.Now()}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(idle, c.look)
	return c
}

func (c *clock) wind() { c.wound.Store(int64(time.Since(c.began))) }

func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
}

// look is called by the timer alone.
func (c *clock) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.began)
	due := time.Duration(c.wound.Load()) + c.idle
	if c.until > 0 {
		due = min(due, c.until)
	}
	if now >= due {
		c.late()
		return
	}
	c.timer.Reset(due - now)
}

// hurry leaves little time from now on: what was wanted is there.
func (c *clock) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Since(c.began) + graceTime
	c.timer.Reset(min(graceTime, c.idle))
}

// graceTime is how long a provider may keep its connection open after the end
// of its answer.
const graceTime = 300 * time.Millisecond

// patient reads a provider's answer: with any pause shorter than the clock's,
// up to so many bytes in all.
type patient struct {
	body  io.Reader
	clock *clock
	left  int64
}

// Read reads on, and winds the clock.
func (p *patient) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, errTooLong
	}
	n, err := p.body.Read(b[:min(int64(len(b)), p.left)])
	if n > 0 {
		p.clock.wind()
		p.left -= int64(n)
	}
	return n, err
}
