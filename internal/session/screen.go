package session

import (
	"io"
	"unicode/utf8"
)

// Screen is a writer in front of the operator's terminal. It lets text,
// colours, cursor movement and the usual modes through and drops everything
// that would make the terminal do more than show: clipboard writes (OSC 52),
// hyperlinks, notifications and file transfers (other OSC), all device control
// strings, and every request that the terminal answers by typing (status,
// attributes, size and mode reports, ENQ). It is no parser of what a terminal
// might understand but a list of what may pass: sequences are kept back until
// they are whole and then passed or dropped; bytes that are no UTF-8 become
// U+FFFD.
//
// Sequences are those of ECMA-48 and xterm's ctlseqs document. A Screen is for
// one goroutine.
type Screen struct {
	w     io.Writer
	state func(*Screen, byte)
	seq   []byte       // the sequence so far, without ESC
	drop  bool         // seq is too long to be any of ours
	runes []byte       // a UTF-8 sequence that is not yet whole
	modes map[int]bool // private modes that are set now
	out   []byte
}

// NewScreen filters what is written to w.
func NewScreen(w io.Writer) *Screen {
	return &Screen{w: w, state: (*Screen).ground, modes: map[int]bool{}}
}

// Write passes p on, filtered. It is one write to the terminal, or none.
func (s *Screen) Write(p []byte) (int, error) {
	s.out = s.out[:0]
	for _, b := range p {
		s.state(s, b)
	}
	if len(s.out) == 0 {
		return len(p), nil
	}
	if _, err := s.w.Write(s.out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// The control characters that have a part in sequences.
const (
	bel = 0x07
	can = 0x18
	sub = 0x1a
	esc = 0x1b
)

const (
	maxSequence = 128     // bytes of an escape or control sequence
	maxTitle    = 1024    // bytes of an OSC string that may pass
	maxString   = 1 << 20 // bytes after which an endless string is given up
)

// ground is outside of any sequence.
func (s *Screen) ground(b byte) {
	switch {
	case b >= utf8.RuneSelf || len(s.runes) > 0:
		s.text(b)
	case b == esc:
		s.begin((*Screen).escape)
	case b >= 0x20 && b != 0x7f, b >= bel && b <= 0x0f: // BEL to SI: bell, movement, character sets
		s.out = append(s.out, b)
	}
}

// text gathers UTF-8. The controls of C1 are dropped: terminals take U+009B
// for ESC [.
func (s *Screen) text(b byte) {
	if len(s.runes) > 0 && (b < 0x80 || b > 0xbf) { // cut short
		s.runes = s.runes[:0]
		s.out = utf8.AppendRune(s.out, utf8.RuneError)
		s.ground(b)
		return
	}
	s.runes = append(s.runes, b)
	if !utf8.FullRune(s.runes) {
		return
	}
	r, n := utf8.DecodeRune(s.runes)
	rest := append([]byte(nil), s.runes[n:]...)
	s.runes = s.runes[:0]
	if r > 0x9f {
		s.out = utf8.AppendRune(s.out, r)
	}
	for _, b := range rest { // only of an invalid one
		s.ground(b)
	}
}

func (s *Screen) begin(state func(*Screen, byte)) {
	s.seq, s.drop, s.state = s.seq[:0], false, state
}

func (s *Screen) end() { s.state = (*Screen).ground }

// keep adds b to the sequence, unless that is too long already.
func (s *Screen) keep(b byte, most int) {
	if len(s.seq) >= most {
		s.drop = true
		return
	}
	s.seq = append(s.seq, b)
}

// control deals with what may interrupt an escape or control sequence; true
// where b was such.
func (s *Screen) control(b byte) bool {
	switch {
	case b == esc:
		s.begin((*Screen).escape)
	case b == can || b == sub:
		s.end()
	case b >= 0x80:
		s.end()
		s.ground(b)
	case b >= 0x20 && b != 0x7f:
		return false
	}
	return true
}

// escape is after ESC.
func (s *Screen) escape(b byte) {
	if s.control(b) {
		return
	}
	if len(s.seq) == 0 {
		switch b {
		case '[':
			s.begin((*Screen).csi)
			return
		case ']':
			s.begin((*Screen).osc)
			return
		case 'P', 'X', '^', '_', 'k': // DCS, SOS, PM, APC, and screen's title
			s.begin((*Screen).ignored)
			return
		}
	}
	s.keep(b, maxSequence)
	if b < 0x30 { // an intermediate: more to come
		return
	}
	if !s.drop && allowedEscape(s.seq) {
		s.out = append(append(s.out, esc), s.seq...)
	}
	s.end()
}

// csi is after ESC [.
func (s *Screen) csi(b byte) {
	if s.control(b) {
		return
	}
	s.keep(b, maxSequence)
	if b < 0x40 {
		return
	}
	if c, ok := parseCSI(s.seq); ok && !s.drop && c.allowed() {
		s.out = append(append(s.out, esc, '['), s.seq...)
		c.note(s.modes)
	}
	s.end()
}

// osc is after ESC ].
func (s *Screen) osc(b byte) {
	switch b {
	case bel:
		s.title()
	case esc:
		s.state = (*Screen).oscEscape
	default:
		s.ignored(b)
	}
}

// oscEscape is after an ESC within OSC: ESC \ ends it.
func (s *Screen) oscEscape(b byte) {
	if b == '\\' {
		s.title()
		return
	}
	s.begin((*Screen).escape)
	s.escape(b)
}

// title passes a window title on, rebuilt; no other OSC.
func (s *Screen) title() {
	if text, ok := titleOf(s.seq); ok && !s.drop {
		s.out = append(append(append(s.out, esc, ']'), text...), bel)
	}
	s.end()
}

// ignored is within a string that no terminal of ours shall see. As in a
// terminal, ESC ends it, and what follows is a sequence of its own; ESC \
// is one that does nothing.
func (s *Screen) ignored(b byte) {
	switch b {
	case esc:
		s.begin((*Screen).escape)
	case can, sub:
		s.end()
	default:
		s.keep(b, maxString)
		if s.drop {
			s.end() // nobody's string is that long; do not swallow all output for good
		}
	}
}
