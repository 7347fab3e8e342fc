package egress

import (
	"bytes"
	"slices"
	"strings"
)

// shape is what the first bytes of a program look like.
type shape uint8

const (
	unclear shape = iota // more bytes are needed
	looksTLS
	looksHTTP
	looksOther
)

// maxLine bounds what is read to tell whether it is a request line: what goes
// on beyond may be one, and is judged as such.
const maxLine = 8 << 10

// look says what the first bytes are. Whatever an HTTP or TLS server would take
// for its own protocol must not come out as other.
func look(b []byte) shape {
	switch {
	case len(b) == 0:
		return unclear
	case b[0] == 0x16:
		return lookTLS(b)
	}
	rest := bytes.TrimLeft(b, "\r\n"+blanks) // servers skip empty lines before a request, and some skip more
	switch {
	case len(rest) > 0:
		return lookHTTP(rest)
	case len(b) > maxLine: // a request may still come
		return looksHTTP
	}
	return unclear
}

// lookTLS: a record of a handshake of any version.
func lookTLS(b []byte) shape {
	switch {
	case len(b) < 2:
		return unclear
	case b[1] == 3:
		return looksTLS
	}
	return looksOther
}

// lookHTTP: a word, a space, and a line that ends in HTTP and a version. A line
// that may still turn out to be one is unclear.
func lookHTTP(b []byte) shape {
	word := 0
	for word < len(b) && isTokenByte(b[word]) {
		word++
	}
	switch {
	case word == len(b) && word <= maxHead: // a method has no greatest length
		return unclear
	case word == 0 || word == len(b) || strings.IndexByte(blanks, b[word]) < 0:
		return looksOther
	case isMethod(string(b[:word])):
		return looksHTTP
	}
	line, _, ended := bytes.Cut(b, []byte("\n"))
	switch {
	case saysHTTP(line):
		return looksHTTP
	case ended || hasControl(line):
		return looksOther
	case len(line) > maxLine:
		return looksHTTP
	}
	return unclear
}

// blanks are what servers take for the space between the parts of a request
// line: RFC 9112, 3, and Python's str.split.
const blanks = " \t\v\f"

func saysHTTP(line []byte) bool {
	line = bytes.ToUpper(line)
	return slices.ContainsFunc([]byte(blanks), func(c byte) bool {
		return bytes.Contains(line, append([]byte{c}, "HTTP/"...))
	})
}

// isMethod: the methods that mean HTTP before their line is complete.
func isMethod(word string) bool {
	switch strings.ToUpper(word) {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PRI":
		return true
	}
	return false
}

// hasControl: no request line has control characters.
func hasControl(line []byte) bool {
	return bytes.ContainsFunc(line, func(r rune) bool { return r < 0x20 && r != '\r' && !strings.ContainsRune(blanks, r) })
}
