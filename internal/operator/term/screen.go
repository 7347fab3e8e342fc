package term

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/nemoclaw/nemoclaw/internal/control"
)

// View draws the whole screen.
func (v *view) View() tea.View {
	s := tea.NewView(v.draw())
	s.AltScreen = true
	s.WindowTitle = "openshell term"
	if n := len(v.pending()); n > 0 {
		s.WindowTitle = fmt.Sprintf("⚠ %d waiting - openshell term", n)
	}
	return s
}

// draw is exactly height lines of exactly width columns.
func (v *view) draw() string {
	lines := v.lines()
	rows := make([]string, len(lines))
	for i, l := range lines {
		rows[i] = l.draw(v.width, v.colour)
	}
	return strings.Join(rows, "\n")
}

// lines lays the screen out. What matters most gets its room first: the card,
// then the keys, then a few events, then the lists.
func (v *view) lines() []line {
	card := v.cardLines()
	foot := v.footLines()
	room := v.height - 1 - len(foot) - len(card)
	boxes := v.sandboxLines(min(7, room-5))
	room -= len(boxes)
	list := v.listLines(min(6, room-6))
	room -= len(list)

	all := []line{v.headLine()}
	all = append(all, boxes...)
	all = append(all, card...)
	all = append(all, list...)
	all = append(all, v.lowerLines(room)...)
	if most := v.height - len(foot); len(all) > most { // a window too low for it all
		head := min(len(all), max(0, most))
		all = all[:head]
	}
	return append(all, foot...)[:v.height]
}

// isWhole says whether the window shows all of the card.
func (v *view) isWhole() bool { return 1+len(v.cardLines())+len(v.footLines()) <= v.height }

func (v *view) headLine() line {
	left := line{{bold, "openshell term"}, {faint, "  " + v.census()}}
	right := line{{faint, clock(v.now())}}
	if n := len(v.pending()); n > 0 {
		right = line{{alarm, fmt.Sprintf("⚠ %d waiting  ", n)}, {faint, clock(v.now())}}
	}
	return spread(left, right, v.width)
}

func (v *view) census() string {
	if v.trouble != nil {
		return v.trouble.Error()
	}
	running := 0
	for _, r := range v.rows {
		if r.status.State == control.Running {
			running++
		}
	}
	if len(v.order) == 1 {
		return fmt.Sprintf("%d of 1 sandbox running", running)
	}
	return fmt.Sprintf("%d of %d sandboxes running", running, len(v.order))
}

// rule is a line across the screen with a title in it.
func (v *view) rule(title string, here bool) line {
	l := line{{faint, "── "}, {plain, title}, {faint, " "}}
	if here {
		l = line{{cyan, "─▸ "}, {bold, title}, {faint, " "}}
	}
	return l.with(faint, strings.Repeat("─", max(0, v.width-l.width())))
}

// lowerLines is the feed, or the sheet over it.
func (v *view) lowerLines(room int) []line {
	if room < 1 {
		return nil
	}
	var all []line
	if v.sheet != nil {
		all = v.sheetLines(room)
	} else {
		all = v.feedLines(room)
	}
	for len(all) < room {
		all = append(all, nil)
	}
	return all
}

func (v *view) sheetLines(room int) []line {
	var all []line
	for _, l := range v.sheet.lines {
		all = append(all, broken(l, v.width)...)
	}
	last := max(0, len(all)-(room-1))
	v.sheet.top = min(max(0, v.sheet.top), last)
	title := v.sheet.title
	if last > 0 {
		title += fmt.Sprintf(" · %d%%", v.sheet.top*100/last)
	}
	shown := all[v.sheet.top:min(len(all), v.sheet.top+room-1)]
	return append([]line{v.rule(title+" · Esc closes", true)}, shown...)
}

// broken is l over as many lines as its last span needs, under itself.
func broken(l line, width int) []line {
	if len(l) == 0 || l.width() <= width {
		return []line{l}
	}
	last := l[len(l)-1]
	indent := l[:len(l)-1].width()
	var all []line
	for i, part := range wrap(last.text, max(8, width-indent)) {
		if i == 0 {
			all = append(all, append(slices.Clone(l[:len(l)-1]), span{last.ink, part}))
			continue
		}
		all = append(all, line{{plain, strings.Repeat(" ", indent)}, {last.ink, part}})
	}
	return all
}

func (v *view) feedLines(room int) []line {
	shown := v.feed.shown()
	all := []line{v.rule(v.feedTitle(len(shown)), v.focused() == events)}
	if room--; room < 1 {
		return all
	}
	talk := v.shownCalls(min(3, room-1))
	room -= len(talk)
	at := v.feed.place(shown)
	from := max(0, min(at-room/2, len(shown)-room))
	names := 0
	if len(v.order) > 1 && v.feed.only == "" {
		names = v.names()
	}
	for i := from; i < min(len(shown), from+room); i++ {
		l := shown[i].row(names)
		if i == at && v.focused() == events {
			l[0] = span{chosen, "▸" + l[0].text}
			all = append(all, l)
			continue
		}
		all = append(all, append(line{{plain, " "}}, l...))
	}
	for _, c := range talk {
		all = append(all, append(line{{plain, " "}}, c.row(names, v.width-1)...))
	}
	return all
}

func (v *view) feedTitle(n int) string {
	t := "Events · " + v.feed.sort.name
	if v.feed.only != "" {
		t += " · " + string(v.feed.only)
	}
	if v.feed.search != "" {
		t += " · /" + v.feed.search
	}
	if n != len(v.feed.entries) {
		t += fmt.Sprintf(" · %d of %d", n, len(v.feed.entries))
	}
	if v.feed.at != 0 {
		t += " · End follows"
	}
	return t
}

// footLines is the notice, where there is one, and the keys.
func (v *view) footLines() []line {
	var all []line
	if v.notice != nil && v.now().Before(v.until) {
		all = append(all, append(line{{plain, " "}}, v.notice...))
	}
	return append(all, v.keyLine())
}

func (v *view) keyLine() line {
	q, asks := v.card()
	_, sent := v.sending[q.id]
	switch {
	case v.typing:
		return line{{cyan, " /"}, {plain, v.feed.search}, {chosen, " "}, {faint, "  Enter keeps it · Esc ends it"}}
	case sent:
		return line{{faint, " answering …"}}
	case asks && v.fresh():
		return line{{yellow, " a new question: look at it first"}}
	case asks:
		return keys("o", "once", "p", "add to policy", "d", "deny always", "h", "1 hour", "n", "not now", "?", "help", "q", "quit")
	}
	return keys("↑↓", "move", "Enter", "look", "0-5", "filter", "/", "search", "Tab", "pane", "v", "policy", "?", "help", "q", "quit")
}

// keys is pairs of a key and what it does.
func keys(pairs ...string) line {
	var l line
	for i := 0; i+1 < len(pairs); i += 2 {
		l = l.with(plain, " ").with(cyan, pairs[i]).with(faint, " "+pairs[i+1]+" ")
	}
	return l
}
