package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Path is the path of an HTTP request, made by ParsePath alone. The zero Path
// matches nothing.
//
// Servers do not agree on what some paths mean, so a Path may have a second
// reading, and a request is allowed only where each of them is.
type Path struct {
	text  string   // canonical
	plain []string // what stands between the slashes, decoded
	loose []string // where an encoded slash is one, parameters are left out and empty parts are, too; nil: the same
}

// maxPath bounds a path with its query, in bytes.
const maxPath = 16 << 10

// BadPath is a path that no two servers need to read alike.
type BadPath struct {
	Why  string
	Want string
}

func (e *BadPath) Error() string { return "path: " + e.Why }

// Hint says what to ask for instead.
func (e *BadPath) Hint() string { return e.Want }

// String is the canonical form, without the query: what needs no escape has
// none, and what needs one has it in upper case. ParsePath gives the same Path
// for it.
func (p Path) String() string { return p.text }

// ParsePath reads the target of a request: a path, and a query that is left
// alone. What a server could take for another path is refused: dot segments in
// any spelling, backslashes, NUL and control characters, escapes that are none,
// that are doubled or that are no UTF-8.
func ParsePath(target string) (Path, error) {
	if len(target) > maxPath {
		return Path{}, &BadPath{fmt.Sprintf("%d bytes", len(target)), fmt.Sprintf("at most %d bytes", maxPath)}
	}
	raw, query, _ := strings.Cut(target, "?")
	if !strings.HasPrefix(raw, "/") {
		return Path{}, &BadPath{"it does not begin with a slash", "/" + raw}
	}
	if i := strings.IndexFunc(query, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }); i >= 0 {
		return Path{}, &BadPath{fmt.Sprintf("the character %q in its query", query[i]), fmt.Sprintf("%%%02X", query[i])}
	}
	plain, err := decodeParts(raw[1:])
	if err != nil {
		return Path{}, err
	}
	p := Path{plain: plain, text: encodeParts(plain)}
	if loose := loosen(plain); !slices.Equal(loose, plain) {
		p.loose = loose
	}
	for _, part := range append(slices.Clone(plain), p.loose...) {
		if err := checkPart(part); err != nil {
			return Path{}, err
		}
	}
	return p, nil
}

// decodeParts cuts at slashes and decodes what is between them, once.
func decodeParts(raw string) ([]string, error) {
	parts := []string{""}
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '/':
			parts = append(parts, "")
			continue
		case c == '%':
			b, err := unescape(raw[i:])
			if err != nil {
				return nil, err
			}
			c, i = b, i+2
		case c <= ' ' || c >= 0x7f || c == '\\' || c == '#':
			return nil, &BadPath{fmt.Sprintf("the character %q", c), fmt.Sprintf("%%%02X, if that is meant", c)}
		}
		parts[len(parts)-1] += string([]byte{c})
	}
	return parts, nil
}

// unescape decodes the escape at the beginning of s.
func unescape(s string) (byte, error) {
	high, low := -1, -1
	if len(s) > 2 {
		high, low = hexDigit(s[1]), hexDigit(s[2])
	}
	if high < 0 || low < 0 {
		return 0, &BadPath{fmt.Sprintf("%q is no escape", s[:min(3, len(s))]), "%25 for a percent sign"}
	}
	c := byte(high<<4 | low)
	switch {
	case c < ' ' || c == 0x7f:
		return 0, &BadPath{fmt.Sprintf("the control character %s", s[:3]), "a path without it"}
	case c == '\\':
		return 0, &BadPath{"a backslash, which some servers take for a slash", "a slash"}
	}
	return c, nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// loosen is the other reading. A final slash stays.
func loosen(plain []string) []string {
	var all []string
	for _, part := range plain {
		for _, p := range strings.Split(part, "/") {
			p, _, _ = strings.Cut(p, ";")
			all = append(all, p)
		}
	}
	var out []string
	for i, p := range all {
		if p != "" || i == len(all)-1 {
			out = append(out, p)
		}
	}
	return out
}

// checkPart refuses what is, or could be taken for, a step up or a slash.
func checkPart(part string) error {
	if !utf8.ValidString(part) {
		return &BadPath{fmt.Sprintf("%q is no UTF-8", part), "escapes of UTF-8 in its shortest form"}
	}
	if i := escaped(part); i >= 0 {
		return &BadPath{fmt.Sprintf("%q is escaped twice", part[i:i+3]), "one escape"}
	}
	if isDots(part) {
		return &BadPath{fmt.Sprintf("the dot segment %q", part), "the path that it leads to"}
	}
	if same := norm.NFKC.String(part); same != part {
		if isDots(same) || strings.ContainsAny(same, `/\%;`) && !strings.ContainsAny(part, `/\%;`) {
			return &BadPath{fmt.Sprintf("%+q looks like %q to some servers", part, same), "ASCII"}
		}
	}
	return nil
}

// escaped is where a decoded part has an escape, or -1: who decodes twice reads
// another path.
func escaped(part string) int {
	for i := 0; i+2 < len(part); i++ {
		if part[i] == '%' && hexDigit(part[i+1]) >= 0 && hexDigit(part[i+2]) >= 0 {
			return i
		}
	}
	return -1
}

// isDots: nothing but dots, and spaces, which some systems leave out.
func isDots(part string) bool {
	return strings.Contains(part, ".") && strings.Trim(part, ". ") == ""
}

func encodeParts(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteByte('/')
		encodePart(&b, part)
	}
	return b.String()
}

// encodePart leaves what a segment may have without escapes (RFC 3986, 3.3).
func encodePart(b *strings.Builder, part string) {
	for i := range len(part) {
		c := part[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(b, "%%%02X", c)
	}
}
