package inference

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// Of an answer that is longer than what is kept of it, the record has both ends,
// and how much it has not: by either way in which a text is heard.
func TestRecordHasBothEnds(t *testing.T) {
	const line, lines = 100, 30 << 10
	for name, say := range map[string]func(*tally, string){
		"read":    func(a *tally, s string) { a.say(&a.text, s) },
		"stencil": func(a *tally, s string) { a.heard([]byte(s), false) },
	} {
		var a tally
		for i := range lines {
			say(&a, fmt.Sprintf("%-*d\n", line-1, i))
		}
		var c Call
		a.fill(&c)
		c = c.clean(true, func(s string) string { return s })
		first, rest, _ := strings.Cut(c.Answer, " … ")
		left, last, _ := strings.Cut(rest, " bytes left out … ")
		n, err := strconv.Atoi(left)
		if err != nil || n+len(first)+len(last) != line*lines || !strings.HasPrefix(first, "0 ") || !strings.Contains(last, fmt.Sprint("\n", lines-1, " ")) {
			t.Errorf("%s: %q left out, of %d bytes %d at the beginning and %d at the end", name, left, line*lines, len(first), len(last))
		}
	}
}

// However long a text is, and wherever a key stands in it, none of the key is
// in what is kept; and masking looks at no more than is kept.
func TestUnseenLeavesNoPartOfAKey(t *testing.T) {
	const key = "sk-0123456789abcdefghijklmnopqrstuvwxyz"
	const most = 4 << 10
	s := &secrets{}
	for _, size := range []int{most / 2, most + border, most + 2*border + 1, 64 << 10} {
		for at := 0; at < size; at += 97 {
			text := strings.Repeat(".", at) + " " + key + " " + strings.Repeat(".", size-at)
			looked := 0
			got := unseen(text, most, func(x string) string { looked += len(x); return s.mask(x) })
			for i := 0; i+12 <= len(key); i++ {
				if strings.Contains(got, key[i:i+12]) {
					t.Fatalf("a text of %d with the key at %d keeps %q", size, at, key[i:i+12])
				}
			}
			if looked > most+2*border+len(key) {
				t.Fatalf("a text of %d: %d bytes were masked to keep %d", size, looked, most)
			}
			if len(got) > most+64 {
				t.Fatalf("a text of %d: %d bytes are kept; want about %d", size, len(got), most)
			}
		}
	}
}
