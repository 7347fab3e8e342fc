package egress

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

const allowed = policy.Host("allowed.example")

// passes says whether a head may go to allowed.example:80.
func passes(head string) (ok bool, why string) {
	r, err := parseHead([]byte(head))
	if err != nil {
		return false, err.Error()
	}
	why = r.judge(allowed, 80)
	return why == "", why
}

func TestHeads(t *testing.T) {
	const host = "Host: allowed.example\r\n"
	for _, c := range []struct {
		what, head string
		ok         bool
	}{
		{"plain", "GET / HTTP/1.1\r\n" + host + "\r\n", true},
		{"port", "GET / HTTP/1.1\r\nHost: allowed.example:80\r\n\r\n", true},
		{"case and spaces", "GET /a?b=c HTTP/1.1\r\nhOsT:  \tAllowed.Example \r\n\r\n", true},
		{"absolute", "GET http://allowed.example/x HTTP/1.1\r\n" + host + "\r\n", true},
		{"old", "GET / HTTP/1.0\r\n" + host + "\r\n", true},
		{"options", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", true},
		{"body", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\n", true},
		{"chunked", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: Chunked\r\n\r\n", true},
		{"odd method", "PROPFIND / HTTP/1.1\r\n" + host + "\r\n", true},
		{"empty value", "GET / HTTP/1.1\r\n" + host + "X:\r\n\r\n", true},

		{"other host", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", false},
		{"no host", "GET / HTTP/1.1\r\n\r\n", false},
		{"host twice", "GET / HTTP/1.1\r\n" + host + "Host: evil.example\r\n\r\n", false},
		{"host twice, equal", "GET / HTTP/1.1\r\n" + host + host + "\r\n", false},
		{"final dot", "GET / HTTP/1.1\r\nHost: allowed.example.\r\n\r\n", false},
		{"other port", "GET / HTTP/1.1\r\nHost: allowed.example:8080\r\n\r\n", false},
		{"empty port", "GET / HTTP/1.1\r\nHost: allowed.example:\r\n\r\n", false},
		{"user information", "GET / HTTP/1.1\r\nHost: allowed.example@evil.example\r\n\r\n", false},
		{"list", "GET / HTTP/1.1\r\nHost: allowed.example, evil.example\r\n\r\n", false},
		{"absolute elsewhere", "GET http://evil.example/ HTTP/1.1\r\n" + host + "\r\n", false},
		{"absolute with user", "GET http://allowed.example@evil.example/ HTTP/1.1\r\n" + host + "\r\n", false},
		{"absolute with backslash", "GET http://allowed.example\\@evil.example/ HTTP/1.1\r\n" + host + "\r\n", true},
		{"https target", "GET https://evil.example/ HTTP/1.1\r\n" + host + "\r\n", false},
		{"no slash", "GET evil.example/ HTTP/1.1\r\n" + host + "\r\n", false},
		{"connect", "CONNECT allowed.example:80 HTTP/1.1\r\n" + host + "\r\n", false},
		{"forwarded host", "GET / HTTP/1.1\r\n" + host + "X-Forwarded-Host: evil.example\r\n\r\n", false},
		{"HTTP/0.9", "GET /\r\n\r\n", false},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\n", false},
		{"HTTP/1.2", "GET / HTTP/1.2\r\n" + host + "\r\n", false},
		{"two spaces", "GET  / HTTP/1.1\r\n" + host + "\r\n", false},
		{"tab", "GET\t/ HTTP/1.1\r\n" + host + "\r\n", false},
		{"space before", " GET / HTTP/1.1\r\n" + host + "\r\n", false},

		{"both lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		{"length twice", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", false},
		{"length list", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3, 3\r\n\r\n", false},
		{"length +3", "POST / HTTP/1.1\r\n" + host + "Content-Length: +3\r\n\r\n", false},
		{"length -3", "POST / HTTP/1.1\r\n" + host + "Content-Length: -3\r\n\r\n", false},
		{"length 0x3", "POST / HTTP/1.1\r\n" + host + "Content-Length: 0x3\r\n\r\n", false},
		{"length overflow", "POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n", false},
		{"coding twice", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", false},
		{"coding list", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", false},
		{"coding obfuscated", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n", false},
		{"coding with vertical tab", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \vchunked\r\n\r\n", false},
		{"space before colon", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\n\r\n", false},
		{"coding in HTTP/1.0", "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", false},
		{"folded", "GET / HTTP/1.1\r\nX: a\r\n Host: evil.example\r\n" + host + "\r\n", false},
		{"bare LF", "GET / HTTP/1.1\nHost: evil.example\r\n" + host + "\r\n", false},
		{"bare CR", "GET / HTTP/1.1\r\nX: a\rHost: evil.example\r\n" + host + "\r\n", false},
		{"NUL", "GET / HTTP/1.1\r\nX: a\x00\r\n" + host + "\r\n", false},
		{"no colon", "GET / HTTP/1.1\r\nHost\r\n" + host + "\r\n", false},
		{"hop-by-hop host", "GET / HTTP/1.1\r\n" + host + "Connection: close, Host\r\n\r\n", false},
	} {
		if ok, why := passes(c.head); ok != c.ok {
			t.Errorf("%s: passes %v (%s)", c.what, ok, why)
		}
	}
}

func TestOtherUpgradesAreDropped(t *testing.T) {
	r, err := parseHead([]byte("GET / HTTP/1.1\r\nHost: allowed.example\r\nConnection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nX: y\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "GET / HTTP/1.1\r\nHost: allowed.example\r\nX: y\r\nConnection: keep-alive\r\n\r\n"
	if string(r.out) != want || r.websocket {
		t.Errorf("passed on as %q", r.out)
	}
	r, err = parseHead([]byte("GET / HTTP/1.1\r\nHost: allowed.example\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"))
	if err != nil || !r.websocket {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestFirstBytes(t *testing.T) {
	for text, want := range map[string]shape{
		"": unclear, "G": unclear, "GE": unclear, "GET": unclear, "GET ": looksHTTP, "get /": looksHTTP, "\r\n": unclear, "\n\nGET ": looksHTTP,
		"FOO / HT": unclear, "FOO / HTTP/1.1\r\n": looksHTTP, "FOO bar\r\n": looksOther, "EHLO me\r\n": looksOther,
		"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n": looksOther, "PING\r\n": looksOther, "*1\r\n$4\r\nPING\r\n": looksOther,
		"0032git-upload-pack /x\x00host=y\x00": looksOther, "PRI * HTTP/2.0\r\n": looksHTTP, "\x00\x00\x00\x08": looksOther,
		"\x16": unclear, "\x16\x03": looksTLS, "\x16\x03\x01": looksTLS, "\x16a": looksOther, " GET / HTTP/1.1\r\n": looksHTTP,
		// A method has no greatest length: net/http answers such a one and
		// goes on to the next request.
		strings.Repeat("a", 33): unclear, strings.Repeat("a", 33) + " / HTTP/1.1\r\n": looksHTTP, strings.Repeat("a", maxHead+1): looksOther, "FOO /" + strings.Repeat("a", maxLine): looksHTTP,
		"\vGET / HTTP/1.1\r\n": looksHTTP, "FOO\v/\vHTTP/1.1\r\n": looksHTTP, "<14>x: GET / HTTP/1.1\n": looksOther, strings.Repeat("\n", maxLine+1): looksHTTP,
	} {
		if got := look([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// The law: what passes is, for an independent reader (net/http), one request
// for the allowed host with the framing that we saw; and what such a reader
// takes for a request never looks like another protocol.
func FuzzHTTP(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: allowed.example:80\r\nContent-Length: 10\r\n\r\n",
		"GET http://allowed.example/ HTTP/1.0\r\nHost: allowed.example\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
		strings.Repeat("a", 40) + " / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"FOO /\t HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: evil.example\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
		if s := look(b); err == nil && s != looksHTTP {
			t.Fatalf("net/http reads a request for %s, we see shape %d", theirs.Host, s)
		}
		n := headEnd(skipLines(b))
		if n == 0 {
			return
		}
		r, err := parseHead(skipLines(b)[:n])
		if err != nil {
			if r != nil {
				t.Fatalf("a request with an error: %+v", r)
			}
			return
		}
		if r.judge(allowed, 80) != "" {
			return
		}
		theirs, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(r.out)))
		if err != nil {
			return // net/http is stricter here; nobody reads it as something else
		}
		host, _, _ := strings.Cut(theirs.Host, ":")
		if !strings.EqualFold(host, string(allowed)) {
			t.Fatalf("net/http reads %q in %q", theirs.Host, r.out)
		}
		if r.length != theirs.ContentLength {
			t.Fatalf("length %d here, %d there in %q", r.length, theirs.ContentLength, r.out)
		}
		again, err := parseHead(r.out)
		if err != nil || again.judge(allowed, 80) != "" || again.length != r.length {
			t.Fatalf("passed on as %q, which is judged otherwise: %v", r.out, err)
		}
	})
}
