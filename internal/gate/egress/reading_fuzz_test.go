package egress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// wireTap writes what would be sent, as net/http writes it.
type wireTap struct {
	sent bytes.Buffer
	err  error
}

var errTapped = errors.New("written down")

func (w *wireTap) RoundTrip(req *http.Request) (*http.Response, error) {
	w.err = req.Write(&w.sent)
	return nil, errTapped
}

const fuzzPolicy = `
egress:
  - host: allowed.example
    port: 443
    http:
      - {methods: [GET, POST], paths: ["/open/**", "/one/*"]}
    credential: github
`

// FuzzRequest holds the gate to its laws, for any bytes that net/http takes for a
// request: what explain says is what the gate does; and what leaves is, for a
// strict reader, the one request that was judged, for the one host, with the
// credential and nothing that turns it into another.
func FuzzRequest(f *testing.F) {
	const host = "Host: allowed.example\r\n"
	for _, s := range []string{
		"GET /open/a?b=c HTTP/1.1\r\n" + host + "\r\n",
		"POST /open/a HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nabcd",
		"POST /one/%41 HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n4\r\nabcd\r\n0\r\nX: y\r\n\r\n",
		"GET /open/../user HTTP/1.1\r\n" + host + "\r\n",
		"GET /one/a%2fb HTTP/1.1\r\n" + host + "X-HTTP-Method-Override: DELETE\r\nConnection: Authorization\r\nAuthorization: mine\r\n\r\n",
		"GET /open/a HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"GET http://evil.example/open/ HTTP/1.1\r\n" + host + "\r\n",
		"GET /open/ HTTP/1.1\r\n" + host + "Upgrade: h2c\r\nConnection: Upgrade, X_http_method\r\nX_http_method: PUT\r\n\r\n",
		"GET /open/a%2fb\"c%41 HTTP/1.1\r\n" + host + "\r\n",
		"GET /open/{|}^%C3%A9;x=/ HTTP/1.0\r\n" + host + "\r\n",
	} {
		f.Add([]byte(s))
	}
	p, err := policy.Parse("p", []byte(fuzzPolicy))
	if err != nil {
		f.Fatal(err)
	}
	g := New(Config{
		Policy: func() *policy.Policy { return p }, Own: func() []netip.Addr { return nil },
		Secret: func(string) ([]byte, error) { return []byte(secret), nil },
	})
	f.Cleanup(g.Close)
	f.Fuzz(func(t *testing.T, b []byte) { judgeBytes(t, g, p, b) })
}

func judgeBytes(t *testing.T, g *Gate, p *policy.Policy, b []byte) {
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
	if err != nil {
		return
	}
	fl := &flow{g: g, request: policy.Request{Host: allowed, Port: 443}, who: func() (policy.Program, int) { return policy.Program{}, 0 }}
	x := &exchange{r: &reading{f: fl, name: allowed, port: 443, secure: true}, method: req.Method, only: true}
	path, unclear := policy.ParsePath(req.RequestURI)
	x.path = path
	_, bad := x.judge(req, unclear)

	explained := policy.Verdict{}
	if unclear == nil {
		explained, _ = p.JudgeHTTP(fl.request, nil, req.Method, path)
	}
	here := x.misdirected(req) == nil
	if (bad == nil) != (here && unclear == nil && explained.Action == policy.Allow) {
		t.Fatalf("the gate: %+v; explained: %s, %v", bad, explained, unclear)
	}
	if bad != nil {
		return
	}
	tap := &wireTap{}
	proxy := *g.reader.proxy
	proxy.Transport = tap
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {}
	proxy.ServeHTTP(httptest.NewRecorder(), req.WithContext(context.WithValue(t.Context(), exchangeKey{}, x)))
	if tap.err != nil {
		return // a body that ends too soon
	}
	n := headEnd(tap.sent.Bytes())
	sent, err := parseHead(tap.sent.Bytes()[:n])
	if err != nil {
		t.Fatalf("%q leaves as %q: %v", b, tap.sent.Bytes(), err)
	}
	again, err := policy.ParsePath(sent.target)
	switch {
	case err != nil || again.String() != path.String() || sent.method != req.Method:
		t.Fatalf("judged %s %s, sent %s %s: %v", req.Method, path, sent.method, sent.target, err)
	case sent.judge(allowed, 443) != "":
		t.Fatalf("%q leaves as %q: %s", b, tap.sent.Bytes(), sent.judge(allowed, 443))
	}
	head, _, _ := strings.Cut(string(tap.sent.Bytes()[:n]), "\r\n\r\n")
	credentials := 0
	for _, line := range strings.Split(head, "\r\n")[1:] {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if name == "authorization" {
			credentials++
		}
		if slices.Contains(overriding, name) || name == "authorization" && value != " Bearer "+secret {
			t.Fatalf("%q leaves as %q", b, tap.sent.Bytes())
		}
	}
	if credentials != 1 {
		t.Fatalf("%d credentials in %q", credentials, tap.sent.Bytes())
	}
}
