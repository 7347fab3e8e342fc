package term

import (
	"slices"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

// sandboxLines is a line a sandbox, around the one the operator stands on.
func (v *view) sandboxLines(most int) []line {
	if most < 1 {
		return nil
	}
	if len(v.order) == 0 {
		return v.emptyLines()
	}
	at := max(0, slices.Index(v.order, v.at))
	from := max(0, min(at-most/2, len(v.order)-most))
	var all []line
	for _, n := range v.order[from:min(len(v.order), from+most)] {
		mark := line{{plain, "  "}}
		if v.focused() == sandboxes && n == v.at {
			mark = line{{cyan, "▸ "}}
		}
		all = append(all, append(mark, v.sandboxLine(string(n), v.rows[n])...))
	}
	return all
}

func (v *view) emptyLines() []line {
	if !v.looked {
		return nil
	}
	return []line{text("  There is no sandbox yet."), text("  → nemoclaw onboard")}
}

func (v *view) names() int {
	n := 0
	for _, name := range v.order {
		n = max(n, len(name))
	}
	return min(n, 20)
}

func (v *view) sandboxLine(name string, r *row) line {
	s := r.status
	l := v.dot(r).with(plain, pad(name, v.names())+" ")
	switch {
	case !r.known && r.here:
		return l.with(faint, "running")
	case !r.known:
		return l.with(faint, "…")
	case s.State != control.Running:
		return l.with(stateInk(s.State), string(s.State)).with(faint, "  "+s.Why)
	case !r.here:
		return l.with(yellow, "does not answer").with(faint, "  "+s.Why)
	}
	l = l.with(plain, "running "+pad(v.uptime(r), 8))
	for _, w := range wallsOf(s.Walls) {
		l = append(l, w.mark())
	}
	switch {
	case s.NetworkPolicy.Error != "":
		return l.with(red, " policy file not in force: "+s.NetworkPolicy.Error)
	case s.Agent.Why != "" && !s.Agent.Healthy:
		return l.with(red, " "+agentText(s.Agent))
	case s.Inference.Model != "" && !s.Inference.Connected:
		l = l.with(red, " disconnected: "+s.Inference.Model)
	case s.Inference.Model != "":
		l = l.with(plain, " "+s.Inference.Model+" ").with(green, "✓")
	}
	return l.with(faint, "  "+say.Count(s.NetworkPolicy.Rules, "rule"))
}

// mark is a wall in a word. Off is what the operator chose.
func (w wall) mark() span {
	switch {
	case w.Enforced:
		return span{green, w.short + "✓ "}
	case strings.HasPrefix(w.Proof, "off"):
		return span{yellow, w.short + " off "}
	}
	return span{red, w.short + "✗ "}
}

func (v *view) dot(r *row) line {
	switch {
	case r.status.State == control.Running && r.status.Healthy && r.here:
		return line{{green, "● "}}
	case r.status.State == control.Stopped || !r.known:
		return line{{faint, "○ "}}
	}
	return line{{red, "! "}}
}

func stateInk(s control.State) ink {
	if s == control.Failed {
		return red
	}
	return faint
}

func (v *view) uptime(r *row) string {
	if r.status.State != control.Running {
		return ""
	}
	return say.Span(time.Duration(r.status.UptimeSeconds)*time.Second + v.now().Sub(r.since))
}
