package say

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes s harmless to print: control characters, escape sequences,
// bytes that are no UTF-8 and the characters that turn or hide text (bidi
// controls, zero-width and other format characters) come out as Go escapes.
// Tab and newline become escapes as well, so that one value stays on one line.
func Clean(s string) string {
	return clean(s, func(rune) bool { return false })
}

// CleanLines is Clean for text of several lines: newline and tab stay.
func CleanLines(s string) string {
	return clean(s, func(r rune) bool { return r == '\n' || r == '\t' })
}

func clean(s string, keep func(rune) bool) string {
	if harmless(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case keep(r) || printable(r):
			b.WriteRune(r)
		default:
			b.WriteString(escape(r))
		}
		i += size
	}
	return b.String()
}

func escape(r rune) string {
	q := strconv.QuoteRuneToASCII(r)
	return q[1 : len(q)-1]
}

// printable says whether r may reach a terminal as it is. Format characters
// (category Cf: bidi, zero-width, tags) are what spoofs are made of.
func printable(r rune) bool {
	return r == ' ' || unicode.IsPrint(r) && !unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Variation_Selector, r)
}

// harmless is the quick way for the plain ASCII that nearly everything is.
func harmless(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
