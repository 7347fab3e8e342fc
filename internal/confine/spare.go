package confine

import (
	"runtime"
	"sync"
)

// spares is how many threads PID 1 has ready. It needs one for each processor that it
// uses, and one for each of its own system calls that is on its way while another
// goroutine wants to run; most are over before anybody sees them wait. Of those that
// an agent can have it make there are atOnce.
const (
	spares     = 16
	processors = 4
)

// keepSpares makes threads that wait. Go's runtime makes one when it needs it and ends the
// process where it cannot, which in a full control group is the agent's to bring about
// (RLIMIT_NPROC, pids.max). It keeps those it has, and takes them first. There is room for
// them, whatever the limit: see spec.OwnTasks.
func keepSpares() {
	runtime.GOMAXPROCS(min(runtime.GOMAXPROCS(0), processors))
	var all, there sync.WaitGroup
	over := make(chan struct{})
	for range spares {
		there.Add(1)
		all.Go(func() {
			runtime.LockOSThread() // while it waits nobody else gets its thread
			defer runtime.UnlockOSThread()
			there.Done()
			<-over
		})
	}
	there.Wait()
	close(over)
	all.Wait()
}
