package egress

import (
	"fmt"
	"sync"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Kind is what an Event is about.
type Kind string

// The kinds of event.
const (
	Network Kind = "network" // a connection, or a packet of another protocol
	Names   Kind = "names"   // a name that got no address
	HTTP    Kind = "http"    // one HTTP request, under a rule with http
)

// Event is one verdict. Strings that the agent can influence are as it said
// them; views escape them.
type Event struct {
	Kind    Kind
	Verdict policy.Action
	Program string // path inside of who asked, or "unknown"
	PID     int    // inside; 0: not known
	Target  string // host:port, "udp 8.8.8.8:443", a name
	Method  string // of an HTTP request
	Path    string // of an HTTP request, canonical, without its query
	Rule    string // the rule that decided, with its line; "" where none did
	Why     string
	Count   int // how many equal ones this stands for; 1 or more
}

// Recorder keeps events. Record must not block and may be called by many at
// once.
type Recorder interface{ Record(Event) }

type nowhere struct{}

func (nowhere) Record(Event) {}

// ruleText is a verdict's rule and where it stands.
func ruleText(v policy.Verdict) string {
	if v.Line == 0 || v.Rule == "" {
		return v.Rule
	}
	return fmt.Sprintf("%s (line %d)", v.Rule, v.Line)
}

func programName(p policy.Program) string {
	if !p.Known || p.Exe == "" {
		return "unknown"
	}
	return p.Exe
}

// The first of equal refusals is recorded at once; what follows is counted and
// recorded when the window ends, and each busy window is twice the last.
const (
	firstWindow = time.Second
	lastWindow  = time.Minute
	windows     = 1024 // different refusals that are told apart at one time
)

// tally makes floods of equal refusals short. An allowed connection is always
// recorded.
type tally struct {
	to Recorder

	mu   sync.Mutex
	open map[Event]*window // guarded by mu; the key's Count and PID are 0
}

type window struct {
	length time.Duration
	more   int // since the last that was recorded
	timer  *time.Timer
}

func newTally(to Recorder) *tally { return &tally{to: to, open: map[Event]*window{}} }

func (t *tally) record(e Event) {
	e.Count = 1
	if e.Verdict == policy.Allow || t.first(e) {
		t.to.Record(e)
	}
}

// first says whether e is to be recorded now; if not, it is counted.
func (t *tally) first(e Event) bool {
	key := e
	key.Count, key.PID = 0, 0
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.open[key]; w != nil {
		w.more++
		return false
	}
	if len(t.open) >= windows {
		key = Event{Kind: key.Kind, Verdict: key.Verdict, Program: "unknown", Target: "many destinations", Why: "a flood of different refusals"}
		if w := t.open[key]; w != nil {
			w.more++
			return false
		}
	}
	w := &window{length: firstWindow}
	if key.Target != e.Target { // e itself is only counted: it opens the flood's window
		w.more = 1
	}
	w.timer = time.AfterFunc(w.length, func() { t.lapse(key) })
	t.open[key] = w
	return key.Target == e.Target
}

// lapse ends a window: a quiet one is forgotten, a busy one goes on.
func (t *tally) lapse(key Event) {
	t.mu.Lock()
	w := t.open[key]
	if w == nil {
		t.mu.Unlock()
		return
	}
	count := w.more
	if count == 0 {
		delete(t.open, key)
	} else {
		w.more, w.length = 0, min(2*w.length, lastWindow)
		w.timer.Reset(w.length)
	}
	t.mu.Unlock()
	if count > 0 {
		key.Count = count
		t.to.Record(key)
	}
}

// flush records what is counted and not yet told.
func (t *tally) flush() {
	t.mu.Lock()
	open := t.open
	t.open = map[Event]*window{}
	t.mu.Unlock()
	for key, w := range open {
		w.timer.Stop()
		if w.more > 0 {
			key.Count = w.more
			t.to.Record(key)
		}
	}
}
