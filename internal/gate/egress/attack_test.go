package egress

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Trailers make no other request of one that was judged, declared or not.
func TestTrailersOverrideNothing(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	got := make(chan http.Header, 1)
	b.world.Site("token.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		got <- r.Trailer
	}))
	b.both(func(t *testing.T, c *http.Client) {
		r, w := io.Pipe()
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://token.example/x", r)
		req.Trailer = http.Header{"X-Sum": nil, "X-Http-Method-Override": nil, "X-Rewrite-Url": nil}
		go func() {
			io.WriteString(w, "body")
			for name := range req.Trailer {
				req.Trailer.Set(name, "DELETE")
			}
			w.Close()
		}()
		res, err := c.Do(req)
		check(t, err)
		res.Body.Close()
		if h := <-got; len(h) != 1 || h.Get("X-Sum") != "DELETE" {
			t.Errorf("arrived: %v", h)
		}
	})
	conn, err := b.hello("token.example", "http/1.1")
	check(t, err)
	io.WriteString(conn, "POST /x HTTP/1.1\r\nHost: token.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"+
		"1\r\na\r\n0\r\nX-Sum: 1\r\nX-HTTP-Method-Override: DELETE\r\nAuthorization: mine\r\n\r\n")
	_, err = http.ReadResponse(bufio.NewReader(conn), nil)
	check(t, err)
	if h := <-got; len(h) != 1 || h.Get("X-Sum") != "1" {
		t.Errorf("not declared, arrived: %v", h)
	}
}

// A field is the same to a server that makes variables of fields, whatever
// stands for the hyphen.
func TestOverridesInOtherSpellings(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	_, text := b.do(b.client(false), "POST", "https://token.example/x", nil, "X.HTTP!Method~Override", "DELETE", "x*original_url", "DELETE",
		"SCRIPT_NAME", "DELETE", "PATH_INFO", "DELETE", "X-Accel-Mapping", "DELETE", "X-Sendfile-Type", "DELETE", "Transfer_Encoding", "chunked", "content.length", "77", "X.Mine", "kept")
	if strings.Contains(text, "DELETE") || strings.Contains(text, "chunked") || strings.Contains(text, `"77"`) || !strings.Contains(text, "kept") {
		t.Errorf("arrived: %s", text)
	}
}

// What COPY and MOVE write is judged as what they read.
func TestDestinationIsJudged(t *testing.T) {
	b := newReadBench(t, `
egress:
  - {host: dav.example, port: 443, http: [{methods: ["*"], paths: ["/mine/**"]}]}
unlisted: deny
`, nil)
	b.both(func(t *testing.T, c *http.Client) {
		for to, want := range map[string]int{
			"/mine/b": 200, "https://dav.example/mine/b": 200, "https://dav.example:443/mine/b": 200,
			"/other": 403, "https://dav.example/other": 403, "/mine/%2e%2e/other": 400, "//evil.example/mine/b": 403, "mine": 400,
			"https://evil.example/mine/b": 421, "https://dav.example@evil.example/mine/b": 421, "https://dav.example": 400,
		} {
			if res, text := b.do(c, "MOVE", "https://dav.example/mine/a", nil, "Destination", to); res.StatusCode != want {
				t.Errorf("%s: %d %s; want %d", to, res.StatusCode, text, want)
			}
		}
	})
}

