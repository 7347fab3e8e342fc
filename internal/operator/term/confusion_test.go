package term

import (
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/control"
)

// An agent chooses the names that it asks for, and when it gives a question up.

func long() string {
	return "pypi.org." + strings.Repeat("a-quite-harmless-name.", 10) + "evil.example"
}

// A name is shown to its end: whose it is stands there.
func TestLongNameIsShownToItsEnd(t *testing.T) {
	for _, width := range []int{60, 80, 200} {
		s := newStage(t, box)
		s.width, s.height = width, 40
		q, other := suspicious(), another("b3b3", 1)
		q.Host, q.Address = long(), "10.0.0.1"
		s.tell(asked{box, []control.Approval{q, other}})
		var card strings.Builder
		for _, l := range s.cardLines() {
			card.WriteString(strings.TrimSpace(l.draw(width, false)))
		}
		if text := card.String(); !strings.Contains(text, q.Host+":443") || !strings.Contains(text, "10.0.0.1") {
			t.Errorf("%d columns: %s", width, text)
		}
		q.ID, other.ID = "c4c4", "a2a2" // now the other is on the card, and this one in the list
		s.tell(asked{box, []control.Approval{other, q}})
		var list strings.Builder
		for _, l := range s.listLines(5) {
			list.WriteString(l.draw(width, false) + "\n")
		}
		if text := list.String(); !strings.Contains(text, "evil.example:443") {
			t.Errorf("%d columns: %s", width, text)
		}
	}
}

// What is shown of a question goes when another one takes its place, so that no key
// is meant for the one and answers the other.
func TestSheetGoesWithItsQuestion(t *testing.T) {
	s := newStage(t, box)
	first, second := suspicious(), another("b3b3", 1)
	s.tell(asked{box, []control.Approval{first}})
	s.later(guard)
	s.focus = questions
	s.press("i")
	if s.sheet == nil || !strings.Contains(s.sheet.title, first.ID) {
		t.Fatalf("the control: %+v", s.sheet)
	}
	first.Held = 0 // the agent gave up, and asks for something else
	s.tell(asked{box, []control.Approval{first, second}})
	s.later(guard)
	if q, _ := s.card(); q.id.id != second.ID {
		t.Fatalf("the control: the card shows %s", q.id.id)
	}
	if s.sheet != nil {
		t.Errorf("%s is still shown", s.sheet.title)
	}
	s.press("?") // what is about no question stays
	s.tell(asked{box, []control.Approval{first}})
	if s.sheet == nil {
		t.Error("the help went")
	}
}

// Where the window is too low for all of a question, no key answers it.
func TestLowWindowTakesNoAnswer(t *testing.T) {
	for height, want := range map[int]int{7: 0, 30: 1} {
		s := newStage(t, box)
		s.width, s.height = 80, height
		q := suspicious()
		q.Host = long()
		s.tell(asked{box, []control.Approval{q}})
		s.later(guard)
		s.press("o")
		if len(s.sent) != want {
			t.Errorf("%d lines: sent %v", height, s.answers())
		}
	}
}
