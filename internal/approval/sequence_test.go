package approval

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"
)

// world is a desk and all that a person outside it knows: what was answered,
// and which connections stand. The laws are checked after every act.
type world struct {
	t       *testing.T
	d       *Desk
	now     Moment
	held    []string         // IDs of connections that wait
	making  []string         // of connections that were let pass on a once
	granted map[string]grant // by ID
	used    map[string]int   // connections that got through on an answer, by ID
	ids     map[string]bool

	passed, once int // how often, in all
}

type grant struct {
	q     Question
	until time.Time // of the answer
	state State
}

const limit = 5

func newWorld(t *testing.T) *world {
	return &world{t: t, d: NewDesk(limit), now: at(0), granted: map[string]grant{}, used: map[string]int{}, ids: map[string]bool{}}
}

// steps of the time between two acts: mostly short, now and then over the ends
// of grants.
var steps = [16]time.Duration{0, 1, 1, time.Millisecond, time.Second, time.Second, 2 * time.Second,
	3 * time.Second, 0, 0, 5 * time.Second, 8 * time.Second, 0, 30 * time.Second, time.Minute, 0}

// play obeys bytes, two an act: any input is a sequence.
func (w *world) play(acts []byte) {
	for len(acts) >= 2 {
		act, arg := acts[0]%24, acts[1]
		acts = acts[2:]
		w.pass(steps[arg%16])
		switch act {
		case 0, 1, 2, 3, 4, 5, 6, 7:
			w.ask(arg)
		case 8, 9, 10, 11:
			w.answer(arg)
		case 12, 13, 14, 15, 16:
			w.claim(arg)
		case 17, 18:
			w.lapse(arg)
		case 19, 20:
			w.use(arg)
		case 21, 22:
			w.release(arg)
		case 23:
			w.restart()
		}
		w.laws()
	}
}

// pass moves both clocks on.
func (w *world) pass(d time.Duration) {
	w.now.Wall, w.now.Boot = w.now.Wall.Add(d), w.now.Boot+d
}

func (w *world) ask(arg byte) {
	q := Question{Host: string(rune('a' + arg%8)), Port: 443, Program: "/p" + string(rune('0'+arg/8%2))}
	id, got := w.d.Ask(w.now, q)
	switch got.Kind {
	case Wait:
		if !w.ids[id] && len(w.ids) > 0 && w.granted[id].q != (Question{}) {
			w.t.Fatalf("%s: an old ID for a new question", id)
		}
		w.ids[id] = true
		w.held = append(w.held, id)
	case Allowed:
		w.passes(id, q)
	}
}

// passes: no connection passes without an answer that allows this very question
// and has not ended, and by a once only one at a time, and one in all.
func (w *world) passes(id string, q Question) {
	w.passed++
	g, ok := w.granted[id]
	switch {
	case !ok || g.q != q:
		w.t.Fatalf("%s: %v passed without an answer", id, q)
	case g.state == StateOnce:
		for _, other := range w.making {
			if other == id {
				w.t.Fatalf("%s: once was given to two", id)
			}
		}
		if w.used[id] > 0 {
			w.t.Fatalf("%s: once was given again after its use", id)
		}
		w.making = append(w.making, id)
	case g.state == StateAlways:
	case g.state != StateUntil:
		w.t.Fatalf("%s: passed while %s", id, g.state)
	}
	if !g.until.IsZero() && !w.now.Wall.Before(g.until) {
		w.t.Fatalf("%s: passed at %s, after its end %s", id, w.now.Wall, g.until)
	}
}

func (w *world) answer(arg byte) {
	list := w.d.List(w.now)
	if len(list) == 0 {
		return
	}
	it := list[int(arg)%len(list)]
	a := []Answer{
		{Allow: true}, {Allow: true, Scope: For, For: time.Minute}, {Allow: true, Scope: Always},
		{}, {Scope: Always}, {Allow: true, Scope: For, For: time.Second},
	}[int(arg/16)%6]
	got, err := w.d.Answer(w.now, it.ID, a)
	if err != nil {
		return
	}
	w.granted[it.ID] = grant{it.Question, got.Until, got.State}
	w.used[it.ID] = 0 // an answer of its own
	if a.Allow && a.Scope == For && !got.Until.Equal(w.now.Wall.Add(a.For)) {
		w.t.Fatalf("%s: until %s, not for %s", it.ID, got.Until, a.For)
	}
}

