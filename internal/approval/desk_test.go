package approval

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	start = time.Date(2026, 11, 23, 11, 42, 3, 0, time.UTC)
	curl  = Question{Host: "suspicious-host.com", Port: 443, Program: "/usr/bin/curl"}
)

// script drives a desk: every line is an act at a time, and what it gave.
type script struct {
	t *testing.T
	d *Desk
}

func newScript(t *testing.T) *script { return &script{t, NewDesk(4)} }

func at(seconds float64) Moment {
	d := time.Duration(seconds * float64(time.Second))
	return Moment{Wall: start.Add(d), Boot: time.Hour + d, Run: "first"}
}

func (s *script) ask(sec float64, q Question, want Kind) string {
	s.t.Helper()
	id, got := s.d.Ask(at(sec), q)
	if got.Kind != want || got.Why == "" {
		s.t.Fatalf("at %vs ask %v: %s (%s), not %s", sec, q, got.Kind, got.Why, want)
	}
	return id
}

func (s *script) claim(sec float64, id string, want Kind) {
	s.t.Helper()
	if got := s.d.Claim(at(sec), id); got.Kind != want || got.Why == "" {
		s.t.Fatalf("at %vs claim %s: %s (%s), not %s", sec, id, got.Kind, got.Why, want)
	}
}

func (s *script) answer(sec float64, id string, a Answer, want State) {
	s.t.Helper()
	it, err := s.d.Answer(at(sec), id, a)
	if err != nil || it.State != want {
		s.t.Fatalf("at %vs answer %s: %s, %v", sec, id, it.State, err)
	}
}

func (s *script) state(sec float64, id string, want State) {
	s.t.Helper()
	for _, it := range s.d.List(at(sec)) {
		if it.ID == id {
			if it.State != want {
				s.t.Fatalf("at %vs %s is %s, not %s", sec, id, it.State, want)
			}
			return
		}
	}
	s.t.Fatalf("at %vs %s is not listed", sec, id)
}

func TestHeldConnectionIsAllowedOnce(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	s.claim(1, id, Wait)
	s.answer(3, id, Answer{Allow: true}, StateOnce)
	s.claim(3, id, Allowed)
	if !s.d.Used(at(3.1), id) || s.d.Used(at(3.2), id) {
		t.Fatal("once is used by one connection")
	}
	if again := s.ask(4, curl, Wait); again == id {
		t.Fatal("an ID came back")
	}
}

func TestRetryUsesOnceWithinAMinute(t *testing.T) {
	for _, c := range []struct {
		name   string
		second float64
		want   Kind
	}{{"in time", 79, Allowed}, {"too late", 80, Wait}} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t)
			id := s.ask(0, curl, Wait)
			s.d.Lapsed(at(8), id)
			s.ask(10, curl, Denied) // fails at once
			s.answer(20, id, Answer{Allow: true}, StateOnce)
			s.ask(c.second, curl, c.want)
		})
	}
}

func TestOnceIsBoundToProgramHostAndPort(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	s.d.Lapsed(at(1), id)
	s.answer(2, id, Answer{Allow: true}, StateOnce)
	for _, other := range []Question{
		{Host: curl.Host, Port: 443, Program: "/usr/bin/python3"},
		{Host: curl.Host, Port: 80, Program: curl.Program},
		{Host: "other." + curl.Host, Port: 443, Program: curl.Program},
	} {
		s.ask(3, other, Wait)
	}
	s.ask(4, curl, Allowed) // the control: the same one passes
}

func TestOneOfSeveralPassesOnOnce(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	if same := s.ask(0.1, curl, Wait); same != id {
		t.Fatal("equal questions are one")
	}
	s.ask(0.2, curl, Wait)
	s.d.Lapsed(at(0.3), id) // one client left
	if it := s.d.List(at(0.4))[0]; it.Held != 2 || it.Count != 3 {
		t.Fatalf("held %d, count %d", it.Held, it.Count)
	}
	s.answer(1, id, Answer{Allow: true}, StateOnce)
	s.claim(1, id, Allowed)
	s.claim(1, id, Denied)
	s.claim(1, id, Denied) // nobody else waited
	s.ask(1.1, curl, Wait) // taken: a question of its own
}

func TestReleasedOnceServesTheRetry(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	s.answer(1, id, Answer{Allow: true}, StateOnce)
	s.claim(1, id, Allowed)
	s.d.Released(at(2), id) // the destination did not answer
	s.ask(3, curl, Allowed)
	if !s.d.Used(at(3), id) {
		t.Fatal("the retry got through")
	}
}

func TestUntil(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	s.answer(1, id, Answer{Allow: true, Scope: For, For: time.Hour}, StateUntil)
	s.claim(1, id, Allowed)
	s.ask(3600.9, curl, Allowed)
	s.ask(3600.9, curl, Allowed)
	s.ask(3601, curl, Wait)
	s.state(3601, id, StateExpired)
}

