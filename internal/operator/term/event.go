package term

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

// told is an event in the feed's columns.
type told struct {
	ink  ink
	mark string // one column, so that no verdict hangs on colour
	word string
	what string
	more string
}

// tell says an event in a line.
func tell(e audit.Event) told {
	switch e.Kind {
	case audit.Network, audit.HTTP, audit.Names:
		return tellVerdict(e)
	case audit.Approval:
		return tellAnswer(e)
	case audit.Syscall:
		return told{red, "✗", "refused", e.Target, join(programOf(e.Program), "system call")}
	case audit.Inference:
		return tellCall(e)
	case audit.Reload:
		return tellReload(e)
	case audit.Change:
		return told{yellow, "·", e.Verdict, e.Target, join(e.Why, by(e))}
	case audit.Agent:
		return told{agentInk(e.Verdict), "·", "agent", e.Program + " " + e.Verdict, e.Why}
	case audit.Session:
		return told{plain, "·", "session", e.Target, by(e)}
	case audit.Start:
		return told{green, "●", "started", e.Target, say.Count(len(e.Proofs), "proof")}
	case audit.Stop:
		return told{yellow, "○", "stopped", e.Why, by(e)}
	case audit.Damage:
		return told{alarm, "!", "damage", e.Why, ""}
	case audit.Gap:
		return told{yellow, "!", "gap", fmt.Sprintf("%d events came too fast to be shown; the book has them", e.Count), ""}
	}
	return told{plain, "·", string(e.Kind), e.Target, e.Why}
}

func tellVerdict(e audit.Event) told {
	t := told{red, "✗", "deny", e.What(), join(programOf(e.Program), cmp.Or(e.Why, e.Rule))}
	switch e.Verdict {
	case "allow":
		t.ink, t.mark, t.word = green, "✓", "allow"
	case "ask":
		t.ink, t.mark, t.word = yellow, "?", "ask"
	}
	return t
}

// tellAnswer: a question, or what the operator said to it.
func tellAnswer(e audit.Event) told {
	switch e.Verdict {
	case "allow":
		return told{green, "✓", "allowed", e.Target, join(scope(e.Why), by(e))}
	case "deny":
		return told{red, "✗", "denied", e.Target, join(scope(e.Why), by(e))}
	}
	return told{yellow, "?", "asked", e.Target, join(programOf(e.Program), e.ID)}
}

func scope(why string) string {
	if why == "for" {
		return "for a time"
	}
	return why
}

func tellCall(e audit.Event) told {
	c := e.Call
	if c == nil {
		return told{plain, "·", "model", e.Target, e.Why}
	}
	t := told{cyan, "→", "model", cmp.Or(c.Given, c.Asked, e.Target), ""}
	if e.Verdict == "deny" || c.Error != "" || c.Status >= 400 {
		t.ink, t.mark = red, "✗"
	}
	took := time.Duration(c.Duration * float64(time.Millisecond)).Round(10 * time.Millisecond)
	t.more = join(fmt.Sprintf("%d", c.Status), fmt.Sprintf("%d+%d tokens", c.TokensIn, c.TokensOut), took.String(), tools(c.Tools), c.Error)
	return t
}

func tools(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "calls " + strings.Join(names, ", ")
}

func tellReload(e audit.Event) told {
	if e.Verdict == "deny" {
		return told{red, "✗", "reload", e.Target, e.Why}
	}
	cut := ""
	if e.Count > 0 {
		cut = say.Count(e.Count, "connection") + " cut"
	}
	return told{cyan, "↻", "reload", e.Target, join(e.Rule, cut, by(e))}
}

func agentInk(verdict string) ink {
	switch verdict {
	case "healthy":
		return green
	case "ended":
		return red
	}
	return plain
}

func by(e audit.Event) string {
	if e.By == "" {
		return ""
	}
	return "by " + e.By
}

// join puts what there is side by side.
func join(parts ...string) string {
	var all []string
	for _, p := range parts {
		if p != "" {
			all = append(all, p)
		}
	}
	return strings.Join(all, " · ")
}

// row is an entry as a line of the feed. The sandbox's column is left out
// where there is only one.
func (e entry) row(names int) line {
	t := tell(e.Event)
	l := line{{faint, clock(e.Time) + " "}}
	if names > 0 {
		l = l.with(faint, pad(string(e.sandbox), names)+" ")
	}
	l = l.with(t.ink, t.mark+" "+pad(t.word, 7)+" ").with(plain, t.what)
	if e.Count > 1 && e.Kind != audit.Gap && e.Kind != audit.Reload {
		l = l.with(yellow, fmt.Sprintf(" %d×", e.Count))
	}
	if t.more != "" {
		l = l.with(faint, "  "+t.more)
	}
	return l
}

func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }
