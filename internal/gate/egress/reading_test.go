package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	own "github.com/nemoclaw/nemoclaw/internal/authority"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/test/internet"
)

const readPolicy = `
egress:
  - host: api.github.com
    port: 443
    http:
      - {methods: [GET, HEAD], paths: ["/repos/**"]}
      - {methods: [POST], paths: ["/repos/*/issues"]}
  - host: token.example
    port: 443
    http: [{methods: [GET, POST], paths: ["/**"]}]
    credential: github
  - {host: plain.example, port: 80, http: [{methods: [GET], paths: ["/open/**"]}]}
  - {host: plain-token.example, port: 80, http: [{methods: [GET], paths: ["/**"]}], credential: github}
  - {host: free.example, port: 443}
unlisted: deny
`

// secret is the value of every credential here.
const secret = "ghp_abcdefghijklmnopqrstuvwxyz012345"

// readBench is a bench whose gate has an authority.
type readBench struct {
	*bench
	trusted *x509.CertPool // what programs inside trust: the authority alone
}

func newReadBench(t testing.TB, text string, change func(*Config)) readBench {
	t.Helper()
	file, err := own.Make("x", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a, err := own.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	world := internet.Use(t)
	b := newBench(t, text, func(c *Config) {
		c.Leaf = func(name string) (*tls.Certificate, error) { return a.Leaf(name, time.Now()) }
		c.Roots = world.Pool()
		c.Secret = func(string) ([]byte, error) { return []byte(secret + "\n"), nil }
		if change != nil {
			change(c)
		}
	})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.Certificate())
	return readBench{b, pool}
}

// client speaks to the gate from inside, by HTTP/1 or HTTP/2.
func (b readBench) client(two bool) *http.Client {
	protocols := []string{"http/1.1"}
	if two {
		protocols = []string{"h2"}
	}
	return &http.Client{CheckRedirect: noRedirect, Transport: &http.Transport{
		ForceAttemptHTTP2: two,
		DialTLSContext: func(_ context.Context, _, address string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(address)
			return b.hello(host, protocols...)
		},
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(address)
			return b.dial(host, 80), nil
		},
	}}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// hello opens TLS to host:443, and trusts the sandbox's authority alone.
func (b readBench) hello(host string, protocols ...string) (*tls.Conn, error) {
	c := tls.Client(b.dial(host, 443), &tls.Config{ServerName: host, RootCAs: b.trusted, NextProtos: protocols})
	return c, c.Handshake()
}

// do sends a request and reads all of the answer.
func (b readBench) do(c *http.Client, method, url string, body io.Reader, fields ...string) (*http.Response, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, url, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, url, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, url, err)
	}
	return res, string(text)
}

func (b readBench) both(try func(t *testing.T, c *http.Client)) {
	b.t.(*testing.T).Run("HTTP/1.1", func(t *testing.T) { try(t, b.client(false)) })
	b.t.(*testing.T).Run("HTTP/2", func(t *testing.T) { try(t, b.client(true)) })
}

