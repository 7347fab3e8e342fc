package inference

import "bytes"

// stencil is one element of a stream that says something, as a pattern: the
// elements that follow differ from it in a few texts alone. One that fits needs
// no reading of JSON: other letters between the same quotes are the same
// structure. It is exact, not a guess; what does not fit is read.
//
// What was said may stand in an element at another place than where it was read:
// two texts make it up, and a third is spelled so. So the first element that fits
// with another text is read as well: where two texts are heard as they stand, all
// are, since the rest of the element is the same.
type stencil struct {
	in, out  [][]byte // what stands before, between and after the texts
	said     int      // the place of what is said among the texts
	thinking bool     // that is a thought
	first    []byte   // what was said in the element it was made of
	sure     bool     // another text was heard as it stands

	texts [mostTexts][]byte // of the element that fitted last
}

// mostTexts: what is said, and those below.
const mostTexts = 3

// varying are the members whose texts nobody here reads, and which differ from
// element to element: Ollama's time, and what OpenAI's API pads elements with.
var varying = [][]byte{[]byte(`"created_at":"`), []byte(`"obfuscation":"`)}

// cut makes a stencil of an element in which said was said, and of what the
// agent got for it; nil where that cannot be done exactly.
func cut(payload, made, said []byte, thinking bool) *stencil {
	if len(said) == 0 || bytes.IndexByte(payload, '\\') >= 0 || bytes.IndexByte(made, '\\') >= 0 {
		return nil // without escapes, every text stands there as it is
	}
	in, at := spans(payload, said)
	out, outAt := spans(made, said)
	if in == nil || out == nil || len(in) != len(out) || at != outAt {
		return nil
	}
	return &stencil{in: in, out: out, said: at, thinking: thinking, first: bytes.Clone(said)}
}

// spans are the parts of an element around its texts, copied; nil where a text
// is not at one place alone.
func spans(payload, said []byte) (parts [][]byte, at int) {
	quoted := append(append([]byte{'"'}, said...), '"')
	if bytes.Count(payload, quoted) != 1 {
		return nil, 0
	}
	type text struct{ from, to int }
	mine := bytes.Index(payload, quoted) + 1
	texts := []text{{mine, mine + len(said)}}
	for _, key := range varying {
		i := bytes.Index(payload, key)
		if i < 0 {
			continue
		}
		from := i + len(key)
		end := bytes.IndexByte(payload[from:], '"')
		if end < 0 || from == mine {
			return nil, 0
		}
		where := 0
		for where < len(texts) && texts[where].from < from {
			where++
		}
		texts = append(texts[:where], append([]text{{from, from + end}}, texts[where:]...)...)
	}
	rest := 0
	for i, t := range texts {
		if t.from == mine {
			at = i
		}
		parts = append(parts, bytes.Clone(payload[rest:t.from]))
		rest = t.to
	}
	return append(parts, bytes.Clone(payload[rest:])), at
}

// fits says whether an element is the same but for its texts, and what was
// said in it.
func (s *stencil) fits(payload []byte) (said []byte, ok bool) {
	if s == nil {
		return nil, false
	}
	last := len(s.in) - 1
	for i, part := range s.in {
		rest, ok := bytes.CutPrefix(payload, part)
		if !ok {
			return nil, false
		}
		if i == last {
			return s.texts[s.said], len(rest) == 0
		}
		n := plainText(rest)
		if n < 0 {
			return nil, false
		}
		s.texts[i], payload = rest[:n], rest[n:]
	}
	return nil, false
}

// known is what is said in an element that needs no reading.
func (s *stencil) known(payload []byte) (said []byte, ok bool) {
	if s == nil || !s.sure {
		return nil, false
	}
	return s.fits(payload)
}

// after is the stencil for what follows an element that was read: s where that
// fitted, else a new one.
func (s *stencil) after(payload, made, said []byte, thinking bool) *stencil {
	if stands, ok := s.fits(payload); ok && thinking == s.thinking && bytes.Equal(stands, said) {
		s.sure = s.sure || !bytes.Equal(said, s.first)
		return s
	}
	return cut(payload, made, said, thinking)
}

// plainText is the length of a JSON text without escapes, up to its quote; -1
// where there is none.
func plainText(b []byte) int {
	for i, c := range b {
		switch {
		case c == '"':
			return i
		case c == '\\', c < ' ':
			return -1
		}
	}
	return -1
}

// made appends to out what the agent gets for the element that fitted.
func (s *stencil) made(out []byte) []byte {
	for i, part := range s.out {
		out = append(out, part...)
		if i < len(s.out)-1 {
			out = append(out, s.texts[i]...)
		}
	}
	return out
}

// heard adds what was said to the answer; it says whether that was anything.
func (t *tally) heard(said []byte, thinking bool) bool {
	b := &t.text
	if thinking {
		b = &t.thinking
	}
	t.size += len(said)
	b.Write(said)
	t.bound(b)
	return len(said) > 0
}

// mark is where an answer stands before an element is read.
type mark struct {
	text, thinking, size, tools, in, out, cached int
	done                                         bool
}

func (t *tally) mark() mark {
	return mark{t.text.Len(), t.thinking.Len(), t.size, len(t.tools), t.in, t.out, t.cached, t.done || t.fault != ""}
}

// only is the text that was said since, where that is all that happened.
func (t *tally) only(before mark) (said []byte, thinking bool) {
	now := t.mark()
	grown, thought := now.text-before.text, now.thinking-before.thinking
	before.text, before.thinking, before.size = now.text, now.thinking, before.size+grown+thought
	switch {
	case now != before: // counts, tools, an end: or a text that was not kept
		return nil, false
	case grown > 0 && thought == 0:
		s := t.text.String()
		return []byte(s[len(s)-grown:]), false
	case thought > 0 && grown == 0:
		s := t.thinking.String()
		return []byte(s[len(s)-thought:]), true
	}
	return nil, false
}
