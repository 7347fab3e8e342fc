package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (t target) inferenceLogCommand() *cobra.Command {
	f := bookFlags{lines: 20}
	var model string
	c := &cobra.Command{
		Use:   "log",
		Short: "the last model calls: what was asked, what came back, how long it took",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.since < 0 {
				return say.Misused("--since 1h", "--since %s: not a time that has passed", f.since)
			}
			if f.since > 0 && !c.Flags().Changed("lines") {
				f.lines = math.MaxInt32 // all since then
			}
			calls := func(e audit.Event) bool {
				return isOfModels(e) && isAbout(e, model)
			}
			return t.book(c.Context(), f, calls, t.app.printCall)
		},
	}
	f.register(c)
	c.Flags().DurationVar(&f.since, "since", 0, "only of the last time, such as 1h or 30m")
	c.Flags().StringVar(&model, "model", "", "only those whose model, asked or given, has this in its name")
	return c
}

// isOfModels says whether e is a model call, or tells of a limit of the inference policy.
func isOfModels(e audit.Event) bool {
	return e.Kind == audit.Inference || e.Kind == audit.Limit && e.Wall == "inference"
}

func isAbout(e audit.Event, model string) bool {
	return model == "" || e.Call != nil && (strings.Contains(e.Call.Asked, model) || strings.Contains(e.Call.Given, model))
}

// printCall is one model call for people.
func (a *app) printCall(e audit.Event) {
	c := e.Call
	if c == nil { // a limit, or a refusal by the wall without a call
		a.printEvent(e)
		return
	}
	a.voice.Result("%s", callLine(e))
	for _, part := range callParts(c) {
		if part.text != "" {
			a.voice.Result("  %-8s %s", part.name, say.Clean(clipped(part.text)))
		}
	}
}

// callLine is what a reader looks for first: when, who, which model, how it
// went, how much.
func callLine(e audit.Event) string {
	c := e.Call
	model := say.Clean(c.Given)
	switch {
	case model == "":
		model = say.Clean(c.Asked)
	case c.Asked != "" && !strings.HasSuffix(c.Given, "/"+c.Asked):
		model = say.Clean(c.Asked) + " → " + model
	}
	parts := []string{e.Time.Local().Format(time.DateTime), fmt.Sprint(c.Status), model, callTimes(c), callFigures(c)}
	if e.Program != "" {
		parts = append(parts, "by "+say.Clean(e.Program))
	}
	if e.Count > 1 {
		parts = append(parts, fmt.Sprintf("%d×", e.Count))
	}
	return strings.Join(without(parts, ""), "  ")
}

func without(all []string, what string) []string {
	var out []string
	for _, s := range all {
		if s != what {
			out = append(out, s)
		}
	}
	return out
}

func callTimes(c *audit.Call) string {
	if c.FirstToken == 0 {
		return took(c.Duration)
	}
	return fmt.Sprintf("%s, first after %s", took(c.Duration), took(c.FirstToken))
}

func took(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%.1f s", ms/1000)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

func callFigures(c *audit.Call) string {
	if c.TokensIn+c.TokensOut == 0 {
		return ""
	}
	text := fmt.Sprintf("%d → %d tokens", c.TokensIn, c.TokensOut)
	if c.Cached > 0 {
		text += fmt.Sprintf(" (%d cached)", c.Cached)
	}
	if c.Cost > 0 {
		text += ", cost " + money(c.Cost)
	}
	return text
}

// money shows an amount with two decimals, or as many as a small one needs.
func money(units float64) string {
	if units == 0 || units >= 0.995 {
		return fmt.Sprintf("%.2f", units)
	}
	text := strings.TrimRight(fmt.Sprintf("%.6f", units), "0")
	return text + "0.00"[min(len(text), 4):]
}

type part struct{ name, text string }

func callParts(c *audit.Call) []part {
	parts := []part{{"asked", lastSaid(c.Prompt)}, {"answer", c.Answer}, {"tools", strings.Join(c.Tools, ", ")}}
	for _, s := range c.Steps {
		parts = append(parts, part{"before", fmt.Sprintf("%s %d after %s: %s", s.Given, s.Status, took(s.Took), s.Error)})
	}
	return append(parts, part{"error", c.Error})
}

// lastSaid is the end of a conversation: who spoke last, and what. What is no
// conversation that is known stays as it is.
func lastSaid(prompt string) string {
	var messages []spoken
	if json.Unmarshal([]byte(prompt), &messages) != nil {
		var whole struct {
			Messages []spoken `json:"messages"` // with others beside it
			Contents []spoken `json:"contents"` // Gemini's
			Prompt   string   `json:"prompt"`
		}
		if json.Unmarshal([]byte(prompt), &whole) != nil {
			return unquoted(prompt) // one text, or cut in the middle
		}
		messages = append(whole.Messages, whole.Contents...)
		if len(messages) == 0 && whole.Prompt != "" {
			return whole.Prompt
		}
	}
	if len(messages) == 0 {
		return unquoted(prompt)
	}
	last := messages[len(messages)-1]
	text := last.text()
	if text == "" {
		return prompt
	}
	return fmt.Sprintf("%s: %s", last.Role, text)
}

func unquoted(prompt string) string {
	var text string
	if json.Unmarshal([]byte(prompt), &text) == nil {
		return text
	}
	return prompt
}

// spoken is one message in any of the APIs.
type spoken struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Parts   []spokenPart    `json:"parts"` // Gemini's
}

type spokenPart struct {
	Text    string          `json:"text"`
	Content json.RawMessage `json:"content"` // of a tool's result
}

func (s spoken) text() string {
	var text string
	if json.Unmarshal(s.Content, &text) == nil && text != "" {
		return text
	}
	parts := s.Parts
	if len(parts) == 0 {
		_ = json.Unmarshal(s.Content, &parts) // one that is neither says nothing
	}
	var all []string
	for _, p := range parts {
		all = append(all, p.Text, spoken{Content: p.Content}.text())
	}
	return strings.Join(without(all, ""), " ")
}

// shownOfText is how much of a prompt or an answer a line shows, in letters.
// The end of a prompt is what was asked last.
const shownOfText = 300

func clipped(s string) string {
	r := []rune(s)
	if len(r) <= shownOfText {
		return s
	}
	return "… " + string(r[len(r)-shownOfText:])
}
