package tiny

import (
	"fmt"
	"regexp"
	"strings"
)

// The kinds of token that a GGUF vocabulary knows.
const (
	normalToken  = 1
	unknownToken = 2
	controlToken = 3
	unusedToken  = 5
	byteToken    = 6
)

// The places of the tokens that every model has.
const (
	tokenUnknown = 0
	tokenBegin   = 1
	tokenEnd     = 2
)

type token struct {
	text  string
	score float32
	kind  int32
}

// vocabulary is the tokens and which one follows which.
type vocabulary struct {
	tokens []token
	next   map[int]int
}

func newVocabulary(turns []Turn) (*vocabulary, error) {
	if len(turns) == 0 {
		return nil, fmt.Errorf("a script needs a turn")
	}
	v := &vocabulary{next: map[int]int{}}
	v.add("<unk>", 0, unknownToken)
	v.add("<s>", 0, controlToken)
	v.add("</s>", 0, controlToken)
	for b := range 256 { // any prompt can be read, byte by byte
		v.add(fmt.Sprintf("<0x%02X>", b), 0, byteToken)
	}
	if err := v.script(turns); err != nil {
		return nil, err
	}
	if len(v.tokens) > maxTokens {
		return nil, fmt.Errorf("the script needs %d tokens of at most %d: use fewer words", len(v.tokens), maxTokens)
	}
	for len(v.tokens)%32 != 0 { // the row sizes that the kernels like
		v.add(fmt.Sprintf("<pad%d>", len(v.tokens)), -1e4, unusedToken)
	}
	return v, nil
}

// script adds the turns; equal ones share their chain.
func (v *vocabulary) script(turns []Turn) error {
	seen, said := map[string]bool{}, map[string]int{}
	for i, t := range turns {
		start := v.add(marker(i), 0, controlToken)
		if first, ok := said[t.text]; ok {
			v.next[start] = v.next[first]
			continue
		}
		said[t.text] = start
		words, ok := pieces(t.text, seen)
		if !ok {
			return fmt.Errorf("turn %d: %q has no word that an earlier turn has not: reword it", i+1, t.text)
		}
		v.chain(start, words)
	}
	return nil
}

func (v *vocabulary) add(text string, score float32, kind int32) int {
	v.tokens = append(v.tokens, token{text, score, kind})
	return len(v.tokens) - 1
}

// chain lets the pieces follow one another from the token at first to the end.
func (v *vocabulary) chain(first int, pieces []string) {
	last := first
	for _, p := range pieces {
		// The low score keeps a piece from being put together out of a prompt.
		id := v.add(p, -1000, normalToken)
		v.next[last] = id
		last = id
	}
	v.next[last] = tokenEnd
}

var word = regexp.MustCompile(`\s*\S+|\s+$`)

// pieces cuts text into words that no other turn uses: a token has one
// follower, so each stands in one place only. A word met before is joined with
// what comes after it or, at the end, with what came before; false where even
// the whole text was met before.
func pieces(text string, seen map[string]bool) (out []string, ok bool) {
	held := ""
	for _, w := range word.FindAllString(text, -1) {
		held += strings.ReplaceAll(w, " ", "\u2581") // the vocabulary's own sign for a blank
		if seen[held] {
			continue
		}
		seen[held] = true
		out = append(out, held)
		held = ""
	}
	for held != "" && seen[held] && len(out) > 0 {
		held = out[len(out)-1] + held
		out = out[:len(out)-1]
	}
	if held == "" {
		return out, true
	}
	if seen[held] {
		return nil, false
	}
	seen[held] = true
	return append(out, held), true
}
