package term

import (
	"errors"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// stage is a view with a clock of its own, and what it has sent.
type stage struct {
	*testing.T
	*view
	time time.Time
	sent []sent
}

type sent struct {
	to id
	word
}

// noon is the article's time, wherever the test runs.
func noon() time.Time { return time.Date(2026, 3, 14, 11, 42, 3, 0, time.Local) }

func newStage(t *testing.T, names ...state.Name) *stage {
	s := &stage{T: t, view: newView(), time: noon()}
	s.now = func() time.Time { return s.time }
	s.send = func(q id, w word) tea.Cmd {
		s.sent = append(s.sent, sent{q, w})
		return nil
	}
	s.tell(found{names: names})
	for _, n := range names {
		s.tell(attached{n})
		s.tell(standing{n, healthy(string(n)), 8 * time.Second})
	}
	return s
}

func (s *stage) tell(m tea.Msg) { s.Update(m) }

// later lets time pass.
func (s *stage) later(d time.Duration) { s.time = s.time.Add(d); s.tell(tick{}) }

// press types keys, as bubbletea names them.
func (s *stage) press(keys ...string) {
	named := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft,
		"right": tea.KeyRight, "tab": tea.KeyTab, "end": tea.KeyEnd, "home": tea.KeyHome, "backspace": tea.KeyBackspace,
	}
	for _, k := range keys {
		if code, ok := named[k]; ok {
			s.tell(tea.KeyPressMsg{Code: code})
			continue
		}
		s.tell(tea.KeyPressMsg{Code: []rune(k)[0], Text: k})
	}
}

// answers are the labels of what was sent.
func (s *stage) answers() (all []string) {
	for _, a := range s.sent {
		all = append(all, a.to.id+" "+a.label)
	}
	return all
}

func healthy(name string) control.Status {
	wall := control.Wall{Enforced: true, Proof: "open /home: permission denied (Landlock ABI 7, mounts)"}
	return control.Status{
		Name: name, State: control.Running, Healthy: true, UptimeSeconds: 154,
		Blueprint:     control.BlueprintStatus{Name: "openclaw", Version: "0.4.1", Verified: true},
		Walls:         control.Walls{Network: wall, Filesystem: wall, Process: wall, Inference: wall},
		Inference:     control.InferenceStatus{Model: "ollama/qwen3:8b", Connected: true},
		NetworkPolicy: control.PolicyStatus{Active: true, Rules: 4, Revision: "0123456789ab"},
		Agent:         control.AgentStatus{Name: "openclaw", Running: true, Healthy: true},
	}
}

// suspicious is the article's question.
func suspicious() control.Approval {
	return control.Approval{
		ID: "a2a2", Host: "suspicious-host.com", Port: 443, Program: "/usr/bin/curl",
		Time: noon(), State: pending, Held: 1, Count: 1,
	}
}

func another(name string, held int) control.Approval {
	a := suspicious()
	a.ID, a.Host, a.Held, a.Time = name, name+".example.com", held, noon().Add(time.Second)
	return a
}

const box state.Name = "my-assistant"

func TestOneKeyAnswers(t *testing.T) {
	for key, want := range map[string]control.Answer{
		"o": {Verdict: "allow", Scope: "once"},
		"p": {Verdict: "allow", Scope: "always"},
		"d": {Verdict: "deny", Scope: "always"},
		"h": {Verdict: "allow", Scope: "for", Seconds: 3600},
		"n": {Verdict: "deny", Scope: "once"},
	} {
		s := newStage(t, box)
		s.tell(asked{box, []control.Approval{suspicious()}})
		s.later(guard)
		s.press(key, key, "o") // once is enough: the rest comes while it is on its way
		if len(s.sent) != 1 || s.sent[0].to != (id{box, "a2a2"}) || s.sent[0].answer != want {
			t.Errorf("%s: sent %+v, want %+v", key, s.sent, want)
		}
	}
}

func TestAlertTakesNoKeyAtOnce(t *testing.T) {
	s := newStage(t, box)
	s.tell(asked{box, []control.Approval{suspicious()}})
	s.press("o", "right", "enter")
	s.later(guard - 1)
	s.press("d")
	if len(s.sent) > 0 {
		t.Fatalf("answered what nobody can have seen: %v", s.answers())
	}
	s.later(1)
	s.press("d")
	if len(s.sent) != 1 {
		t.Errorf("and after that: %v", s.answers())
	}
}

