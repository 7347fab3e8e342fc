package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (t target) inferenceStatsCommand() *cobra.Command {
	since := 7 * 24 * time.Hour
	var model string
	var asJSON bool
	c := &cobra.Command{
		Use:   "stats",
		Short: "calls, tokens, times and spend by day and model",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if since <= 0 {
				return say.Misused("--since 24h", "--since %s: not a time that has passed", since)
			}
			return t.inferenceStats(since, model, asJSON)
		},
	}
	c.Flags().DurationVar(&since, "since", since, "of the last time, such as 24h")
	c.Flags().StringVar(&model, "model", "", "only those whose model, asked or given, has this in its name")
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs, one object a line")
	return c
}

func (t target) inferenceStats(since time.Duration, model string, asJSON bool) error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	if !s.Exists() {
		return &state.NotFound{Name: s.Name()}
	}
	all := tallies{}
	err = audit.Since(s.AuditDir(), time.Now().Add(-since), func(e audit.Event) error {
		if e.Kind == audit.Inference && e.Call != nil && isAbout(e, model) {
			all.add(e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	lines := all.lines()
	if asJSON {
		for _, l := range lines {
			if err := t.app.voice.JSONLine(l); err != nil {
				return err
			}
		}
		return nil
	}
	if len(lines) == 0 {
		t.app.voice.News("no model call in the last %s", say.Span(since))
		return nil
	}
	t.app.voice.Result("%s", statsTable(lines))
	return nil
}

// statsLine is what one model did on one day, in UTC as the limits count it.
// Times are milliseconds.
type statsLine struct {
	Day       string  `json:"day"`
	Model     string  `json:"model"` // provider/model; what was asked for, where none was given
	Calls     int     `json:"calls"`
	Failed    int     `json:"failed"`  // of Calls
	Refused   int     `json:"refused"` // of Calls, by the policy
	TokensIn  int64   `json:"tokens_in"`
	TokensOut int64   `json:"tokens_out"`
	Cached    int64   `json:"tokens_cached"`
	Cost      float64 `json:"cost"`
	FirstP50  float64 `json:"first_token_p50_ms"`
	FirstP99  float64 `json:"first_token_p99_ms"`
	TookP50   float64 `json:"duration_p50_ms"`
	TookP99   float64 `json:"duration_p99_ms"`
}

// tallies gather calls by day and model.
type tallies map[[2]string]*tallied

type tallied struct {
	statsLine
	first, took []float64
}

func (all tallies) add(e audit.Event) {
	c := e.Call
	day, model := e.Time.UTC().Format(time.DateOnly), cmp.Or(c.Given, c.Asked, c.Path)
	t := all[[2]string{day, model}]
	if t == nil {
		t = &tallied{statsLine: statsLine{Day: day, Model: model}}
		all[[2]string{day, model}] = t
	}
	n := max(e.Count, 1)
	t.Calls += n
	switch {
	case e.Verdict == "deny":
		t.Refused += n
		return // its time says nothing about the model
	case c.Status >= 400 || c.Error != "":
		t.Failed += n
	default:
		t.took = append(t.took, c.Duration)
		if c.FirstToken > 0 {
			t.first = append(t.first, c.FirstToken)
		}
	}
	t.TokensIn += int64(c.TokensIn)
	t.TokensOut += int64(c.TokensOut)
	t.Cached += int64(c.Cached)
	t.Cost += c.Cost
}

// lines are the sums, the newest day first, in it the model that was called
// most.
func (all tallies) lines() []statsLine {
	var out []statsLine
	for _, t := range all {
		t.FirstP50, t.FirstP99 = quantile(t.first, 0.5), quantile(t.first, 0.99)
		t.TookP50, t.TookP99 = quantile(t.took, 0.5), quantile(t.took, 0.99)
		out = append(out, t.statsLine)
	}
	slices.SortFunc(out, func(a, b statsLine) int {
		return cmp.Or(strings.Compare(b.Day, a.Day), b.Calls-a.Calls, strings.Compare(a.Model, b.Model))
	})
	return out
}

// quantile is the nearest rank: a value that was measured.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}

func statsTable(lines []statsLine) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "DAY\tMODEL\tCALLS\tFAILED\tREFUSED\tTOKENS\tFIRST TOKEN p50/p99\tCALL p50/p99\tSPEND")
	for _, l := range lines {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d → %d\t%s / %s\t%s / %s\t%s\n", l.Day, say.Clean(l.Model), l.Calls, l.Failed, l.Refused,
			l.TokensIn, l.TokensOut, took(l.FirstP50), took(l.FirstP99), took(l.TookP50), took(l.TookP99), money(l.Cost))
	}
	_ = w.Flush() // a Builder never fails
	return trimmedEnd(b.String())
}