// The server may repeat a credential before its answer, in an answer that calls
// itself coded, in its trailers then, in a WebSocket, in place of an answer, or
// a part of it.
func TestCredentialDoesNotComeBack(t *testing.T) {
	b := newReadBench(t, strings.Replace(readPolicy, "credential: github\n", "credential: {secret: github, as: basic}\n", 1), func(c *Config) {
		c.Secret = func(string) ([]byte, error) { return []byte("user:" + secret), nil }
	})
	b.world.Site("token.example", http.HandlerFunc(repeat))
	b.both(func(t *testing.T, c *http.Client) {
		for _, path := range []string{"/early", "/coded", "/part"} {
			var early string
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
				early += fmt.Sprint(h)
				return nil
			}})
			req, _ := http.NewRequestWithContext(ctx, "GET", "https://token.example"+path, nil)
			res, err := c.Do(req)
			check(t, err)
			body, err := io.ReadAll(res.Body)
			check(t, err)
			res.Body.Close()
			all := fmt.Sprint(early, res.Header, string(body), res.Trailer)
			if !strings.Contains(all, "****") || hasSecret(all) {
				t.Errorf("%s: came back: %s", path, all)
			}
		}
	})
	conn, err := b.hello("token.example", "http/1.1")
	check(t, err)
	io.WriteString(conn, upgradeTo("/socket"))
	if all, err := io.ReadAll(conn); err != nil || !strings.Contains(string(all), "it was Basic ****") || hasSecret(string(all)) {
		t.Errorf("a WebSocket: came back: %s, %v", all, err)
	}
	if conn, err = b.hello("token.example", "http/1.1"); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, upgradeTo("/broken")) // by HTTP/1 as well
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	check(t, err)
	if all, _ := io.ReadAll(res.Body); res.StatusCode != 502 || !strings.Contains(string(all), "****") || hasSecret(string(all)) {
		t.Errorf("a broken answer: %d %s", res.StatusCode, all)
	}
	for _, e := range b.events.list() {
		if hasSecret(e.Why) {
			t.Errorf("in the book: %+v", e)
		}
	}
}

func upgradeTo(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: token.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
}

// hasSecret: s has the value, or what Basic makes of it.
func hasSecret(s string) bool {
	return strings.Contains(s, secret) || strings.Contains(s, base64.StdEncoding.EncodeToString([]byte("user:"+secret)))
}

// repeat answers with the credential, in the way that the path names.
func repeat(w http.ResponseWriter, r *http.Request) {
	said := r.Header.Get("Authorization")
	switch r.URL.Path {
	case "/early":
		w.Header().Set("Link", said)
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
	case "/coded":
		w.Header().Set("Content-Encoding", "plain")
		w.Header().Set("Trailer", "X-Last")
		io.WriteString(w, said)
		w.Header().Set("X-Last", said)
	case "/part":
		_, password, _ := r.BasicAuth()
		io.WriteString(w, password)
	default:
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		if r.URL.Path == "/broken" {
			fmt.Fprintf(c, "HTTP/1.1 %s\r\n\r\n", strings.ReplaceAll(said, " ", ""))
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nit was %s", said)
	}
}

// A server may spell what it repeats as its answer wants it.
func TestMaskedInOtherSpellings(t *testing.T) {
	const value = `p&ss/w"rd+\=1234`
	hidden := hide("user:"+value, "Basic "+base64.StdEncoding.EncodeToString([]byte("user:"+value)))
	inJSON, err := json.Marshal(value)
	check(t, err)
	for _, text := range []string{
		value, string(inJSON), `p&ss\/w\"rd+\\=1234`, fmt.Sprintf("%q", value), url.Values{"x": {value}}.Encode(), url.PathEscape(value),
		strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte("user:"+value)), "/", `\/`),
	} {
		if got := maskText("<"+text+">", hidden); strings.Contains(got, "1234") || !strings.Contains(got, "****") || len(got) != len(text)+2 {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// Text that a mask is made of ends, too.
func TestMaskOfStars(t *testing.T) {
	text := "x" + strings.Repeat("*", 20)
	m := &masked{ReadCloser: io.NopCloser(strings.NewReader(text)), hidden: []string{"********"}, end: func() {}}
	if got, err := io.ReadAll(m); string(got) != text || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// What nobody reads stays with who sends it: many answers on one connection
// cost the gate a bounded amount.
func TestUnreadStreamsAreBounded(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	const streams, most = 60, 60 << 20
	var moved atomic.Int64
	b.world.Site("api.github.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for piece := make([]byte, 64<<10); r.Context().Err() == nil; {
			n, err := w.Write(piece)
			if moved.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	c := b.client(true)
	c.Transport.(*http.Transport).HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerConnection: 64 << 10, MaxReceiveBufferPerStream: 64 << 10}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range streams {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://api.github.com/repos/a", nil)
		res, err := c.Do(req)
		check(t, err)
		defer res.Body.Close() // nothing is read of it
	}
	b.settle(&moved)
	runtime.ReadMemStats(&after)
	if sent, held := moved.Load(), int64(after.HeapAlloc)-int64(before.HeapAlloc); sent > most || held > most {
		t.Errorf("the server could send %d bytes that nobody read; %d are held", sent, held)
	}
}

// As many requests as connections may be under way at one time, however few
// connections they share; one more is told so, until one ends.
func TestRequestsAreBounded(t *testing.T) {
	b := newReadBench(t, readPolicy, func(c *Config) { c.Flows = 5 })
	b.world.Site("api.github.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if w.(http.Flusher).Flush(); r.URL.Path == "/repos/long" {
			<-r.Context().Done()
		}
	}))
	c := b.client(true)
	var last *http.Response
	for range 5 {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://api.github.com/repos/long", nil)
		res, err := c.Do(req)
		check(t, err)
		defer res.Body.Close()
		last = res
	}
	if res, text := b.do(c, "GET", "https://api.github.com/repos/a", nil); res.StatusCode != 503 || !strings.Contains(text, "5 requests") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	last.Body.Close()
	for { // the gate hears of the end soon
		if res, _ := b.do(c, "GET", "https://api.github.com/repos/a", nil); res.StatusCode == 200 {
			break
		}
	}
}