// The next question that comes up by itself is as new as the first one.
func TestNextAlertTakesNoKeyAtOnce(t *testing.T) {
	s := newStage(t, box)
	s.tell(asked{box, []control.Approval{suspicious(), another("b3b3", 1)}})
	s.later(guard)
	s.press("o")
	s.tell(answered{to: s.sent[0].to, word: s.sent[0].word, now: suspicious()})
	s.press("o")
	if len(s.sent) != 1 {
		t.Fatalf("answered two with one look: %v", s.answers())
	}
	s.later(guard)
	s.press("o")
	if len(s.sent) != 2 || s.sent[1].to.id != "b3b3" {
		t.Errorf("sent %v", s.answers())
	}
}

func TestEnterPressesOnlyWhatWasMovedTo(t *testing.T) {
	s := newStage(t, box)
	s.tell(asked{box, []control.Approval{suspicious()}})
	s.later(guard)
	s.press("enter", "esc", "enter", "esc")
	if len(s.sent) > 0 {
		t.Fatalf("Enter alone answered: %v", s.answers())
	}
	s.press("right", "right", "right", "left", "enter")
	if len(s.sent) != 1 || s.sent[0].label != "Add to policy" {
		t.Errorf("sent %v", s.answers())
	}
}

// A new alert neither takes the card from where the operator is, nor the
// button that he moved to.
func TestOperatorsPlaceStays(t *testing.T) {
	s := newStage(t, box)
	s.tell(asked{box, []control.Approval{another("b3b3", 0), another("c4c4", 0)}})
	s.later(guard)
	s.press("down", "right")
	s.tell(asked{box, []control.Approval{suspicious(), another("b3b3", 0), another("c4c4", 0)}})
	s.press("enter")
	if len(s.sent) != 1 || s.sent[0].to.id != "c4c4" {
		t.Errorf("sent %v", s.answers())
	}
}

// Who moved and went away is to see what is held when he comes back.
func TestOperatorsPlaceIsHisWhileHeIsThere(t *testing.T) {
	s := newStage(t, box)
	s.tell(asked{box, []control.Approval{another("b3b3", 0), another("c4c4", 0)}})
	s.press("down")
	s.tell(asked{box, []control.Approval{suspicious(), another("b3b3", 0), another("c4c4", 0)}})
	if q, _ := s.card(); q.id.id != "c4c4" {
		t.Errorf("%s is on the card", q.id.id)
	}
	s.later(lingering)
	if q, _ := s.card(); q.id.id != "a2a2" || !s.fresh() {
		t.Errorf("%s is on the card, fresh: %t", q.id.id, s.fresh())
	}
}

// Where nobody moved, what is held comes up: it has seconds.
func TestHeldOneComesUp(t *testing.T) {
	s := newStage(t, box)
	s.tell(asked{box, []control.Approval{another("b3b3", 0)}})
	s.later(time.Minute)
	s.tell(asked{box, []control.Approval{another("b3b3", 0), suspicious()}})
	s.press("o")
	if len(s.sent) > 0 {
		t.Fatalf("the key was meant for the other one: %v", s.answers())
	}
	s.later(guard)
	s.press("o")
	if len(s.sent) != 1 || s.sent[0].to.id != "a2a2" {
		t.Errorf("sent %v", s.answers())
	}
}

func TestArrowsWalkOverAllSandboxes(t *testing.T) {
	s := newStage(t, box, "other")
	s.tell(asked{box, []control.Approval{suspicious()}})
	s.tell(asked{"other", []control.Approval{another("b3b3", 1)}})
	s.later(guard)
	s.press("down", "d")
	if len(s.sent) != 1 || s.sent[0].to != (id{"other", "b3b3"}) {
		t.Errorf("sent %v", s.sent)
	}
}

func TestFailedAnswerCanBeGivenAgain(t *testing.T) {
	s := newStage(t, box)
	s.tell(asked{box, []control.Approval{suspicious()}})
	s.later(guard)
	s.press("o")
	s.tell(answered{to: s.sent[0].to, word: s.sent[0].word, err: errors.New("no such question")})
	s.shows("not answered: no such question")
	s.press("o")
	if len(s.sent) != 2 {
		t.Errorf("sent %v", s.answers())
	}
}

// An answer is not taken back by a list that was made before it.
func TestOldListDoesNotAskAgain(t *testing.T) {
	s := newStage(t, box)
	s.tell(asked{box, []control.Approval{suspicious()}})
	s.later(guard)
	s.press("o")
	s.tell(answered{to: s.sent[0].to, word: s.sent[0].word, now: suspicious()})
	s.tell(asked{box, []control.Approval{suspicious()}})
	if _, ok := s.card(); ok {
		t.Error("the answered question is back on the card")
	}
}

