package inference

import (
	"io"
	"time"
)

// clock calls late when it was not wound for a while.
type clock struct {
	timer *time.Timer
	idle  time.Duration
}

func newClock(idle time.Duration, late func()) *clock {
	return &clock{time.AfterFunc(idle, late), idle}
}

func (c *clock) wind() { c.timer.Reset(c.idle) }
func (c *clock) stop() { c.timer.Stop() }

// hurry leaves little time from now on: what was wanted is there.
func (c *clock) hurry() {
	c.idle = min(c.idle, graceTime)
	c.wind()
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
