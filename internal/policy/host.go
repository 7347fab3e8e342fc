package policy

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// Host is a name in canonical form: lower case ASCII, no final dot. It is made
// by ParseHost alone. The empty Host is no name: the request is for a literal
// address.
type Host string

// BadHost says why a text is no host.
type BadHost struct {
	Text string
	Why  string
	Want string // what to write instead, or what a host looks like
}

func (e *BadHost) Error() string { return fmt.Sprintf("host %q: %s", e.Text, e.Why) }

// Hint says what to write instead.
func (e *BadHost) Hint() string { return e.Want }

const wantName = `a name such as "api.github.com"`

// ParseHost gives the canonical form of a name. Addresses, in any spelling, are
// refused: ParseTarget takes both. Limits are those of RFC 1035; an underscore
// is allowed, as real zones have it.
func ParseHost(text string) (Host, error) {
	if err := plainText(text); err != nil {
		return "", err
	}
	if bad, ok := looseAddr(text); ok {
		return "", bad
	}
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	if len(name) > 253 {
		return "", &BadHost{text, "longer than 253 characters", wantName}
	}
	for label := range strings.SplitSeq(name, ".") {
		if why := badLabel(label); why != "" {
			return "", &BadHost{text, why, wantName}
		}
	}
	return Host(name), nil
}

// ParseTarget takes what a person or a program writes as a destination: a name,
// or a plain address (in brackets, too, where it is IPv6). One of the two
// results is empty.
func ParseTarget(text string) (Host, netip.Addr, error) {
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") && strings.Contains(text, ":") {
		bare = text[1 : len(text)-1]
	}
	if addr, err := netip.ParseAddr(bare); err == nil {
		if addr.Zone() != "" {
			return "", netip.Addr{}, &BadHost{text, "an address with a zone", addr.WithZone("").String()}
		}
		return "", addr, nil
	}
	host, err := ParseHost(text)
	return host, netip.Addr{}, err
}

// plainText refuses what no name can contain, with the form that was probably
// meant.
func plainText(text string) error {
	switch {
	case text == "":
		return &BadHost{text, "empty", wantName}
	case strings.Contains(text, "://"):
		_, rest, _ := strings.Cut(text, "://")
		rest, _, _ = strings.Cut(rest, "/")
		return &BadHost{text, "has a scheme; a rule names a host, not a URL", quoted(rest)}
	case strings.Contains(text, "@"):
		return &BadHost{text, "has user information; it would hide the real host", quoted(text[strings.LastIndex(text, "@")+1:])}
	case strings.ContainsAny(text, `/\?#`):
		return &BadHost{text, "has a path", quoted(text[:strings.IndexAny(text, `/\?#`)])}
	case strings.Count(text, ":") == 1:
		name, port, _ := strings.Cut(text, ":")
		return &BadHost{text, "has a port in it", fmt.Sprintf("host: %q and port: %s", name, port)}
	case !isASCII(text):
		return notASCII(text)
	}
	return nil
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// notASCII names the punycode form. We do not map silently: two names that
// look alike on the screen must not look alike in the file.
func notASCII(text string) error {
	mapped, err := idna.New(idna.MapForLookup(), idna.Transitional(false)).ToASCII(text)
	if err != nil || !isASCII(mapped) {
		return &BadHost{text, "not ASCII", wantName}
	}
	return &BadHost{text, "not ASCII", fmt.Sprintf("%q, if that is the host you mean", mapped)}
}

// badLabel says what is wrong with one part of a name, or "".
func badLabel(label string) string {
	switch {
	case label == "":
		return "an empty part between two dots"
	case len(label) > 63:
		return "a part longer than 63 characters"
	case label[0] == '-' || label[len(label)-1] == '-':
		return "a part that begins or ends with a hyphen"
	}
	for i := range len(label) {
		if !isNameByte(label[i]) {
			return fmt.Sprintf("the character %q does not belong in a name", label[i])
		}
	}
	if strings.HasPrefix(label, "xn--") {
		if _, err := idna.Punycode.ToUnicode(label); err != nil {
			return "a part that is no valid punycode"
		}
	}
	return ""
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// Unicode is the host as a browser would show it, for a person who has to judge
// a punycode name; ok is false where that is no other text.
func (h Host) Unicode() (shown string, ok bool) {
	if !strings.Contains(string(h), "xn--") {
		return string(h), false
	}
	shown, err := idna.Punycode.ToUnicode(string(h))
	if err != nil || shown == string(h) {
		return string(h), false
	}
	return shown, true
}

// isLoopback: the four names of the host's loopback.
func (h Host) isLoopback() bool {
	switch h {
	case "localhost", "host.docker.internal", "host.nemoclaw.internal":
		return true
	}
	return false
}

// IsHostLoopback says whether the name means the loopback of the host, which is
// dialled without any look-up.
func (h Host) IsHostLoopback() bool { return h.isLoopback() }