// Under a rule with http each request is judged by method and path, and one
// that is refused is told why; the connection lives on.
func TestRequestsAreJudged(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	b.both(func(t *testing.T, c *http.Client) {
		for _, x := range []struct {
			method, path string
			status       int
		}{
			{"GET", "/repos/a/b?x=1;y=2&z=%2e%2e", 200}, {"HEAD", "/repos/a", 200}, {"POST", "/repos/a/issues", 200},
			{"POST", "/repos/a/b/c/issues", 403}, {"DELETE", "/repos/a", 403}, {"OPTIONS", "/repos/a", 403}, {"TRACE", "/repos/a", 403},
			{"GET", "/user", 403}, {"GET", "/Repos/a", 403}, {"get", "/repos/a", 403}, {"GET", "/repos/%2e%2e/user", 400}, {"GET", "/repos/..%2fuser", 400},
			{"GET", "/repos/a%5c..%5cuser", 400}, {"GET", "/repos/%00", 400}, {"GET", "/repos/%c0%ae%c0%ae/user", 400}, {"GET", "/repos/..;/user", 400},
			{"GET", "/repos/%252e%252e/user", 400}, {"GET", "/repos/@types%2fnode", 200}, {"GET", "/repos/a/b", 200},
		} {
			res, text := b.do(c, x.method, "https://api.github.com"+x.path, nil)
			if res.StatusCode != x.status {
				t.Errorf("%s %s: %d %s", x.method, x.path, res.StatusCode, text)
			}
			if x.status == 200 || x.method == "HEAD" {
				continue
			}
			var r Refusal
			if err := json.Unmarshal([]byte(text), &r); err != nil || r.Why == "" || r.Hint == "" || r.Target != "api.github.com:443" || r.Path == "" {
				t.Errorf("%s %s: %s: %v", x.method, x.path, text, err)
			}
		}
	})
	for _, a := range b.world.To("api.github.com") {
		for _, r := range a.Requests {
			if !strings.HasPrefix(r.Path, "/repos/") || strings.Contains(r.Path, "user") {
				t.Errorf("let through: %+v", r)
			}
		}
	}
	e := b.events.await(t, func(e Event) bool { return e.Kind == HTTP && e.Path == "/user" })
	if e.Verdict != policy.Deny || e.Method != "GET" || e.Target != "api.github.com:443" || !strings.Contains(e.Rule, "(line 3)") {
		t.Errorf("event: %+v", e)
	}
	for _, e := range b.events.list() {
		if strings.Contains(e.Path, "?") || strings.Contains(e.Path, "x=1") {
			t.Errorf("a query is in the book: %+v", e)
		}
	}
}

// The path and query that leave are those that came, byte for byte where Go
// keeps them.
func TestTargetIsKept(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	b.both(func(t *testing.T, c *http.Client) {
		for _, target := range []string{"/repos/a%2Db/%41?q=a;b&q=%zz&c", "/repos/caf%C3%A9?", "/repos//x", "/repos/a;v=1", "/repos/@t%2fn"} {
			conn, err := b.hello("api.github.com", "http/1.1")
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: api.github.com\r\n\r\n", target)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || res.StatusCode != 200 {
				t.Fatalf("%s: %v, %v", target, res, err)
			}
			var e internet.Echo
			check(t, json.NewDecoder(res.Body).Decode(&e))
			if e.Path != target {
				t.Errorf("%s arrived as %s", target, e.Path)
			}
		}
	})
}

// A rule without http is as before: TLS ends at the server, and its certificate
// is what the program sees.
func TestOtherTLSIsNotRead(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	if _, err := b.hello("free.example"); err == nil {
		t.Error("the sandbox's authority answers for a host whose requests are not judged")
	}
	c := tls.Client(b.dial("free.example", 443), &tls.Config{ServerName: "free.example", RootCAs: b.world.Pool()})
	check(t, c.Handshake())
	other := tls.Client(b.dial("api.github.com", 443), &tls.Config{ServerName: "api.github.com", RootCAs: b.world.Pool()})
	if err := other.Handshake(); err == nil {
		t.Error("the server's own certificate came through")
	}
	b.events.await(t, func(e Event) bool { return strings.Contains(e.Why, "must trust the sandbox's authority") })
}

