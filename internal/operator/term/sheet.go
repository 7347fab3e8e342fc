package term

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// facts is the lines of a sheet: a name and what is known under it.
type facts []line

// fact adds one; an empty text is left out.
func (f *facts) fact(name, text string) {
	if text != "" {
		*f = append(*f, line{{faint, pad(name, 10) + " "}, {plain, text}})
	}
}

// prose adds a longer text under its name, broken where the screen is drawn.
func (f *facts) prose(name, text string) {
	if text == "" {
		return
	}
	*f = append(*f, line{{faint, name}})
	for l := range strings.SplitSeq(text, "\n") {
		*f = append(*f, line{{plain, "  " + strings.ReplaceAll(l, "\t", "    ")}})
	}
}

func (v *view) questionSheet(q question) *sheet {
	var f facts
	f.fact("To", q.destination())
	f.fact("Address", addressOf(q))
	f.fact("From", asker(v.rows[q.sandbox].status.Agent.Name, q.Program))
	f.fact("Program", q.Program)
	f.fact("Sandbox", string(q.sandbox))
	f.fact("Question", q.id.id)
	f.fact("Asked", fmt.Sprintf("%s, first at %s", times(q.Count), q.Time.Local().Format(time.DateTime)))
	f.fact("Held", v.heldText(q))
	f.fact("Look twice", q.Notice)
	f = append(f, nil)
	base := "nemoclaw " + string(q.sandbox) + " approvals "
	for _, c := range []struct{ what, command string }{
		{"once", "allow " + q.id.id}, {"1 hour", "allow " + q.id.id + " --for 1h"}, {"always", "allow " + q.id.id + " --always"},
		{"never", "deny " + q.id.id + " --always"}, {"not now", "deny " + q.id.id},
	} {
		f.fact(c.what, base+c.command)
	}
	return &sheet{title: "Question " + q.id.id, lines: f, about: q.id}
}

func addressOf(q question) string {
	if q.Address == "" || q.Host == "" {
		return ""
	}
	return q.Address + ", which this allowed name has now"
}

func times(n int) string {
	if n <= 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (v *view) sandboxSheet(n state.Name, r *row) *sheet {
	s := r.status
	var f facts
	f.fact("Sandbox", strings.TrimSpace(string(s.State)+" "+v.uptime(r)))
	f.fact("Why", s.Why)
	f.fact("Blueprint", blueprint(s.Blueprint))
	f.fact("Base", s.Blueprint.Base)
	f.fact("Inference", model(s.Inference))
	f.fact("", s.Inference.Why)
	f.fact("", s.Inference.Hint)
	f.fact("Policy", policyText(s))
	f.prose("", s.NetworkPolicy.Error)
	for _, w := range wallsOf(s.Walls) {
		f.fact(w.name, w.standing()+"  "+w.Proof)
	}
	f.fact("Agent", agentText(s.Agent))
	if s.GatewayPort != 0 {
		f.fact("Gateway", fmt.Sprintf("127.0.0.1:%d", s.GatewayPort))
	}
	f.fact("Limits", strings.Join(s.Limits, "; "))
	f.fact("Mounts", strings.Join(s.Mounts, "; "))
	f.fact("Notes", strings.Join(s.Notes, "; "))
	for _, a := range r.approvals {
		if a.State == "until" {
			f.fact("Allowed", question{id{n, a.ID}, a}.destination()+" until "+clock(a.Until))
		}
	}
	return &sheet{title: "Sandbox " + string(n), lines: f}
}

func blueprint(b control.BlueprintStatus) string {
	if b.Name == "" {
		return ""
	}
	t := b.Name + "@" + b.Version
	if b.Verified {
		t += " (verified)"
	}
	return t
}

func model(i control.InferenceStatus) string {
	switch {
	case i.Model == "":
		return ""
	case i.Connected:
		return i.Model + " ← connected"
	}
	return i.Model + " ← disconnected"
}

func policyText(s control.Status) string {
	switch {
	case s.State != control.Running:
		return ""
	case !s.NetworkPolicy.Active:
		return "off (operator)"
	}
	return fmt.Sprintf("active (%s, revision %s)", say.Count(s.NetworkPolicy.Rules, "rule"), s.NetworkPolicy.Revision)
}

func agentText(a control.AgentStatus) string {
	switch {
	case a.Name == "" || a.Name == "none":
		return "none"
	case a.Healthy:
		return a.Name + " healthy"
	case a.Running:
		return a.Name + " not healthy: " + a.Why
	}
	return a.Name + " not running: " + a.Why
}

// wall is one of the four with its name.
type wall struct {
	name, short string
	control.Wall
}

func wallsOf(w control.Walls) []wall {
	return []wall{{"network", "net", w.Network}, {"filesystem", "fs", w.Filesystem}, {"process", "proc", w.Process}, {"inference", "inf", w.Inference}}
}

func (w wall) standing() string {
	if w.Enforced {
		return "enforced"
	}
	return "NOT ENFORCED"
}

func eventSheet(e entry) *sheet {
	var f facts
	t := tell(e.Event)
	f.fact("Event", join(string(e.Kind), t.word, fmt.Sprintf("line %d of the book", e.Seq)))
	f.fact("Time", e.Time.Local().Format(time.DateTime+".000"))
	f.fact("Sandbox", string(e.sandbox))
	f.fact("Wall", e.Wall)
	f.fact("Target", e.Target)
	f.fact("Program", e.Program)
	if e.PID != 0 {
		f.fact("PID", fmt.Sprintf("%d, inside", e.PID))
	}
	f.fact("Rule", e.Rule)
	f.fact("Why", e.Why)
	if e.Count > 1 {
		f.fact("Count", strconv.Itoa(e.Count))
	}
	f.fact("Operator", e.By)
	f.fact("Question", e.ID)
	for _, p := range e.Proofs {
		f.fact(p.Wall, p.Tried+": "+p.Got)
	}
	f.call(e.Call)
	return &sheet{title: fmt.Sprintf("Event %d of %s", e.Seq, e.sandbox), lines: f}
}

// call adds one model call with its prompt and answer.
func (f *facts) call(c *audit.Call) {
	if c == nil {
		return
	}
	f.fact("Model", cmp.Or(c.Given, "none")+", asked for "+cmp.Or(c.Asked, "none"))
	f.fact("Call", join(c.API+" "+c.Path, "status "+strconv.Itoa(c.Status)))
	f.fact("Tokens", fmt.Sprintf("%d in, %d out", c.TokensIn, c.TokensOut))
	f.fact("Took", fmt.Sprintf("%.0f ms, first token after %.0f ms", c.Duration, c.FirstToken))
	f.fact("Error", c.Error)
	f.fact("Tools", strings.Join(c.Tools, ", "))
	f.prose("Prompt", indented(c.Prompt))
	f.prose("Answer", c.Answer)
}

// indented is JSON for people; what is none stays as it is.
func indented(s string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(s), "", "  ") != nil {
		return s
	}
	return b.String()
}