// TestUntilEndsByTheEarlierClock: whatever is done to the wall clock, and
// however long the machine slept, an hour is no longer than an hour.
func TestUntilEndsByTheEarlierClock(t *testing.T) {
	for name, c := range map[string]struct {
		later Moment
		want  Kind
	}{
		"within the hour":             {Moment{start.Add(59 * time.Minute), time.Hour + 59*time.Minute, "first"}, Allowed},
		"the wall clock was set back": {Moment{start.Add(-2 * time.Hour), time.Hour + time.Minute, "first"}, Wait},
		"set back a little, and over": {Moment{start.Add(30 * time.Minute), 2*time.Hour + time.Second, "first"}, Wait},
		"set forward":                 {Moment{start.Add(2 * time.Hour), time.Hour + time.Minute, "first"}, Wait},
		"the machine started anew":    {Moment{start.Add(time.Minute), time.Minute, "second"}, Wait},
		"and its date is wrong":       {Moment{start.Add(time.Second), time.Hour + time.Second, "second"}, Wait},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			id := s.ask(0, curl, Wait)
			s.answer(0, id, Answer{Allow: true, Scope: For, For: time.Hour}, StateUntil)
			if _, got := s.d.Ask(c.later, curl); got.Kind != c.want {
				t.Errorf("%s (%s), want %s", got.Kind, got.Why, c.want)
			}
		})
	}
}

func TestUntilIsTakenBack(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	s.answer(1, id, Answer{Allow: true, Scope: For, For: time.Hour}, StateUntil)
	s.answer(2, id, Answer{}, StateDenied)
	s.ask(3, curl, Denied)
	s.claim(3, id, Denied)
}

func TestDenied(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	s.answer(1, id, Answer{}, StateDenied)
	s.claim(1, id, Denied)
	s.ask(30, curl, Denied)
	s.ask(61, curl, Wait)
}

func TestDeniedCanBeAllowedAfterAll(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	s.answer(1, id, Answer{}, StateDenied)
	s.answer(2, id, Answer{Allow: true}, StateOnce)
	s.ask(3, curl, Allowed)
}

// TestAlwaysAndNever: the policy file says it from then on, and taking the rule
// out of the file is enough to take it back.
func TestAlwaysAndNever(t *testing.T) {
	for _, c := range []struct {
		allow bool
		state State
		want  Kind
	}{{true, StateAlways, Allowed}, {false, StateNever, Denied}} {
		s := newScript(t)
		id := s.ask(0, curl, Wait)
		s.ask(0, curl, Wait)
		s.answer(1, id, Answer{Allow: c.allow, Scope: Always}, c.state)
		s.claim(1, id, c.want)
		s.claim(1, id, c.want)
		s.claim(1, id, Denied)
		s.ask(2, curl, Wait)
		s.state(2, id, c.state)
	}
}

func TestUnansweredFailsAtOnce(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	s.d.Lapsed(at(8), id)
	for i := range 5 {
		s.ask(9+float64(i), curl, Denied)
	}
	s.state(20, id, StatePending)
	if it := s.d.List(at(20))[0]; it.Count != 6 || it.Held != 0 {
		t.Fatalf("%+v", it)
	}
	s.ask(21, Question{Host: "other.org", Port: 443, Program: curl.Program}, Wait) // others are asked
}

func TestFloodIsBounded(t *testing.T) {
	s := newScript(t)
	first := s.ask(0, curl, Wait)
	for i := range 1000 {
		q := Question{Host: fmt.Sprintf("h%d.example.org", i), Port: 443, Program: curl.Program}
		if id, got := s.d.Ask(at(1), q); i >= 3 && (got.Kind != Denied || id != "") {
			t.Fatalf("question %d: %s", i, got.Kind)
		}
	}
	if n := len(s.d.List(at(2))); n != 4 {
		t.Fatalf("%d questions", n)
	}
	s.answer(3, first, Answer{Allow: true}, StateOnce) // what was asked first is still there
	s.claim(3, first, Allowed)
	s.ask(4, Question{Host: "room.example.org", Port: 443, Program: curl.Program}, Wait)
}

func TestForgottenQuestionsEnd(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	s.d.Lapsed(at(8), id)
	day := 24 * 3600.0
	s.state(day, id, StatePending)
	s.state(day+9, id, StateExpired)
	if n := len(s.d.List(at(day + 4000))); n != 0 {
		t.Fatalf("%d are listed for ever", n)
	}
}

func TestBadAnswers(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	for _, a := range []Answer{
		{Allow: true, Scope: For},
		{Allow: true, Scope: For, For: -time.Second},
		{Allow: true, Scope: For, For: 10000 * time.Hour},
		{Allow: true, For: time.Hour},
		{Scope: For, For: time.Hour},
		{Allow: true, Scope: 9},
	} {
		var bad *BadAnswer
		if _, err := s.d.Answer(at(1), id, a); !errors.As(err, &bad) || bad.Hint() == "" {
			t.Errorf("%+v: %v", a, err)
		}
	}
	var unknown *Unknown
	if _, err := s.d.Answer(at(1), "zz99", Answer{Allow: true}); !errors.As(err, &unknown) || unknown.Hint() == "" {
		t.Errorf("unknown: %v", err)
	}
	s.state(1, id, StatePending)
}

