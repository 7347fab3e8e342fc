package term

import (
	"fmt"
	"slices"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

// cardLines is the article's alert about the question that the keys answer.
func (v *view) cardLines() []line {
	q, ok := v.card()
	if !ok {
		return nil
	}
	r := v.rows[q.sandbox]
	all := []line{
		v.rule("Questions", v.focused() == questions && v.sheet == nil),
		spread(line{{alarm, "⚠ Blocked outbound request"}}, line{{faint, v.whose(q)}}, v.width),
		{{faint, "From: "}, {plain, asker(r.status.Agent.Name, q.Program)}},
	}
	all = append(all, broken(line{{faint, "To: "}, {bold, q.destination()}}, v.width)...) // to its end: whose it is stands there
	if at := addressOf(q); at != "" {
		all = append(all, broken(line{{faint, "  at "}, {plain, at}}, v.width)...)
	}
	all = append(all, line{
		{faint, "Time: "}, {plain, clock(q.Time)}, {faint, "  " + v.heldText(q)}, {faint, askedText(q)},
	})
	if q.Notice != "" {
		all = append(all, broken(line{{yellow, "⚠ "}, {yellow, q.Notice}}, v.width)...)
	}
	return append(all, v.buttons())
}

// whose says whose question it is, and which of how many.
func (v *view) whose(q question) string {
	all := v.pending()
	i := slices.IndexFunc(all, func(o question) bool { return o.id == q.id })
	of := ""
	if len(all) > 1 {
		of = fmt.Sprintf(" · %d of %d", i+1, len(all))
	}
	return " " + string(q.sandbox) + of
}

// heldText says what waits on the answer, and for how long it still does.
func (v *view) heldText(q question) string {
	if q.Held == 0 {
		return "not held any more: the answer serves the next try"
	}
	t := say.Count(q.Held, "connection") + " held"
	if left, ok := v.asks.left(q, v.rows[q.sandbox].hold, v.now()); ok {
		t += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return t
}

func askedText(q question) string {
	if q.Count < 2 {
		return ""
	}
	return fmt.Sprintf(" · asked %d times", q.Count)
}

// buttons are the answers. The one that the operator moved to is marked.
func (v *view) buttons() line {
	var l line
	for i, w := range words() {
		switch i {
		case 0:
		case 3:
			l = l.with(plain, "  ")
		default:
			l = l.with(plain, " ")
		}
		if i == v.button {
			l = l.with(chosen, "▸"+w.label+"◂")
			continue
		}
		l = l.with(cyan, "["+w.label+"]")
	}
	return l
}

// listLines is the other questions, around the one on the card. One alone
// needs no list.
func (v *view) listLines(most int) []line {
	all := v.pending()
	if most < 1 || len(all) < 2 {
		return nil
	}
	at := max(0, slices.IndexFunc(all, func(q question) bool { return q.id == v.sel }))
	from := max(0, min(at-most/2, len(all)-most))
	var out []line
	for _, q := range all[from:min(len(all), from+most)] {
		out = append(out, v.listLine(q))
	}
	return out
}

func (v *view) listLine(q question) line {
	l := line{{plain, "  "}}
	if q.id == v.sel {
		l = line{{cyan, "▸ "}}
	}
	held := "not held"
	if q.Held > 0 {
		held = fmt.Sprintf("held %d", q.Held)
		if left, ok := v.asks.left(q, v.rows[q.sandbox].hold, v.now()); ok {
			held += fmt.Sprintf(" %s", left.Round(time.Second))
		}
	}
	l = l.with(yellow, pad(held, 11)).with(plain, " "+ending(q.destination(), max(20, v.width/2))).with(faint, "  "+programOf(q.Program))
	if len(v.order) > 1 {
		l = l.with(faint, "  "+string(q.sandbox))
	}
	if q.Count > 1 {
		l = l.with(yellow, fmt.Sprintf("  %d×", q.Count))
	}
	if q.Notice != "" {
		l = l.with(yellow, "  ⚠")
	}
	return l
}
