package approval

import "time"

// Moment is a point in time by both clocks of the machine. An answer ends by
// the one that comes first: the wall clock can be set back, and the other one
// counts sleep, which Go's monotonic clock does not.
type Moment struct {
	Wall time.Time     // without a monotonic reading
	Boot time.Duration // since the machine started, asleep or not (CLOCK_BOOTTIME)
	Run  string        // of the machine, from one start to the next (boot_id, random(4))
}

// lasts gives an answer its end, by both clocks.
func (it *Item) lasts(now Moment, d time.Duration) {
	it.Until, it.BootUntil, it.Run = now.Wall.Add(d), now.Boot+d, now.Run
}

// holds: neither clock says that the answer is over. A wall clock that was set
// back before the answer ends it, and so does a new start of the machine: nobody
// could say how long it was off, and many machines start with a wrong date.
func (it *Item) holds(now Moment) bool {
	return it.Run == now.Run && now.Boot < it.BootUntil &&
		!now.Wall.Before(it.Answered) && now.Wall.Before(it.Until)
}
