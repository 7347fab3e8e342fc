package launch

import (
	"net/netip"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// patience bounds how long a question is open that nobody waits for.
const patience = 500 * time.Millisecond

// outright is how many such questions may be open and still be sent by the
// caller: so many fit into the socket, so that it is not kept.
const outright = 64

// later is a question that nobody waits for.
type later struct {
	until time.Time
	done  func(spec.Program, bool)
}

// WhoLater is Who for a caller that does not wait: a goroutine, a timer and two
// switches less for each. done is called once, with false where init has not
// answered in time either; it must not block.
func (b *Box) WhoLater(local, remote netip.AddrPort, done func(spec.Program, bool)) {
	b.mu.Lock()
	if b.asked == nil {
		b.mu.Unlock()
		done(spec.Program{}, false)
		return
	}
	b.last++
	id, many := b.last, len(b.later) >= outright
	b.later[id] = later{time.Now().Add(patience), done}
	if b.lapsing == nil { // one timer for all that are open
		b.lapsing = time.AfterFunc(patience, b.lapse)
	}
	b.mu.Unlock()
	send := func() {
		if err := b.wire.Send(spec.Message{Op: spec.OpWho, ID: id, Local: local, Remote: remote}); err != nil {
			b.answer(id, spec.Message{})
		}
	}
	if many {
		go send()
		return
	}
	send()
}

// answer gives m to the question of this ID, if it is one that nobody waits for.
func (b *Box) answer(id uint64, m spec.Message) bool {
	b.mu.Lock()
	q, ok := b.later[id]
	delete(b.later, id)
	b.mu.Unlock()
	if ok {
		q.done(programOf(m))
	}
	return ok
}

// lapse ends the questions that have been open for too long.
func (b *Box) lapse() {
	now := time.Now()
	var over []later
	b.mu.Lock()
	for id, q := range b.later {
		if !now.Before(q.until) {
			over = append(over, q)
			delete(b.later, id)
		}
	}
	if len(b.later) > 0 {
		b.lapsing.Reset(patience)
	} else {
		b.lapsing = nil
	}
	b.mu.Unlock()
	for _, q := range over {
		q.done(spec.Program{}, false)
	}
}

// programOf reads an answer to who or look.
func programOf(m spec.Message) (spec.Program, bool) {
	if m.Op != spec.OpHolders || len(m.Programs) != 1 {
		return spec.Program{}, false
	}
	return m.Programs[0], true
}
