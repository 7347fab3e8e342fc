package supervisor

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

func deny(target string) audit.Event {
	return audit.Event{Kind: audit.Network, Verdict: "deny", Program: "/usr/bin/curl", Target: target, Why: "not listed"}
}

// A program that asks in a loop makes two lines a second, whose counts add up;
// what was allowed is never counted together.
func TestEqualRefusalsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []audit.Event
		r := newRecorder(func(e audit.Event) { got = append(got, e) })
		for range 1000 {
			r.Event(deny("a.example:443"))
		}
		r.Event(deny("b.example:443"))
		allow := deny("a.example:443")
		allow.Verdict = "allow"
		r.Event(allow)
		r.Event(allow)
		if len(got) != 4 {
			t.Fatalf("%d lines at once; want the first of each refusal and both allowed", len(got))
		}
		r.Close()
		if len(got) != 5 || got[4].Count != 999 || got[4].Target != "a.example:443" {
			t.Errorf("after the window: %+v; want one line that stands for 999", got[4:])
		}
	})
}

// A flood of different refusals is bounded too.
func TestFloodIsBounded(t *testing.T) {
	n := 0
	total := 0
	r := newRecorder(func(e audit.Event) { n++; total += max(e.Count, 1) })
	for i := range 100_000 {
		r.Event(deny(fmt.Sprintf("%d.example:443", i)))
	}
	r.Close()
	if n > 2*mostKeys {
		t.Errorf("100,000 different refusals made %d lines", n)
	}
	if total != 100_000 {
		t.Errorf("the lines stand for %d refusals; want 100,000", total)
	}
}

// Many connections on one question are one line and a count; each question has
// its own, and the operator's answers are never counted away.
func TestConnectionsOnOneQuestionAreCounted(t *testing.T) {
	var got []audit.Event
	r := newRecorder(func(e audit.Event) { got = append(got, e) })
	ask := func(id string) {
		r.Event(audit.Event{Kind: audit.Approval, Verdict: "ask", ID: id, Target: "a.example:443"})
	}
	for range 1000 {
		ask("a2a2")
	}
	ask("b2b2")
	for range 2 {
		r.Event(audit.Event{Kind: audit.Approval, Verdict: "deny", ID: "a2a2", Target: "a.example:443"})
	}
	r.Close()
	if len(got) != 5 || got[0].ID != "a2a2" || got[1].ID != "b2b2" || got[4].Count != 999 {
		t.Errorf("%+v", got)
	}
}
