package supervisor

import (
	"crypto/rand"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/approval"
)

// clock tells the time by both clocks of the machine.
type clock struct{ run string }

// newClock reads which run of the machine this is. Where the kernel does not
// say, it is one that no other supervisor was ever in.
func newClock() clock {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return clock{rand.Text()}
	}
	return clock{strings.TrimSpace(string(id))}
}

func (c clock) now() approval.Moment {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("bug: clock_gettime: " + err.Error())
	}
	return approval.Moment{Wall: time.Now().Round(0), Boot: time.Duration(t.Nano()), Run: c.run}
}