// What another request could be hidden in is refused, or arrives as the one
// request that was judged.
func TestSmuggling(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	const host = "Host: api.github.com\r\n"
	for _, c := range []struct {
		what, raw string
		status    int // 0: any, as long as nothing else arrives
	}{
		{"control", "GET /repos/a HTTP/1.1\r\n" + host + "\r\n", 200},
		{"both lengths", "POST /repos/a/issues HTTP/1.1\r\n" + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /user HTTP/1.1\r\n" + host + "\r\n", 0},
		{"length twice", "POST /repos/a/issues HTTP/1.1\r\n" + host + "Content-Length: 0\r\nContent-Length: 30\r\n\r\nGET /user HTTP/1.1\r\n" + host + "\r\n", 400},
		{"coding obfuscated", "POST /repos/a/issues HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /user HTTP/1.1\r\n" + host + "\r\n", 501},
		{"coding twice", "POST /repos/a/issues HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 501},
		{"space before colon", "POST /repos/a/issues HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
		{"chunk size overflow", "POST /repos/a/issues HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff1\r\nGET /user HTTP/1.1\r\n" + host + "\r\n", 0},
		{"bare LF", "GET /repos/a HTTP/1.1\n" + strings.ReplaceAll(host, "\r", "") + "X: y\n\n", 0},
		{"NUL", "GET /repos/a HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n", 400},
		{"0.9", "GET /repos/a\r\n\r\n", 400},
		{"two hosts", "GET /repos/a HTTP/1.1\r\n" + host + "Host: evil.example\r\n\r\n", 400},
		{"no host", "GET /repos/a HTTP/1.1\r\n\r\n", 400},
		{"another host", "GET /repos/a HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421},
		{"another port", "GET /repos/a HTTP/1.1\r\nHost: api.github.com:444\r\n\r\n", 421},
		{"final dot", "GET /repos/a HTTP/1.1\r\nHost: api.github.com.\r\n\r\n", 421},
		{"user information", "GET /repos/a HTTP/1.1\r\nHost: api.github.com@evil.example\r\n\r\n", 400},
		{"absolute", "GET https://evil.example/repos/a HTTP/1.1\r\n" + host + "\r\n", 400},
		{"absolute to the host", "GET https://api.github.com/repos/a HTTP/1.1\r\n" + host + "\r\n", 400},
		{"asterisk", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 400},
		{"connect", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", 403},
		{"dots", "GET /repos/../user HTTP/1.1\r\n" + host + "\r\n", 400},
		{"fragment", "GET /repos/a#/../user HTTP/1.1\r\n" + host + "\r\n", 400},
		{"backslash", "GET /repos\\..\\user HTTP/1.1\r\n" + host + "\r\n", 400},
		{"unicode", "GET /repos/\xef\xbc\x8e\xef\xbc\x8e/user HTTP/1.1\r\n" + host + "\r\n", 400},
	} {
		conn, err := b.hello("api.github.com", "http/1.1")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, c.raw)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		switch {
		case err != nil && c.status != 0:
			t.Errorf("%s: %v", c.what, err)
		case err == nil && c.status != 0 && res.StatusCode != c.status:
			t.Errorf("%s: status %d, want %d", c.what, res.StatusCode, c.status)
		}
		conn.Close()
	}
	for _, a := range b.world.To("api.github.com") {
		for _, r := range a.Requests {
			if strings.Contains(r.Path, "user") || r.Host != "api.github.com" {
				t.Errorf("smuggled: %+v", r)
			}
		}
	}
	if len(b.world.To("evil.example")) > 0 {
		t.Error("evil.example was reached")
	}
}

// Every request on a connection is judged, pipelined ones too.
func TestPipelinedRequestsAreJudged(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	conn, err := b.hello("api.github.com", "http/1.1")
	if err != nil {
		t.Fatal(err)
	}
	const tail = " HTTP/1.1\r\nHost: api.github.com\r\n\r\n"
	io.WriteString(conn, "GET /repos/1"+tail+"GET /user"+tail+"GET /repos/2"+tail)
	in := bufio.NewReader(conn)
	for i, want := range []int{200, 403, 200} {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		io.Copy(io.Discard, res.Body)
		if res.StatusCode != want {
			t.Errorf("answer %d: %d, want %d", i, res.StatusCode, want)
		}
	}
}

// A stream of HTTP/2 for another name is sent away.
func TestStreamForAnotherHost(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	c := b.client(true)
	for host, want := range map[string]int{"api.github.com": 200, "token.example": 421, "evil.example": 421} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://api.github.com/repos/a", nil)
		req.Host = host // its :authority, on the connection that stands
		res, err := c.Do(req)
		if err != nil || res.StatusCode != want || res.ProtoMajor != 2 {
			t.Errorf("%s: %v, %v; want %d", host, res, err, want)
		}
	}
	if n := len(b.world.To("api.github.com")); n != 1 {
		t.Errorf("%d connections; want the one", n)
	}
	if len(b.world.To("token.example"))+len(b.world.To("evil.example")) > 0 {
		t.Error("another host was reached")
	}
}

// Header fields that make another request of it are not passed on.
func TestOverridesAreStripped(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	b.both(func(t *testing.T, c *http.Client) {
		_, text := b.do(c, "POST", "https://api.github.com/repos/a/issues", strings.NewReader("x"),
			"X-HTTP-Method-Override", "DELETE", "X-Method-Override", "DELETE", "X_http_method", "PUT", "X-Original-URL", "/user", "X-Rewrite-URL", "/user",
			"X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example", "X-Host", "evil.example", "X-Mine", "kept")
		var e internet.Echo
		check(t, json.Unmarshal([]byte(text), &e))
		for name, values := range e.Header {
			if text := strings.Join(values, " "); strings.Contains(text, "DELETE") || strings.Contains(text, "PUT") || strings.Contains(text, "/user") || strings.Contains(text, "evil") {
				t.Errorf("%s: %s arrived", name, text)
			}
		}
		if e.Header.Get("X-Mine") != "kept" || e.Body != "x" {
			t.Errorf("the rest was not kept: %+v", e)
		}
	})
}

// Plain HTTP is judged the same way.
func TestPlainRequestsAreJudged(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	c := b.client(false)
	for path, want := range map[string]int{"/open/a": 200, "/closed": 403, "/open/%2e%2e/closed": 400} {
		if res, text := b.do(c, "GET", "http://plain.example"+path, nil); res.StatusCode != want {
			t.Errorf("%s: %d %s", path, res.StatusCode, text)
		}
	}
	res, text := b.do(c, "GET", "http://plain-token.example/", nil)
	if res.StatusCode != 403 || !strings.Contains(text, "by TLS alone") {
		t.Errorf("a credential by plain HTTP: %d %s", res.StatusCode, text)
	}
	for _, a := range b.world.To("plain-token.example") {
		if len(a.Requests) > 0 {
			t.Errorf("arrived: %+v", a.Requests)
		}
	}
}

// The server's certificate is verified, whatever the program would accept.
func TestUnverifiedServerIsRefused(t *testing.T) {
	b := newReadBench(t, readPolicy, func(c *Config) { c.Roots = x509.NewCertPool() })
	b.both(func(t *testing.T, c *http.Client) {
		res, text := b.do(c, "GET", "https://token.example/", nil)
		if res.StatusCode != 502 || !strings.Contains(text, "certificate") {
			t.Errorf("%d %s", res.StatusCode, text)
		}
	})
	for _, a := range b.world.To("token.example") {
		if len(a.Requests) > 0 {
			t.Errorf("arrived: %+v", a.Requests)
		}
	}
}

// An event stream arrives as it is sent, and a request body as it is written.
func TestStreaming(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	said := make(chan string)
	b.world.Site("token.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		in := bufio.NewScanner(r.Body)
		for in.Scan() {
			fmt.Fprintf(w, "data: %s\n", in.Text())
			_ = http.NewResponseController(w).Flush()
			said <- in.Text()
		}
	}))
	b.both(func(t *testing.T, c *http.Client) {
		r, w := io.Pipe()
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://token.example/stream", r)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		in := bufio.NewReader(res.Body)
		for i := range 3 { // each waits for the one before: nothing is buffered
			line := fmt.Sprintf("line %d", i)
			go io.WriteString(w, line+"\n")
			if got := <-said; got != line {
				t.Errorf("arrived: %q", got)
			}
			if got, err := in.ReadString('\n'); got != "data: "+line+"\n" {
				t.Errorf("came back: %q, %v", got, err)
			}
		}
		w.Close()
		if _, err := io.ReadAll(in); err != nil {
			t.Error(err)
		}
	})
}

// Trailers pass both ways, as gRPC needs them.
func TestTrailers(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	got := make(chan string, 1)
	b.world.Site("token.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		got <- r.Trailer.Get("X-Sum")
		w.Header().Set("Trailer", "Grpc-Status")
		io.WriteString(w, "body")
		w.Header().Set("Grpc-Status", "0")
	}))
	b.both(func(t *testing.T, c *http.Client) {
		r, w := io.Pipe()
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://token.example/x", r)
		req.Trailer = http.Header{"X-Sum": nil}
		go func() {
			io.WriteString(w, "body")
			req.Trailer.Set("X-Sum", "42")
			w.Close()
		}()
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if sum := <-got; sum != "42" || res.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("request %q, answer %v", sum, res.Trailer)
		}
	})
}