func TestRemainingHold(t *testing.T) {
	q := question{id{box, "a2a2"}, suspicious()}
	const hold = 8 * time.Second
	at := func(s int) time.Time { return noon().Add(time.Duration(s) * time.Second) }
	a := asks{}
	if left, ok := a.left(q, hold, at(3)); !ok || left != 5*time.Second {
		t.Errorf("asked once: %s %v", left, ok)
	}
	q.Count, q.Held = 3, 2
	if _, ok := a.left(q, hold, at(3)); ok {
		t.Error("known without having seen when it was asked")
	}
	for _, s := range []int{0, 4, 6} {
		a.add(q.id, at(s))
	}
	if left, ok := a.left(q, hold, at(7)); !ok || left != 5*time.Second {
		t.Errorf("the older of the two that are held: %s %v", left, ok)
	}
	if _, ok := a.left(q, 0, at(7)); ok {
		t.Error("known without a hold")
	}
	q.Held = 0
	if _, ok := a.left(q, hold, at(7)); ok {
		t.Error("nothing is held")
	}
}

func TestFeedTakesEachLineOnce(t *testing.T) {
	s := newStage(t, box)
	lines := func(from, to uint64) (all []audit.Event) {
		for n := from; n <= to; n++ {
			all = append(all, audit.Event{Seq: n, Kind: audit.Network, Time: noon().Add(time.Duration(n) * time.Second)})
		}
		return all
	}
	s.tell(happened{box, lines(1, 10), true})
	s.tell(happened{box, lines(8, 12), false})
	s.tell(happened{box, lines(5, 14), true}) // the supervisor came back
	if n := len(s.feed.entries); n != 14 {
		t.Errorf("%d entries, want 14", n)
	}
	s.tell(happened{box, lines(1, 3), true}) // a new sandbox of that name
	if n := len(s.feed.entries); n != 17 {
		t.Errorf("%d entries, want 17", n)
	}
	s.tell(happened{box, lines(4, 4+2*mostEntries), false})
	if n := len(s.feed.entries); n != mostEntries {
		t.Errorf("%d entries are kept", n)
	}
}

func TestFilters(t *testing.T) {
	s := newStage(t, box)
	s.tell(happened{box, story(), false})
	for keys, want := range map[string]int{"0": 9, "1": 4, "2": 2, "3": 1, "4": 1, "5": 3} {
		s.press(keys)
		if n := len(s.feed.shown()); n != want {
			t.Errorf("%s: %d events, want %d", keys, n, want)
		}
	}
	s.press("0", "/", "g", "i", "t", "H", "u", "b")
	if n := len(s.feed.shown()); n != 1 {
		t.Errorf("search: %d events", n)
	}
	s.tell(tea.PasteMsg{Content: "\x1b[2Jo"})
	if len(s.sent) > 0 || s.feed.search != `github\x1b[2jo` {
		t.Errorf("pasted: %q %v", s.feed.search, s.answers())
	}
	s.press("esc")
	if n := len(s.feed.shown()); n != 9 {
		t.Errorf("after Esc: %d events", n)
	}
}

// A letter of a search is no answer, and neither is what is pasted.
func TestTypingAnswersNothing(t *testing.T) {
	s := newStage(t, box)
	s.tell(asked{box, []control.Approval{suspicious()}})
	s.later(guard)
	s.tell(tea.PasteMsg{Content: "opd"})
	s.press("/", "o", "p", "d", "enter")
	if len(s.sent) > 0 {
		t.Errorf("sent %v", s.answers())
	}
}

func TestGoneSandboxTakesItsQuestionsAlong(t *testing.T) {
	s := newStage(t, box, "other")
	s.tell(asked{box, []control.Approval{suspicious()}})
	s.tell(away{box, control.Status{Name: string(box), State: control.Stopped}})
	if _, ok := s.card(); ok {
		t.Error("a question of a stopped sandbox is on the card")
	}
	s.shows("stopped")
	s.tell(attached{box})
	s.tell(asked{box, []control.Approval{suspicious()}})
	if _, ok := s.card(); !ok {
		t.Error("its question did not come back with it")
	}
	s.tell(found{names: []state.Name{"other"}})
	s.tell(asked{box, []control.Approval{suspicious()}}) // on its way when it was destroyed
	s.tell(happened{box, story(), false})
	if _, ok := s.card(); ok || len(s.rows) != 1 {
		t.Error("a destroyed sandbox is still there")
	}
}
