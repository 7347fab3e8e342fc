package inference

import (
	"strings"
	"testing"
)

// However long a text is, and wherever a key stands in it, none of the key is
// in what is kept; and masking looks at no more than is kept.
func TestUnseenLeavesNoPartOfAKey(t *testing.T) {
	const key = "sk-0123456789abcdefghijklmnopqrstuvwxyz"
	const most = 4 << 10
	s := &secrets{}
	for _, size := range []int{most / 2, most + border, most + 2*border + 1, 1 << 20} {
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
