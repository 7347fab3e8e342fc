package session

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// allowedEscape says whether ESC seq may pass: cursor, keypad, tabs, index,
// reset, shifts; character sets; line size and test pattern.
func allowedEscape(seq []byte) bool {
	switch len(seq) {
	case 1:
		return strings.IndexByte("78=>DEHMNOcno|}~", seq[0]) >= 0
	case 2:
		switch seq[0] {
		case '(', ')', '*', '+':
			return seq[1] < 0x7f
		case '#':
			return strings.IndexByte("34568", seq[1]) >= 0
		}
	}
	return false
}

// csi is a control sequence, ESC [ prefix parameters middle final.
type csi struct {
	prefix byte // one of ?><=, or 0
	params []string
	middle string
	final  byte
}

func parseCSI(seq []byte) (csi, bool) {
	c := csi{final: seq[len(seq)-1]}
	body := seq[:len(seq)-1]
	if len(body) > 0 && body[0] >= '<' && body[0] <= '?' {
		c.prefix, body = body[0], body[1:]
	}
	at := bytes.IndexFunc(body, func(r rune) bool { return r < 0x30 })
	if at < 0 {
		at = len(body)
	}
	c.middle = string(body[at:])
	c.params = strings.Split(string(body[:at]), ";")
	for _, p := range c.params {
		// Colons part sub-parameters of colours; five digits are more than any
		// screen has, and keep a repeat count from hanging the terminal.
		for _, part := range strings.Split(p, ":") {
			if len(part) > 5 || strings.Trim(part, "0123456789") != "" {
				return csi{}, false
			}
		}
	}
	return c, !strings.ContainsFunc(c.middle, func(r rune) bool { return r >= 0x30 })
}

// allowed is the list of control sequences that only show.
func (c csi) allowed() bool {
	switch string(c.prefix) + c.middle {
	case "\x00":
		return c.plain()
	case "\x00 ":
		return c.final == 'q' // cursor style
	case "\x00!":
		return c.final == 'p' // soft reset
	case ">":
		return c.final == 'm' // how keys are reported
	case "?":
		switch c.final {
		case 'J', 'K':
			return true
		case 'h', 'l':
			return c.all(privateModes)
		}
	}
	return false
}

func (c csi) plain() bool {
	switch c.final {
	case 'h', 'l':
		return c.all([]int{4, 20}) // insert, new line
	case 'T':
		return len(c.params) == 1 // with more it is mouse tracking
	}
	return strings.IndexByte("@ABCDEFGHIJKLMPSXZ`abdefgmrsu", c.final) >= 0
}

// privateModes are the DEC and xterm modes that may be set: keys, columns,
// screens, cursor, mouse, focus, paste, synchronised output. Modes that make
// the terminal report by itself (size, colour scheme) are not among them.
var privateModes = []int{
	1, 3, 5, 6, 7, 12, 25, 45, 47, 66,
	1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016,
	1047, 1048, 1049, 2004, 2026,
}

// keptModes are set in an idle terminal; all others of privateModes are not.
var keptModes = []int{7, 25}

func (c csi) all(of []int) bool {
	for _, p := range c.params {
		n, err := strconv.Atoi(p)
		if err != nil || !slices.Contains(of, n) {
			return false
		}
	}
	return true
}

// note keeps in modes what the sequence changes.
func (c csi) note(modes map[int]bool) {
	if c.prefix == '>' {
		modes[modifyKeys] = true
	}
	if c.prefix != '?' || (c.final != 'h' && c.final != 'l') {
		return
	}
	for _, p := range c.params {
		n, _ := strconv.Atoi(p) // allowed has seen it
		modes[n] = c.final == 'h'
	}
}

// modifyKeys stands in modes for the one setting that is no private mode.
const modifyKeys = -1

// Close puts the terminal's modes back as a shell expects them, where a
// program inside left them otherwise: a killed editor must not leave the
// operator with a mouse that types. It does not close w.
func (s *Screen) Close() error {
	var reset strings.Builder
	for _, n := range privateModes {
		set, touched := s.modes[n]
		idle := slices.Contains(keptModes, n)
		if !touched || set == idle {
			continue
		}
		final := 'l'
		if idle {
			final = 'h'
		}
		fmt.Fprintf(&reset, "\x1b[?%d%c", n, final)
	}
	if s.modes[modifyKeys] {
		reset.WriteString("\x1b[>4m")
	}
	s.modes = map[int]bool{}
	if reset.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(s.w, reset.String()+"\x1b[0m")
	return err
}

// titleOf is the text of OSC 0, 1 and 2 (icon and window title), cleaned.
func titleOf(seq []byte) (string, bool) {
	if len(seq) > maxTitle {
		return "", false
	}
	kind, text, found := strings.Cut(string(seq), ";")
	if !found || !slices.Contains([]string{"0", "1", "2"}, kind) {
		return "", false
	}
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "")) // nothing in its place, so that it cannot grow
	return kind + ";" + clean, true
}
