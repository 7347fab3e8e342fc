package egress

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/nemoclaw/nemoclaw/test/internet"
)

// The credential goes to its host alone, in place of whatever the program sent
// there, and what the server repeats of it is hidden.
func TestCredentialIsAdded(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	seen := make(chan http.Header, 1)
	b.world.Site("token.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Clone()
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		w.Header().Set("Trailer", "X-Last")
		io.WriteString(w, "you sent "+r.Header.Get("Authorization")+" to us\n")
		w.Header().Set("X-Last", r.Header.Get("Authorization"))
	}))
	b.both(func(t *testing.T, c *http.Client) {
		res, text := b.do(c, "GET", "https://token.example/x", nil,
			"Authorization", "Bearer mine", "X_authorization", "kept", "Accept-Encoding", "gzip")
		h := <-seen
		if got := h.Values("Authorization"); len(got) != 1 || got[0] != "Bearer "+secret {
			t.Errorf("the server saw %q", got)
		}
		if h.Get("Accept-Encoding") != "identity" {
			t.Errorf("asked for %q", h.Get("Accept-Encoding"))
		}
		all := text + res.Header.Get("X-Echo") + res.Trailer.Get("X-Last")
		if strings.Contains(all, secret) || strings.Contains(all, "ghp_") || !strings.Contains(text, "you sent ") || !strings.HasSuffix(text, " to us\n") {
			t.Errorf("came back: %q", all)
		}
	})
	for _, host := range []string{"https://api.github.com/repos/a", "https://api.github.com/user"} {
		_, text := b.do(b.client(true), "GET", host, nil, "Authorization", "Bearer placeholder")
		if strings.Contains(text, secret) {
			t.Errorf("%s got it: %s", host, text)
		}
		if strings.Contains(host, "repos") && !strings.Contains(text, "Bearer placeholder") {
			t.Errorf("the program's own was not passed on: %s", text)
		}
	}
	for _, e := range b.events.list() {
		if strings.Contains(e.Why+e.Rule+e.Target+e.Path, secret) {
			t.Errorf("in the book: %+v", e)
		}
	}
}

// A redirect is the program's next request, judged on its own: the credential
// does not follow it to another origin.
func TestCredentialDoesNotFollow(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	b.world.Site("token.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, map[string]string{"/in": "https://api.github.com/repos/a", "/out": "https://evil.example/"}[r.URL.Path], http.StatusFound)
	}))
	c := b.client(false)
	c.CheckRedirect = nil
	if _, text := b.do(c, "GET", "https://token.example/in", nil); strings.Contains(text, secret) {
		t.Errorf("it followed: %s", text)
	}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://token.example/out", nil)
	if res, err := c.Do(req); err == nil {
		t.Errorf("a host that is not listed was reached by a redirect: %d", res.StatusCode)
	}
	if len(b.world.To("evil.example")) > 0 {
		t.Error("evil.example was reached")
	}
}

// Hop-by-hop tricks take nothing away, and a credential that is not there, or
// cannot be sent, lets nothing through.
func TestCredentialCannotBeDropped(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	_, text := b.do(b.client(false), "GET", "https://token.example/x", nil, "Connection", "Authorization, close", "Authorization", "Bearer mine")
	var e internet.Echo
	check(t, json.Unmarshal([]byte(text), &e))
	if got := e.Header.Get("Authorization"); got != "Bearer "+strings.Repeat("*", len(secret)) {
		t.Errorf("arrived, or came back: %q", got)
	}
	for what, get := range map[string]func(string) ([]byte, error){
		"missing": func(string) ([]byte, error) { return nil, errors.New(`no secret named "github"`) },
		"empty":   func(string) ([]byte, error) { return []byte("\n"), nil },
		"broken":  func(string) ([]byte, error) { return []byte("a\r\nX: y"), nil },
		"none":    nil,
	} {
		t.Run(what, func(t *testing.T) {
			b := newReadBench(t, readPolicy, func(c *Config) { c.Secret = get })
			res, text := b.do(b.client(true), "GET", "https://token.example/x", nil, "Authorization", "Bearer mine")
			if res.StatusCode != 403 || !strings.Contains(text, "nemoclaw secret set github") {
				t.Errorf("%d %s", res.StatusCode, text)
			}
			for _, a := range b.world.To("token.example") {
				if len(a.Requests) > 0 {
					t.Errorf("arrived: %+v", a.Requests)
				}
			}
		})
	}
}

// Wherever a hidden text is cut, it does not come through, and nothing else is
// changed or held back.
func TestMasked(t *testing.T) {
	hidden := hide(secret, "Basic "+base64.StdEncoding.EncodeToString([]byte("x-access-token:"+secret)))
	for _, text := range []string{
		"", secret, "a" + secret + "b" + secret, "x" + secret[:10], secret + secret, "ghp_ghp_" + secret[4:], strings.Repeat("g", 5000) + secret + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+secret)),
		"ghp_ghp_abc " + secret[:len(secret)-1] + "6",
	} {
		want := text
		for _, s := range hidden {
			want = strings.ReplaceAll(want, s, strings.Repeat("*", len(s)))
		}
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "last with end": iotest.DataErrReader,
		} {
			m := &masked{ReadCloser: io.NopCloser(wrap(strings.NewReader(text))), hidden: hidden, end: func() {}}
			if got, err := io.ReadAll(m); string(got) != want || err != nil {
				t.Errorf("%s, %q: %q, %v", name, text, got, err)
			}
		}
	}
	r, w := io.Pipe()
	m := &masked{ReadCloser: r, hidden: hidden, end: func() {}}
	go io.WriteString(w, "data: 1\n\n")
	b := make([]byte, 64)
	if n, err := m.Read(b); string(b[:n]) != "data: 1\n\n" {
		t.Errorf("an event was held back: %q, %v", b[:n], err)
	}
}
