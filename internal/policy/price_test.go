package policy

import (
	"strings"
	"testing"
)

const priced = `routes:
  - model: "claude-*"
    to: [anthropic/claude-sonnet-4-5, ollama/qwen3:8b]
  - {model: "*", to: ollama/qwen3:8b}
providers:
  ollama: {url: "http://127.0.0.1:11434"}
  anthropic: {url: "https://api.anthropic.com", key: anthropic}
prices: # for a million tokens
  - {model: "anthropic/claude-sonnet-*", in: 3, out: 15, cached: 0.3}
  - {model: "ollama/*", in: 0, out: 0} # our own
limits:
  spend_per_day: 2.50
  idle: 90s
  total: 2h
`

func TestPrices(t *testing.T) {
	f := mustInference(t, priced)
	targets, err := f.Route("claude-opus")
	if err != nil {
		t.Fatal(err)
	}
	p, ok := f.Price(targets[0])
	if !ok || p.Of(Usage{In: 1_000_000}) != 3*One || p.Of(Usage{Out: 1000}).String() != "0.015" {
		t.Errorf("%+v", p)
	}
	// What the provider had kept costs less; it never has kept more than all.
	if got := p.Of(Usage{In: 1_000_000, Cached: 900_000}).String(); got != "0.57" {
		t.Errorf("%s", got)
	}
	if got := p.Of(Usage{In: 1_000_000, Cached: 1 << 60}); got != p.Of(Usage{In: 1_000_000, Cached: 1_000_000}) {
		t.Errorf("%s", got)
	}
	if own, ok := f.Price(targets[1]); !ok || own.Of(Usage{In: 1 << 50, Out: 1 << 50}) != 0 {
		t.Errorf("%+v", own)
	}
	if most := p.Of(Usage{In: 1 << 62, Out: 1 << 62, Cached: 1 << 61}); most <= 0 {
		t.Errorf("a provider's figure overflows: %d", most)
	}
	if _, ok := f.Price(Target{Provider: "other", Model: "x"}); ok {
		t.Error("a price for a model that has none")
	}
	if l := f.Limits(); l.SpendPerDay.String() != "2.50" || l.Idle.String() != "1m30s" || l.Total.String() != "2h0m0s" {
		t.Errorf("%+v", l)
	}
}

func TestMoney(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0.00", "0.000001": "0.000001", "0.15": "0.15", "2.5": "2.50", "1000000": "1000000.00", "0.9999": "0.9999", "12.345678": "12.35", "1.999": "2.00",
	} {
		if m, ok := parseMoney(text); !ok || m.String() != want {
			t.Errorf("%s: %s", text, m)
		}
	}
	for _, text := range []string{"", ".5", "5.", "-1", "+1", "1e3", "0x10", "00", "01.5", "1.0000001", "1000001", "1,50", "$1", "∞", "1_000", "NaN"} {
		if m, ok := parseMoney(text); ok {
			t.Errorf("%q: %s", text, m)
		}
	}
	var sum Money
	for range 10 {
		tenth, _ := parseMoney("0.1")
		sum += tenth
	}
	if sum != One {
		t.Errorf("ten tenths are %s", sum)
	}
}

// A limit on spend that could not be held is no limit: the file is refused.
func TestSpendNeedsPrices(t *testing.T) {
	for name, c := range map[string]struct{ old, now, want string }{
		"a route's model":  {"  - {model: \"ollama/*\", in: 0, out: 0} # our own\n", "", "spend_per_day: ollama/qwen3:8b has no price"},
		"no such provider": {`"ollama/*"`, `"olama/*"`, `did you mean "ollama"?`},
		"never reached":    {`"ollama/*"`, `"anthropic/claude-sonnet-*"`, "never used: line 9"},
		"half a price":     {"in: 0, out: 0", "in: 0", "needs model, in and out"},
		"no number":        {"in: 3,", "in: three,", "a price for a million tokens"},
		"a long pause":     {"idle: 90s", "idle: 90h", "a time from 100ms to 1h0m0s"},
		"no pause at all":  {"idle: 90s", "idle: 0s", "a time from 100ms to 1h0m0s"},
	} {
		if !strings.Contains(priced, c.old) {
			t.Fatal(name)
		}
		_, err := ParseInference("inference.yaml", []byte(strings.Replace(priced, c.old, c.now, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The operator's command is told why, not that the layout is odd.
	if _, err := SetModel([]byte(priced), "anthropic/claude-opus-4"); err == nil || !strings.Contains(err.Error(), "has no price") {
		t.Errorf("%v", err)
	}
	if _, err := SetModel([]byte(priced), "anthropic/claude-sonnet-5"); err != nil {
		t.Errorf("%v", err)
	}
}