// Who sends Expect waits for the server, not for us; and a large body passes.
func TestContinueAndLargeBodies(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	b.world.Site("token.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	}))
	conn, err := b.hello("token.example", "http/1.1")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "POST /no HTTP/1.1\r\nHost: token.example\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%v, %v", res, err)
	}
	b.both(func(t *testing.T, c *http.Client) {
		const size = 32 << 20
		if _, text := b.do(c, "POST", "https://token.example/yes", io.LimitReader(zeros{}, size)); text != fmt.Sprint(size) {
			t.Errorf("%s bytes arrived", text)
		}
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A WebSocket is judged as the request that it begins as, and then passes.
func TestWebSocket(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	b.world.Site("api.github.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		rw.Flush()
		io.Copy(c, rw)
	}))
	upgrade := func(path, protocol string) (*tls.Conn, *http.Response) {
		conn, err := b.hello("api.github.com", "http/1.1")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: api.github.com\r\nConnection: Upgrade\r\nUpgrade: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path, protocol)
		res, err := http.ReadResponse(bufio.NewReaderSize(conn, 1<<12), nil)
		if err != nil {
			t.Fatal(err)
		}
		return conn, res
	}
	if _, res := upgrade("/user", "websocket"); res.StatusCode != 403 {
		t.Errorf("not listed: %d", res.StatusCode)
	}
	if _, res := upgrade("/repos/a", "h2c"); res.StatusCode != 502 { // the server switches although nobody asked it any more
		t.Errorf("another protocol: %d", res.StatusCode)
	}
	conn, res := upgrade("/repos/a", "websocket")
	if res.StatusCode != 101 {
		t.Fatalf("listed: %d", res.StatusCode)
	}
	check(t, echo(conn))
	b.policy.Store(parse(t, strings.Replace(readPolicy, `[GET, HEAD], paths: ["/repos/**"]`, `[GET, HEAD], paths: ["/other/**"]`, 1)))
	if cut := b.gate.Recheck(); cut != 1 {
		t.Errorf("%d flows were cut; want the one", cut)
	}
	if err := echo(conn); err == nil {
		t.Error("it lives on after a reload that denies it")
	}
}