// A WebSocket that the program has left ends, though the server never ends it.
func TestLeftWebSocketEnds(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	b.world.Site("token.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		<-t.Context().Done()
	}))
	conn, err := b.hello("token.example", "http/1.1")
	check(t, err)
	io.WriteString(conn, upgradeTo("/socket"))
	if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	conn.Close()
	b.awaitFlows(0)
}

// settle waits until a count has stood still for a while: nothing tells that no
// more will come.
func (b readBench) settle(count *atomic.Int64) {
	for last := int64(-1); last != count.Load() && b.t.Context().Err() == nil; {
		last = count.Load()
		still := time.NewTimer(200 * time.Millisecond)
		<-still.C
	}
}

// A failure of the gate while it judges a request lets nothing out, and is
// written down.
func TestPanicOfARequest(t *testing.T) {
	b := newReadBench(t, readPolicy, func(c *Config) { c.Secret = func(string) ([]byte, error) { panic("broken") } })
	for _, two := range []bool{false, true} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://token.example/x", nil)
		if res, err := b.client(two).Do(req); err == nil {
			t.Errorf("answered: %d", res.StatusCode)
		}
	}
	b.events.await(t, func(e Event) bool {
		return e.Kind == HTTP && strings.Contains(e.Why, "the gate failed: broken") && e.Verdict == policy.Deny
	})
	if got := b.world.To("token.example"); len(got) > 0 && len(got[0].Requests) > 0 {
		t.Errorf("arrived: %+v", got)
	}
}

// Where net/http dials for a later request, a failure of the gate refuses that
// request, and takes nothing else along.
func TestPanicOfALaterDial(t *testing.T) {
	var broken atomic.Bool
	b := newReadBench(t, readPolicy, func(c *Config) {
		c.Own = func() []netip.Addr {
			if broken.Load() {
				panic("broken")
			}
			return nil
		}
	})
	b.world.Site("plain.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") }))
	c := b.client(false)
	for _, want := range []int{200, 502, 200} { // the server ends each connection
		broken.Store(want == 502)
		if res, text := b.do(c, "GET", "http://plain.example/open/a", nil); res.StatusCode != want {
			t.Errorf("%d %s; want %d", res.StatusCode, text, want)
		}
	}
	if n := b.gate.reader.beside.Load(); n > 1 {
		t.Errorf("%d places are taken", n)
	}
}
