package term

import (
	"strings"
	"unicode"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

// ink is an SGR code, of the terminal's own colours.
type ink string

// The inks.
const (
	plain  ink = ""
	bold   ink = "1"
	faint  ink = "2"
	red    ink = "31"
	green  ink = "32"
	yellow ink = "33"
	cyan   ink = "36"
	alarm  ink = "1;31"
	chosen ink = "7"
)

// span is a piece of a line in one ink.
type span struct {
	ink  ink
	text string
}

// line is one row of the screen, before it is cut to the terminal's width.
type line []span

func text(s string) line { return line{{plain, s}} }

// with is l with more behind it.
func (l line) with(i ink, s string) line { return append(l, span{i, s}) }

// draw is the one way to the screen: it cleans every span, cuts the line to
// width columns and fills it up, with colour where that is wanted.
func (l line) draw(width int, colour bool) string {
	var b strings.Builder
	left := width
	for _, s := range l {
		t, w := fit(say.Clean(s.text), left)
		left -= w
		if !colour || s.ink == plain || t == "" {
			b.WriteString(t)
			continue
		}
		b.WriteString("\x1b[" + string(s.ink) + "m" + t + "\x1b[0m")
	}
	return b.String() + strings.Repeat(" ", max(0, left))
}

// spread sets left and right against the two edges; where both do not fit, the
// left one is cut.
func spread(left, right line, width int) line {
	room := max(0, width-right.width())
	var l line
	for _, s := range left {
		t, w := fit(say.Clean(s.text), room)
		l, room = l.with(s.ink, t), room-w
	}
	return append(l.with(plain, strings.Repeat(" ", room)), right...)
}

func (l line) width() int {
	n := 0
	for _, s := range l {
		n += columns(say.Clean(s.text))
	}
	return n
}

// fit cuts a clean s to at most width columns, and says how many it takes.
func fit(s string, width int) (string, int) {
	if n := columns(s); n <= width {
		return s, n
	}
	if width <= 0 {
		return "", 0
	}
	used := 0
	for i, r := range s {
		w := columnsOf(r)
		if used+w > width-1 {
			return s[:i] + "…", used + 1
		}
		used += w
	}
	return s, used
}

// ending is s in at most width columns, ASCII, with what is left out at its front.
func ending(s string, width int) string {
	if len(s) <= width {
		return s
	}
	return "…" + s[len(s)-width+1:]
}

// pad is s, cut or filled to width columns.
func pad(s string, width int) string {
	t, n := fit(say.Clean(s), width)
	return t + strings.Repeat(" ", max(0, width-n))
}

func columns(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

// columnsOf is how many columns a printable rune takes: none for a mark that
// sits on the one before, two for the wide scripts and pictures of East Asian
// Width (Unicode TR11), else one. A terminal that counts otherwise draws a
// ragged edge, no more: what is too long is cut once again where it is drawn.
func columnsOf(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case wide(r):
		return 2
	}
	return 1
}

func wide(r rune) bool {
	for _, span := range [...][2]rune{
		{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xa960, 0xa97f}, {0xac00, 0xd7a3},
		{0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x16fe0, 0x18cff},
		{0x1b000, 0x1b2ff}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd},
	} {
		if r >= span[0] && r <= span[1] {
			return true
		}
	}
	return false
}

// wrap breaks a text of several lines at width columns; tabs become spaces.
func wrap(s string, width int) []string {
	var out []string
	for l := range strings.SplitSeq(strings.ReplaceAll(s, "\t", "    "), "\n") {
		out = append(out, wrapLine(say.Clean(l), max(1, width))...)
	}
	return out
}

// wrapLine breaks a clean line, at a space where there is one near the edge.
func wrapLine(s string, width int) []string {
	var out []string
	for columns(s) > width {
		end, space, used := 0, 0, 0
		for i, r := range s {
			w := columnsOf(r)
			if used+w > width && i > 0 {
				break
			}
			if r == ' ' && used > width/2 {
				space = i + 1
			}
			used += w
			end = i + len(string(r))
		}
		if space > 0 {
			end = space
		}
		out = append(out, strings.TrimRight(s[:end], " "))
		s = s[end:]
	}
	return append(out, s)
}