func TestAnswerWhileAskedAgain(t *testing.T) {
	s := newScript(t)
	old := s.ask(0, curl, Wait)
	s.answer(1, old, Answer{Scope: Always}, StateNever)
	s.ask(2, curl, Wait)
	if _, err := s.d.Answer(at(3), old, Answer{Allow: true}); err == nil {
		t.Fatal("two items would speak of one question")
	}
}

func TestLookAlikesAreFlagged(t *testing.T) {
	d := NewDesk(9)
	for host, flagged := range map[string]bool{"github.com": false, "xn--gthub-n4a.com": true, "www.xn--80ak6aa92e.com": true} {
		id, _ := d.Ask(at(0), Question{Host: host, Port: 443})
		if it := d.find(id); (it.Notice != "") != flagged {
			t.Errorf("%s: %q", host, it.Notice)
		}
	}
}

func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for n := range pair*pair + uint64(5000) {
		id := makeID(n)
		want := 4
		if n >= pair*pair {
			want = 6
		}
		if seen[id] || len(id) != want {
			t.Fatalf("ID %d: %q", n, id)
		}
		seen[id] = true
	}
}

func TestSnapshot(t *testing.T) {
	s := newScript(t)
	held := s.ask(0, curl, Wait)
	hour := s.ask(0, Question{Host: "hour.org", Port: 443}, Wait)
	s.answer(1, hour, Answer{Allow: true, Scope: For, For: time.Hour}, StateUntil)
	taken := s.ask(1, Question{Host: "taken.org", Port: 443}, Wait)
	s.answer(1, taken, Answer{Allow: true}, StateOnce)
	s.claim(1, taken, Allowed)

	text, err := json.Marshal(s.d.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var read Snapshot
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.d.Snapshot(), read, cmpopts.IgnoreUnexported(Item{}), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Fatal(diff)
	}
	s.d, err = Restore(4, read)
	if err != nil {
		t.Fatal(err)
	}
	s.ask(2, curl, Denied) // its connection is gone: fails at once until answered
	s.state(2, held, StatePending)
	s.ask(2, Question{Host: "hour.org", Port: 443}, Allowed)
	if fresh := s.ask(2, Question{Host: "taken.org", Port: 443}, Wait); fresh == taken || fresh == held || fresh == hour {
		t.Fatal("an ID came back")
	}
	s.ask(3602, Question{Host: "hour.org", Port: 443}, Wait)
}

// TestSnapshotOfAnOlderForm has a grant without the second clock: it ends.
func TestSnapshotOfAnOlderForm(t *testing.T) {
	it := Item{ID: "a2b3", Question: curl, State: StateUntil, Asked: start, Last: start, Answered: start, Until: start.Add(time.Hour)}
	d, err := Restore(4, Snapshot{Version: 1, Items: []Item{it}})
	if err != nil {
		t.Fatal(err)
	}
	if _, got := d.Ask(at(1), curl); got.Kind != Wait {
		t.Errorf("%s: %s", got.Kind, got.Why)
	}
}

func TestRestoreRefuses(t *testing.T) {
	ok := Item{ID: "a2b3", Question: curl, State: StatePending, Asked: start, Last: start}
	for name, s := range map[string]Snapshot{
		"other version": {Version: 2},
		"unknown state": {Version: 1, Items: []Item{{ID: "a2b3", State: "open"}}},
		"no end":        {Version: 1, Items: []Item{{ID: "a2b3", State: StateUntil}}},
		"no id":         {Version: 1, Items: []Item{{State: StatePending}}},
		"id twice":      {Version: 1, Items: []Item{ok, {ID: "a2b3", State: StateNever}}},
		"asked twice":   {Version: 1, Items: []Item{ok, {ID: "c2b3", Question: curl, State: StatePending}}},
	} {
		if d, err := Restore(4, s); err == nil || d != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Restore(4, Snapshot{Version: 1, Items: []Item{ok}}); err != nil {
		t.Error(err)
	}
}

// TestTakenOnce: a slow dial may end after the minute, and nobody changes the
// answer under it.
func TestTakenOnce(t *testing.T) {
	s := newScript(t)
	id := s.ask(0, curl, Wait)
	s.answer(1, id, Answer{Allow: true}, StateOnce)
	s.claim(60, id, Allowed)
	if _, err := s.d.Answer(at(61), id, Answer{Allow: true}); err == nil {
		t.Fatal("a second once while the first is being used")
	}
	s.state(90, id, StateOnce)
	if !s.d.Used(at(90), id) {
		t.Fatal("it got through")
	}
	s.state(91, id, StateExpired)

	id = s.ask(100, curl, Wait)
	s.answer(101, id, Answer{Allow: true}, StateOnce)
	s.claim(101, id, Allowed) // and never a word again
	s.state(700, id, StateOnce)
	s.state(800, id, StateExpired)
	if s.d.Used(at(801), id) {
		t.Fatal("too late")
	}
}
