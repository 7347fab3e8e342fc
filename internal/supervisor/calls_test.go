package supervisor

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// A restart is no way round a limit: what a sandbox used is in its book.
func TestUsedBeforeIsInTheBook(t *testing.T) {
	now := time.Now() // before: midnight may come meanwhile
	dir := filepath.Join(t.TempDir(), "audit")
	book, err := audit.Open(dir, filepath.Join(t.TempDir(), "anchor"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []inference.Call{
		{Asked: "a", Given: "nvidia/a", TokensIn: 100, TokensOut: 20, Cost: 0.25, Duration: 1000},
		{Asked: "a", Given: "nvidia/a", TokensIn: 1, Counted: 500, Cost: 0.000001}, // cut short
		{Asked: "a", Refused: true, TokensIn: 7, Cost: 9},                          // asked nobody
	} {
		book.Append(callRecord(c))
	}
	book.Append(audit.Event{Kind: audit.Network, Verdict: "allow"})
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	u := usedBefore(dir, now)
	if u.Tokens != 620 || u.Money != policy.One/4+policy.One/1_000_000 || len(u.Recent) != 2 || u.Recent[1].Before(u.Recent[0]) {
		t.Errorf("%+v", u)
	}
	if u := usedBefore(dir, now.Add(2*time.Minute)); len(u.Recent) != 0 {
		t.Errorf("requests of long ago: %v", u.Recent)
	}
	if u := usedBefore(dir, now.Add(25*time.Hour)); u.Tokens != 0 || u.Money != 0 {
		t.Errorf("of the day before: %+v", u)
	}
	if u := usedBefore(filepath.Join(dir, "none"), now); u.Tokens != 0 {
		t.Errorf("%+v", u)
	}
}

func TestNoticesAreEventsOfTheWall(t *testing.T) {
	e := noticeRecord(inference.Notice{Limit: "spend_per_day", Program: "/usr/bin/node", Text: "2.00 of 2.50 for today"})
	if e.Kind != audit.Limit || e.Wall != "inference" || e.Target != "spend_per_day" || e.Why != "near its limit: 2.00 of 2.50 for today" || e.Verdict != "" {
		t.Errorf("%+v", e)
	}
}