// A server that goes on in another protocol unasked ends there.
func TestUnsolicitedSwitch(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	b.world.Site("plain.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\nraw bytes")
			c.Close()
		}
	}))
	if res, text := b.do(b.client(false), "GET", "http://plain.example/open/a", nil); res.StatusCode != 502 || strings.Contains(text, "raw bytes") || !strings.Contains(text, errSwitch.Error()) {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}

// A reload ends the requests that are denied now, on a connection that lives
// on, and no others.
func TestReloadEndsRequests(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	goOn := make(chan struct{})
	b.world.Site("api.github.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun\n")
		w.(http.Flusher).Flush()
		select {
		case <-goOn:
			io.WriteString(w, "ended\n")
		case <-r.Context().Done():
		}
	}))
	c := b.client(true)
	begin := func(path string) (*http.Response, *bufio.Reader) {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://api.github.com"+path, nil)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(res.Body)
		if line, err := in.ReadString('\n'); line != "begun\n" {
			t.Fatalf("%q, %v", line, err)
		}
		return res, in
	}
	denied, gone := begin("/repos/denied/x")
	defer denied.Body.Close()
	kept, lives := begin("/repos/kept/x")
	defer kept.Body.Close()
	b.policy.Store(parse(t, strings.Replace(readPolicy, `"/repos/**"`, `"/repos/kept/**"`, 1)))
	began := time.Now()
	if cut := b.gate.Recheck(); cut != 1 {
		t.Errorf("%d flows were cut", cut)
	}
	if _, err := gone.ReadString('\n'); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the denied request ended with %v; want an error that is no end", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
	close(goOn)
	if line, err := lives.ReadString('\n'); line != "ended\n" {
		t.Errorf("the other one: %q, %v", line, err)
	}
	b.events.await(t, func(e Event) bool { return e.Path == "/repos/denied/x" && e.Verdict == policy.Deny })

	// A connection that nobody read cannot be judged: it is cut when a rule
	// for its host comes to have http.
	free := tls.Client(b.dial("free.example", 443), &tls.Config{ServerName: "free.example", RootCAs: b.world.Pool()})
	check(t, free.Handshake())
	b.policy.Store(parse(t, readPolicy+"\n"))
	if cut := b.gate.Recheck(); cut != 0 {
		t.Errorf("%d were cut by nothing", cut)
	}
	b.policy.Store(parse(t, strings.Replace(readPolicy, "free.example, port: 443}", `free.example, port: 443, http: [{methods: [GET], paths: ["/**"]}]}`, 1)))
	if cut := b.gate.Recheck(); cut != 1 {
		t.Errorf("%d were cut; want the one that is not read", cut)
	}
}