func (w *world) claim(arg byte) {
	id, ok := w.take(&w.held, arg)
	if !ok {
		return
	}
	switch got := w.d.Claim(w.now, id); got.Kind {
	case Wait:
		w.held = append(w.held, id)
	case Allowed:
		w.passes(id, w.granted[id].q)
	}
}

func (w *world) lapse(arg byte) {
	if id, ok := w.take(&w.held, arg); ok {
		w.d.Lapsed(w.now, id)
	}
}

func (w *world) use(arg byte) {
	if id, ok := w.take(&w.making, arg); ok && w.d.Used(w.now, id) {
		w.once++
		if w.used[id]++; w.used[id] > 1 {
			w.t.Fatalf("%s: once was used twice", id)
		}
	}
}

func (w *world) release(arg byte) {
	if id, ok := w.take(&w.making, arg); ok {
		w.d.Released(w.now, id)
	}
}

// restart ends the process: connections are gone, the file stays.
func (w *world) restart() {
	text, err := json.Marshal(w.d.Snapshot())
	if err != nil {
		w.t.Fatal(err)
	}
	var s Snapshot
	if err := json.Unmarshal(text, &s); err != nil {
		w.t.Fatal(err)
	}
	if w.d, err = Restore(limit, s); err != nil {
		w.t.Fatalf("%v: %s", err, text)
	}
	for _, id := range w.making { // it may have got through just before
		w.used[id]++
	}
	w.held, w.making = nil, nil
}

func (w *world) take(list *[]string, arg byte) (string, bool) {
	if len(*list) == 0 {
		return "", false
	}
	i := int(arg) % len(*list)
	id := (*list)[i]
	*list = append((*list)[:i:i], (*list)[i+1:]...)
	return id, true
}

// laws hold at any time.
func (w *world) laws() {
	pending, seen, waiting := 0, map[string]bool{}, map[string]int{}
	for _, id := range w.held {
		waiting[id]++
	}
	for _, it := range w.d.List(w.now) {
		if seen[it.ID] {
			w.t.Fatalf("%s is there twice", it.ID)
		}
		seen[it.ID] = true
		if it.State == StatePending {
			pending++
			if it.Held != waiting[it.ID] {
				w.t.Fatalf("%s: %d wait, it says %d", it.ID, waiting[it.ID], it.Held)
			}
		}
		if it.State == StateUntil && !w.now.Wall.Before(it.Until) {
			w.t.Fatalf("%s outlived its end", it.ID)
		}
	}
	if pending > limit {
		w.t.Fatalf("%d questions are pending, of at most %d", pending, limit)
	}
}

func TestSequences(t *testing.T) {
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 1))
		acts := make([]byte, 400)
		for i := range acts {
			acts[i] = byte(random.UintN(256))
		}
		newWorld(t).play(acts)
	}
}

// TestSequencesReachAll: the sequences above are worth something only if they
// come to every state and decision.
func TestSequencesReachAll(t *testing.T) {
	states := map[State]bool{}
	passed, once := 0, 0
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		acts := make([]byte, 400)
		for i := range acts {
			acts[i] = byte(random.UintN(256))
		}
		w := newWorld(t)
		w.play(acts)
		for _, it := range w.d.List(w.now) {
			states[it.State] = true
		}
		passed, once = passed+w.passed, once+w.once
	}
	if len(states) != 7 || passed < 300 || once < 50 {
		t.Fatalf("states %v, %d passed, %d on a once", states, passed, once)
	}
}

func FuzzSequences(f *testing.F) {
	f.Add([]byte{0, 1, 3, 0, 5, 0, 7, 0, 0, 1})
	f.Add([]byte{0, 1, 0, 1, 6, 0, 3, 16, 5, 0, 9, 0, 0, 1})
	f.Fuzz(func(t *testing.T, acts []byte) { newWorld(t).play(acts) })
}