// policySheet is a policy file with its line numbers; the one that decided the
// event the operator stands on is marked.
func policySheet(name state.Name, file string, decided int) read {
	title := "Policy of " + string(name)
	b, err := os.ReadFile(file)
	if err != nil {
		return read{title: title, lines: []line{{{red, err.Error()}}}}
	}
	var all []line
	for l := range strings.Lines(string(b)) {
		n := len(all) + 1
		mark := line{{faint, fmt.Sprintf("  %4d  ", n)}}
		if n == decided {
			mark = line{{yellow, fmt.Sprintf("▸ %4d  ", n)}}
		}
		all = append(all, mark.with(plain, strings.ReplaceAll(strings.TrimRight(l, "\r\n"), "\t", "    ")))
	}
	return read{title, all, max(0, decided-4)}
}

// lineOf is the line of the policy file that decided the event the operator
// stands on; 0 where none is known.
func (v *view) lineOf() int {
	shown := v.feed.shown()
	if i := v.feed.place(shown); i >= 0 && (shown[i].Kind == audit.Network || shown[i].Kind == audit.HTTP) {
		return ruleLine(shown[i].Rule)
	}
	return 0
}

// ruleLine is the line number at the end of a rule as an event tells it.
func ruleLine(rule string) int {
	_, rest, found := strings.Cut(rule, "(line ")
	if !found {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSuffix(rest, ")"))
	if err != nil {
		return 0
	}
	return n
}

func helpSheet() *sheet {
	var f facts
	for _, h := range [][2]string{
		{"o", "allow this connection once"},
		{"p", "add to the policy: a rule in the file, for every program"},
		{"d", "deny always: a deny rule in the file, for every program"},
		{"h", "allow this program, host and port for 1 hour"},
		{"n", "not now: refuse this one, and its retries for a minute"},
		{"← →, Enter", "move to a button and press it"},
		{"", ""},
		{"↑ ↓ k j", "move; PgUp PgDn Home End by more"},
		{"Tab", "questions, events, sandboxes"},
		{"Enter, i", "all there is about it; on a sandbox, Enter shows its events alone"},
		{"0", "all events"},
		{"1 2 3", "verdicts · refusals · system calls"},
		{"4 5", "model calls · changes"},
		{"/", "search; Esc ends it"},
		{"v", "the sandbox's policy file, with the rule that decided"},
		{"Esc", "back"},
		{"q", "quit; what waits goes on waiting"},
		{"", ""},
		{"", "A new question takes no key for half a second."},
		{"", "A connection waits as long as the policy's hold. The question outlives it:"},
		{"", "answered later, the answer serves the next try."},
	} {
		f = append(f, line{{cyan, pad(h[0], 11) + " "}, {plain, h[1]}})
	}
	return &sheet{title: "Help", lines: f}
}
