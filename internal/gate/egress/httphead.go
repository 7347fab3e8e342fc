package egress

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// maxHead bounds a request line with its header fields.
const maxHead = 64 << 10

// errNotHTTP: the bytes are not the beginning of an HTTP request.
var errNotHTTP = errors.New("not an HTTP request")

// request is the head of one HTTP/1 request, as far as the gate minds it.
type request struct {
	method    string
	target    string
	minor     byte // of HTTP/1
	hosts     []string
	others    []string // what other fields call the host
	length    int64    // of the body; -1: chunked
	websocket bool     // it asks to go on as WebSocket
	out       []byte   // the head as it is passed on
}

// headEnd is the length of the head at the beginning of b, or 0 where it is
// not complete yet.
func headEnd(b []byte) int {
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return 0
}

// parseHead reads a complete head, strictly: what a server could read otherwise
// than we do is an error (RFC 9112; the smuggling literature since).
func parseHead(b []byte) (*request, error) {
	lines, err := splitLines(b)
	if err != nil {
		return nil, err
	}
	r := &request{}
	if err := r.requestLine(lines[0]); err != nil {
		return nil, err
	}
	f := fields{}
	for _, line := range lines[1:] {
		if err := f.add(line); err != nil {
			return nil, err
		}
	}
	if err := r.framing(f); err != nil {
		return nil, err
	}
	r.hosts = f["host"]
	r.others = append(append(append(r.others, f["x-forwarded-host"]...), f["x-host"]...), f["x-original-host"]...)
	return r, r.rewrite(b, lines, f)
}

// splitLines cuts at CRLF. Any other control character, a bare CR and a bare LF
// among them, is an error.
func splitLines(b []byte) ([]string, error) {
	text := strings.TrimSuffix(string(b), "\r\n\r\n")
	lines := strings.Split(text, "\r\n")
	for _, line := range lines {
		for i := range len(line) {
			if c := line[i]; c < 0x20 && c != '\t' || c == 0x7f {
				return nil, fmt.Errorf("a control character (0x%02x) in the head", c)
			}
		}
	}
	return lines, nil
}

func (r *request) requestLine(line string) error {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || parts[1] == "" || strings.Contains(line, "\t") {
		return errNotHTTP
	}
	version := parts[2]
	switch {
	case strings.HasPrefix(version, "HTTP/2"):
		return errors.New("HTTP/2 without TLS cannot be judged; use TLS or HTTP/1.1")
	case version != "HTTP/1.1" && version != "HTTP/1.0":
		return errNotHTTP
	case parts[0] == "CONNECT":
		return errors.New("CONNECT asks for a tunnel to somewhere else")
	}
	r.method, r.target, r.minor = parts[0], parts[1], version[7]
	if r.target[0] != '/' && r.target != "*" && !isAbsolute(r.target) {
		return fmt.Errorf("a target that is neither a path nor an http URL")
	}
	return nil
}

// isToken is a token of RFC 9110, 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// fields are header fields by lower-case name.
type fields map[string][]string

func (f fields) add(line string) error {
	name, value, found := strings.Cut(line, ":")
	if !found || !isToken(name) { // a folded line begins with a space, which is no token
		return errors.New("a header field without a proper name")
	}
	key := strings.ToLower(name)
	f[key] = append(f[key], strings.Trim(value, " \t"))
	return nil
}

// framing says where the body ends. Both ways at once, or anything unusual, is
// how requests are smuggled.
func (r *request) framing(f fields) error {
	length, coding := f["content-length"], f["transfer-encoding"]
	switch {
	case len(length) > 0 && len(coding) > 0:
		return errors.New("both Content-Length and Transfer-Encoding")
	case len(length) > 1 || len(coding) > 1:
		return errors.New("Content-Length or Transfer-Encoding twice")
	case len(coding) == 1:
		if !strings.EqualFold(coding[0], "chunked") || r.minor == '0' {
			return fmt.Errorf("a transfer coding %q", coding[0])
		}
		r.length = -1
	case len(length) == 1:
		n, err := strconv.ParseUint(length[0], 10, 62)
		if err != nil || length[0][0] == '+' {
			return fmt.Errorf("a content length %q", length[0])
		}
		r.length = int64(n)
	}
	for _, token := range tokens(f["connection"]) {
		switch token {
		case "host", "content-length", "transfer-encoding", "connection":
			return fmt.Errorf("a Connection field that removes %s", token)
		}
	}
	return nil
}

// tokens are the elements of comma lists, in lower case.
func tokens(values []string) []string {
	var all []string
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if t = strings.ToLower(strings.Trim(t, " \t")); t != "" {
				all = append(all, t)
			}
		}
	}
	return all
}

// rewrite drops the wish to go on in another protocol than WebSocket: what
// would follow could not be read. To drop it is any intermediary's right (RFC
// 9110, 7.8), and the server answers in HTTP/1.
func (r *request) rewrite(b []byte, lines []string, f fields) error {
	r.out = b
	wishes := tokens(f["upgrade"])
	if len(wishes) == 0 {
		return nil
	}
	if len(wishes) == 1 && wishes[0] == "websocket" && r.length == 0 {
		r.websocket = true
		return nil
	}
	r.out = nil
	for i, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "upgrade", "http2-settings", "connection":
			if i > 0 {
				continue
			}
		}
		r.out = append(append(r.out, line...), "\r\n"...)
	}
	for _, t := range tokens(f["connection"]) {
		if t != "upgrade" && t != "http2-settings" {
			r.out = append(append(append(r.out, "Connection: "...), t...), "\r\n"...)
		}
	}
	r.out = append(r.out, "\r\n"...)
	return nil
}

// judge says why the request must not go to name:port, or "". An empty name is
// a literal address, to which the request says nothing.
func (r *request) judge(name policy.Host, port policy.Port) (why string) {
	if name == "" {
		return ""
	}
	if len(r.hosts) != 1 {
		return fmt.Sprintf("the request has %d Host fields; it must have the one, %s", len(r.hosts), name)
	}
	said := append([]string{r.hosts[0]}, r.others...)
	if isAbsolute(r.target) {
		said = append(said, authority(r.target))
	}
	for _, s := range said {
		if !isHost(s, name, port) {
			return fmt.Sprintf("the HTTP request is for %q, not for %s", s, name)
		}
	}
	return ""
}

const scheme = "http://"

func isAbsolute(target string) bool {
	return len(target) > len(scheme) && strings.EqualFold(target[:len(scheme)], scheme)
}

func authority(target string) string {
	rest := target[len(scheme):]
	if i := strings.IndexAny(rest, `/?#\`); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// isHost: s is name, with or without its port.
func isHost(s string, name policy.Host, port policy.Port) bool {
	host, number, found := strings.Cut(s, ":")
	if found && number != strconv.Itoa(int(port)) {
		return false
	}
	said, err := policy.ParseHost(host)
	return err == nil && said == name && host[len(host)-1] != '.'
}
