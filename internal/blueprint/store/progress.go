package store

import (
	"context"
	"sync"
	"time"
)

// Phase is what Ensure is doing.
type Phase string

// The phases, in order; those with nothing to do are left out.
const (
	Waiting   Phase = "wait"   // another process works on the same blueprint
	Fetching  Phase = "fetch"  // packages come from the registry
	Unpacking Phase = "unpack" // all bytes are right and are being unpacked
	Checking  Phase = "check"  // the unpacked tree is read again, file by file
)

// Step is how far a phase has come.
type Step struct {
	Phase      Phase
	Item       string // what is being worked on: a package; what another process does, in the Waiting phase
	Files      int    // packages; files in the Checking phase
	FilesTotal int
	Bytes      int64
	BytesTotal int64         // 0 where it is not known
	Left       time.Duration // an estimate; 0 where there is none
	Done       bool          // the last Step of a phase that went well
}

// Progress is told of each step, about ten times a second and never twice at
// once. It must not block.
type Progress func(Step)

// waits tells that another process has to end what it does first.
func (p Progress) waits(does string) func() {
	return func() {
		if p != nil {
			p(Step{Phase: Waiting, Item: does})
		}
	}
}

const beat = 100 * time.Millisecond

// meter counts for one phase. Its methods may be called by several goroutines.
type meter struct {
	tell  Progress
	begun time.Time

	mu   sync.Mutex
	step Step  // guarded by mu
	skip int64 // bytes that cost no time: guarded by mu
}

// start begins a phase; the returned function ends it, well where err is nil.
func start(ctx context.Context, p Progress, first Step) (*meter, func(err error)) {
	m := &meter{tell: p, begun: time.Now(), step: first}
	if p == nil {
		return m, func(error) {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var beating sync.WaitGroup
	p(first)
	beating.Go(func() { m.beat(ctx) })
	return m, func(err error) {
		cancel()
		beating.Wait()
		if err != nil {
			return
		}
		last := m.now()
		last.Left, last.Done = 0, true
		last.BytesTotal, last.FilesTotal = last.Bytes, last.Files
		p(last)
	}
}

func (m *meter) beat(ctx context.Context) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.tell(m.now())
		}
	}
}

func (m *meter) now() Step {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.step
	done, total := s.Bytes-m.skip, s.BytesTotal-m.skip
	if done > 0 && total > done {
		s.Left = time.Duration(float64(time.Since(m.begun)) * float64(total-done) / float64(done)).Round(time.Second)
	}
	return s
}

// bytes counts n bytes of work done; a negative n takes back what must be done
// again.
func (m *meter) bytes(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.step.Bytes += n
	m.step.BytesTotal = max(m.step.BytesTotal, m.step.Bytes)
}

// had counts n bytes that were there already.
func (m *meter) had(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.skip += n
	m.step.Bytes += n
	m.step.BytesTotal = max(m.step.BytesTotal, m.step.Bytes)
}

func (m *meter) item(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.step.Item = name
}

func (m *meter) file() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.step.Files++
}

// Write counts what passes, so that a meter can stand in an io.MultiWriter.
func (m *meter) Write(b []byte) (int, error) {
	m.bytes(int64(len(b)))
	return len(b), nil
}
