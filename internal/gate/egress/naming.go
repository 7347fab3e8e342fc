package egress

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// holder is who holds the program's end of a connection.
type holder struct {
	program policy.Program
	pid     int
}

// naming is the question who that is, put beside the connection's own business.
type naming struct {
	holder atomic.Pointer[holder]
	told   chan struct{} // closed once holder is there
}

func newNaming() *naming { return &naming{told: make(chan struct{})} }

func (n *naming) tell(h holder) {
	n.holder.Store(&h)
	close(n.told)
}

// Line asks who holds a socket, for a caller that does not wait.
type Line interface {
	// Descriptor is readable when there is an answer.
	Descriptor() int
	// Ask puts question id; an error means that it is not asked. It does not
	// block, and may be called from anywhere.
	Ask(id uint64, local, remote netip.AddrPort) error
	// Hear takes one answer. EAGAIN: there is none now; any other error means
	// that there will be none. It is called by one goroutine at a time.
	Hear() (id uint64, p policy.Program, pid int, err error)
}

// questions are those that are open on the line.
type questions struct {
	g *Gate

	mu      sync.Mutex
	last    uint64             // protected by mu
	open    map[uint64]inquiry // protected by mu
	lapsing *time.Timer        // runs while open is not empty; protected by mu

	broken atomic.Bool   // nothing more will be heard on the line
	beside chan struct{} // one token a question that Holder is asked
}

// mostBeside bounds the questions that Holder is asked at one time, since a
// connection need not last as long as its question does.
const mostBeside = 256

func newQuestions(g *Gate) *questions {
	return &questions{g: g, open: map[uint64]inquiry{}, beside: make(chan struct{}, mostBeside)}
}

type inquiry struct {
	until time.Time
	name  *naming
	told  func(holder) // runs anywhere
	then  func()       // runs before, on the loop's thread, if at all; may be nil
}

// ask asks who holds the socket from → to. told is called once, soon, and not
// before n knows; it does not block.
func (qs *questions) ask(n *naming, from, to netip.AddrPort, told func(holder), then func()) {
	qs.g.served.Add(1)
	q := inquiry{time.Now().Add(attributing), n, told, then}
	if qs.g.cfg.Line != nil && !qs.broken.Load() {
		id := qs.put(q)
		if err := qs.g.cfg.Line.Ask(id, from, to); err == nil {
			return
		}
		if _, mine := qs.take(id); !mine {
			return // it has lapsed
		}
	}
	select {
	case qs.beside <- struct{}{}:
		go func() {
			defer func() { <-qs.beside }()
			qs.askHolder(q, from, to)
		}()
	default:
		qs.answerElsewhere(q, holder{})
	}
}

func (qs *questions) askHolder(q inquiry, from, to netip.AddrPort) {
	ctx, stop := context.WithTimeout(qs.g.ctx, attributing)
	defer stop()
	var h holder
	h.program, h.pid = qs.g.cfg.Holder(ctx, from, to)
	qs.answerElsewhere(q, h)
}

func (qs *questions) put(q inquiry) (id uint64) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	qs.last++
	qs.open[qs.last] = q
	if qs.lapsing == nil { // one timer for all that are open
		qs.lapsing = time.AfterFunc(attributing, qs.lapse)
	}
	return qs.last
}

func (qs *questions) take(id uint64) (q inquiry, mine bool) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q, mine = qs.open[id]
	delete(qs.open, id)
	return q, mine
}

// hear takes the answer that has come; if there are more, the next event says
// so. It runs on the loop's thread. over says that there will be no more: from
// then on Holder is asked.
func (qs *questions) hear() (over bool) {
	id, p, pid, err := qs.g.cfg.Line.Hear()
	if err != nil {
		over = !errors.Is(err, unix.EAGAIN)
		qs.broken.Store(over)
		return over
	}
	if q, ok := qs.take(id); ok {
		qs.answer(q, holder{p, pid})
	}
	return false
}

// answer runs on the loop's thread: what waits goes on, and what is to be
// written down is, when nothing waits.
func (qs *questions) answer(q inquiry, h holder) {
	q.name.tell(h)
	if q.then != nil {
		q.then()
	}
	l := qs.g.loop
	l.notes = append(l.notes, func() {
		defer qs.g.served.Done()
		q.told(h)
	})
}

// answerElsewhere is answer for who is not on the loop's thread.
func (qs *questions) answerElsewhere(q inquiry, h holder) {
	if qs.g.loop.post(func() { qs.answer(q, h) }) {
		return
	}
	defer qs.g.served.Done()
	q.name.tell(h)
	q.told(h)
}

// lapse ends the questions that have been open for too long.
func (qs *questions) lapse() {
	now, next := time.Now(), attributing
	var over []inquiry
	qs.mu.Lock()
	for id, q := range qs.open {
		if left := q.until.Sub(now); left > 0 {
			next = min(next, left)
			continue
		}
		over = append(over, q)
		delete(qs.open, id)
	}
	if len(qs.open) > 0 {
		qs.lapsing.Reset(next)
	} else {
		qs.lapsing = nil
	}
	qs.mu.Unlock()
	for _, q := range over {
		qs.answerElsewhere(q, holder{})
	}
}
