package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func aCall() audit.Event {
	return audit.Event{
		Time: time.Date(2026, 11, 27, 20, 1, 2, 0, time.Local), Kind: audit.Inference, Verdict: "allow", Program: "/usr/bin/node",
		Call: &audit.Call{
			Asked: "gpt-4o", Given: "ollama/qwen3:8b", Status: 200, TokensIn: 512, TokensOut: 30, Cached: 500, Cost: 0.0021,
			Prompt: `[{"role":"system","content":"be good"},{"role":"user","content":[{"type":"text","text":"what is \u001b[31mred?"}]}]`,
			Answer: "A colour.", Tools: []string{"exec"}, FirstToken: 180, Duration: 1234,
			Steps: []audit.Step{{Given: "nvidia/big", Status: 503, Error: "connection refused", Took: 5}},
		},
	}
}

// A person reads who asked, which model, how it went, what was said last; and
// no escape of the agent's reaches the terminal.
func TestCallReadsWell(t *testing.T) {
	var b bytes.Buffer
	a := &app{voice: &say.Voice{Out: &b, Err: &b}}
	a.printCall(aCall())
	const want = `2026-11-27 20:01:02  200  gpt-4o → ollama/qwen3:8b  1.2 s, first after 180 ms  512 → 30 tokens (500 cached), cost 0.0021  by /usr/bin/node
  asked    user: what is \x1b[31mred?
  answer   A colour.
  tools    exec
  before   nvidia/big 503 after 5 ms: connection refused
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestLastSaid(t *testing.T) {
	for prompt, want := range map[string]string{
		`[{"role":"user","content":"hi"}]`: "user: hi",
		`"write a poem"`:                   "write a poem",
		`["one","two"]`:                    `["one","two"]`,
		`{"messages":[{"role":"user","content":"hi"}],"system":"s"}`:                "user: hi",
		`{"prompt":"hi","suffix":"x"}`:                                              "hi",
		`[{"role":"user","content":[{"type":"tool_result","content":"42 files"}]}]`: "user: 42 files",
		`{"contents":[{"role":"user","parts":[{"text":"hi"},{"text":"there"}]}]}`:   "user: hi there",
		`[{"role":"assistant","content":null}]`:                                     `[{"role":"assistant","content":null}]`,
		`[{"role":"us … 900 bytes left out … "hi"}]`:                                `[{"role":"us … 900 bytes left out … "hi"}]`,
		"": "",
	} {
		if got := lastSaid(prompt); got != want {
			t.Errorf("%s: %q, want %q", prompt, got, want)
		}
	}
}

func TestStats(t *testing.T) {
	all := tallies{}
	day := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for i := range 100 {
		e := aCall()
		e.Time = day
		e.Call = &audit.Call{Given: "ollama/a", Status: 200, TokensIn: 10, TokensOut: 1, FirstToken: float64(i), Duration: float64(10 * i), Cost: 0.25}
		all.add(e)
	}
	all.add(audit.Event{Time: day, Verdict: "allow", Call: &audit.Call{Given: "ollama/a", Status: 502, Error: "broken", Duration: 99999}})
	all.add(audit.Event{Time: day, Verdict: "deny", Count: 4, Call: &audit.Call{Asked: "ollama/a", Status: 429}})
	all.add(audit.Event{Time: day.AddDate(0, 0, 1), Verdict: "allow", Call: &audit.Call{Given: "nvidia/b", Status: 200, Duration: 2500}})
	got := statsTable(all.lines())
	const want = `DAY         MODEL     CALLS  FAILED  REFUSED  TOKENS      FIRST TOKEN p50/p99  CALL p50/p99     SPEND
2026-11-28  nvidia/b  1      0       0        0 → 0       0 ms / 0 ms          2.5 s / 2.5 s    0.00
2026-11-27  ollama/a  105    1       4        1000 → 100  50 ms / 99 ms        500 ms / 990 ms  25.00`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestIsAbout(t *testing.T) {
	e := aCall()
	for model, want := range map[string]bool{"": true, "qwen3": true, "gpt-4o": true, "ollama/": true, "claude": false} {
		if isAbout(e, model) != want {
			t.Errorf("%q", model)
		}
	}
	if isAbout(audit.Event{Kind: audit.Limit}, "qwen3") || !strings.Contains(money(0.000001), "0.000001") || money(0.4) != "0.40" {
		t.Error("a limit is about every model, or none")
	}
}