// The server is looked up once for a connection: what is dialled later is what
// was judged.
func TestReadConnectionsArePinned(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	var asked atomic.Int32
	b.gate.cfg.Resolve = counting(b.gate.cfg.Resolve, &asked)
	b.world.Site("api.github.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "x")
	}))
	c := b.client(false)
	for range 3 {
		if res, _ := b.do(c, "GET", "https://api.github.com/repos/a", nil); res.StatusCode != 200 {
			t.Errorf("status %d", res.StatusCode)
		}
	}
	if n := len(b.world.To("api.github.com")); n != 3 || asked.Load() != 1 {
		t.Errorf("%d connections, looked up %d times; want 3 and 1", n, asked.Load())
	}
}

func counting(f func(context.Context, string) ([]netip.Addr, error), n *atomic.Int32) func(context.Context, string) ([]netip.Addr, error) {
	return func(ctx context.Context, host string) ([]netip.Addr, error) {
		n.Add(1)
		return f(ctx, host)
	}
}

// Behind a company's proxy requests are read and judged the same way, each
// connection by the proxy, and the server is verified through it.
func TestRequestsByUpstream(t *testing.T) {
	b := newReadBench(t, readPolicy, func(c *Config) {
		c.Upstream = &Upstream{
			Address: "proxy.corp:3128", Direct: func(string, uint16) bool { return false },
			Authorization: func(bool) (string, error) { return "Basic bWU6b2xk", nil },
		}
	})
	p := b.world.Proxy("proxy.corp", 3128, "me:old")
	b.world.Site("api.github.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") }))
	c := b.client(false)
	for range 2 { // the server ends each connection
		if res, text := b.do(c, "GET", "https://api.github.com/repos/a", nil); res.StatusCode != 200 {
			t.Errorf("%d %s", res.StatusCode, text)
		}
	}
	if res, _ := b.do(c, "GET", "https://api.github.com/user", nil); res.StatusCode != 403 {
		t.Errorf("not listed: %d", res.StatusCode)
	}
	if got := p.Asked(); len(got) != 2 || got[0] != "api.github.com:443" || got[1] != got[0] || looked(b.world, "api.github.com") {
		t.Errorf("the proxy was asked for %q; looked up here: %v", got, looked(b.world, "api.github.com"))
	}
}

// A head without end, or a peer that reads nothing, costs the gate little.
func TestBoundsOfRequests(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	conn, err := b.hello("api.github.com", "http/1.1")
	if err != nil {
		t.Fatal(err)
	}
	go func() { // until it is refused
		io.WriteString(conn, "GET /repos/a HTTP/1.1\r\nHost: api.github.com\r\nX: ")
		_, _ = io.Copy(conn, io.LimitReader(endless{}, 1<<30))
	}()
	if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%v, %v", res, err)
	}

	const size = 256 << 20
	wrote := make(chan int64, 1)
	b.world.Site("api.github.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second)) // it gives up where nothing moves
		n, _ := io.Copy(w, io.LimitReader(zeros{}, size))
		wrote <- n
	}))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	silent, err := b.hello("api.github.com", "http/1.1")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(silent, "GET /repos/a HTTP/1.1\r\nHost: api.github.com\r\n\r\n")
	if n := <-wrote; n > size/4 {
		t.Errorf("the server could write %d bytes that nobody read", n)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the gate holds %d bytes more", grown)
	}
}

// endless are bytes that no header field ends with.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'a'
	}
	return len(b), nil
}
