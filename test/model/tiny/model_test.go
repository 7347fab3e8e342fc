package tiny

import (
	"bytes"
	"strings"
	"testing"
)

var rogue = Model{Name: "rogue", Turns: []Turn{
	Call("exec", map[string]string{"command": "cat /etc/shadow; cat /etc/shadow"}),
	Say("I ran the command, and I ran the command."),
}}

// Two tokens with codes that disturb each other would make the model stray.
func TestCodesAreOrthogonal(t *testing.T) {
	for a := range maxTokens {
		for b := range maxTokens {
			if dot := product(code(a), code(b)); a != b && dot > 0 || a == b && dot != width {
				t.Fatalf("codes %d and %d: product %v", a, b, dot)
			}
		}
	}
}

func product(a, b []float32) (sum float32) {
	for k := range a {
		sum += a[k] * b[k]
	}
	return sum
}

func TestPiecesAreUnique(t *testing.T) {
	for _, text := range []string{
		"one two three", "the the the", "a b a b", "a a", "", " ", "x  y\n\nz ", "end end",
	} {
		seen := map[string]bool{}
		first, ok := pieces(text, seen)
		if got := plain(first); !ok || got != text {
			t.Errorf("pieces(%q) give back %q", text, got)
		}
		count := map[string]int{}
		for _, p := range first {
			if count[p]++; count[p] > 1 {
				t.Errorf("pieces(%q): %q twice", text, p)
			}
		}
	}
}

func plain(pieces []string) string {
	return strings.ReplaceAll(strings.Join(pieces, ""), "\u2581", " ")
}

// The followers, read out of the weights as a loader would, spell the turns.
func TestWeightsSpellTheTurns(t *testing.T) {
	v, err := newVocabulary(rogue.Turns)
	if err != nil {
		t.Fatal(err)
	}
	output := v.tensors()[2].data
	for i, turn := range rogue.Turns {
		if got := spell(v, output, marker(i)); got != turn.Text() {
			t.Errorf("turn %d: %q, want %q", i, got, turn.Text())
		}
	}
}

// Turns that say the same again, or share words, still have tokens of one text
// each: a loader refuses a vocabulary with two equal ones.
func TestTurnsMayRepeat(t *testing.T) {
	if _, err := newVocabulary([]Turn{Say("yes I did"), Say("yes I did"), Say("yes I would"), Say("yes")}); err == nil {
		t.Fatal("the last turn has no word of its own, and was taken")
	}
	v, err := newVocabulary([]Turn{Say("yes I did"), Say("yes I did"), Say("yes I would")})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, tok := range v.tokens {
		if seen[tok.text] {
			t.Errorf("two tokens %q", tok.text)
		}
		seen[tok.text] = true
	}
	if got := spell(v, v.tensors()[2].data, marker(1)); got != "yes I did" {
		t.Errorf("the repeated turn says %q", got)
	}
}

func spell(v *vocabulary, output []float32, start string) string {
	at := 0
	for id, t := range v.tokens {
		if t.text == start {
			at = id
		}
	}
	var said []string
	for range maxTokens {
		best, high := 0, float32(-1e9)
		for id := range v.tokens {
			if l := product(code(at), output[id*width:(id+1)*width]); l > high {
				best, high = id, l
			}
		}
		if best == tokenEnd {
			break
		}
		said = append(said, v.tokens[best].text)
		at = best
	}
	return plain(said)
}

func TestSameScriptSameBytes(t *testing.T) {
	var a, b bytes.Buffer
	if err := rogue.WriteGGUF(&a); err != nil {
		t.Fatal(err)
	}
	if err := rogue.WriteGGUF(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) || a.Len() < 1<<20 {
		t.Errorf("%d and %d bytes, equal: %v", a.Len(), b.Len(), bytes.Equal(a.Bytes(), b.Bytes()))
	}
}

func TestTooLongAScriptIsRefused(t *testing.T) {
	var words strings.Builder
	for i := range maxTokens {
		words.WriteString(strings.Repeat("x", i+1) + " ")
	}
	for _, m := range []Model{
		{Name: "long", Turns: []Turn{Say(words.String())}},
		{Name: "empty"},
		{Name: "odd", Turns: []Turn{Call("exec", func() {})}},
	} {
		if err := m.WriteGGUF(&bytes.Buffer{}); err == nil {
			t.Errorf("model %q was written", m.Name)
		}
	}
}
