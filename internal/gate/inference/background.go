package inference

import "sync"

// background does work in the order in which it came, off the road of whoever
// brings it, within a bound of bytes. It is safe for concurrent use; the zero
// one has nothing to do and no goroutine.
type background struct {
	most int64 // bytes of all that waits

	mu      sync.Mutex
	work    []job      // protected by mu
	bytes   int64      // of work, and of what is being done; protected by mu
	running bool       // protected by mu
	change  *sync.Cond // of what mu protects
}

type job struct {
	size int64
	do   func()
}

func newBackground(most int64) *background {
	b := &background{most: most}
	b.change = sync.NewCond(&b.mu)
	return b
}

// put hands work over, and waits while there is too much of it already.
func (b *background) put(size int64, do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.full(size) {
		b.change.Wait()
	}
	b.begin(job{size, do})
}

// offer hands work over, unless there is too much of it already.
func (b *background) offer(size int64, do func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full(size) {
		return false
	}
	b.begin(job{size, do})
	return true
}

// full: one piece of work always has room, however large.
func (b *background) full(size int64) bool { return b.bytes > 0 && b.bytes+size > b.most }

func (b *background) begin(j job) {
	b.work = append(b.work, j)
	b.bytes += j.size
	if !b.running {
		b.running = true
		go b.run() // ends when there is no more; wait knows
	}
}

func (b *background) run() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.work) > 0 {
		j := b.work[0]
		b.work[0] = job{}
		b.work = b.work[1:]
		b.mu.Unlock()
		j.do()
		b.mu.Lock()
		b.bytes -= j.size
		b.change.Broadcast()
	}
	b.running, b.work = false, nil
	b.change.Broadcast()
}

// wait returns when all is done that was handed over before.
func (b *background) wait() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.running {
		b.change.Wait()
	}
}
