package inference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// bench is a router between a test's agent and a test's provider.
type bench struct {
	*testing.T
	router *Router
	url    string // of the router
	yaml   string // of the policy

	policy atomic.Pointer[policy.Inference]
	busy   sync.WaitGroup // calls being answered
	mu     sync.Mutex
	calls  []Call       // protected by mu
	log    bytes.Buffer // protected by mu, through bench.Write
}

// Write takes the router's log lines.
func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

// logged is what the router has written for the agent so far.
func (b *bench) logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

// newBench makes a router with a policy; change may change its configuration.
func newBench(t *testing.T, yaml string, change func(*Config)) *bench {
	t.Helper()
	b := &bench{T: t}
	b.use(yaml)
	cfg := Config{
		Policy: b.policy.Load,
		Key: func(name string) ([]byte, error) {
			if name == "lost" {
				return nil, errors.New("open /root/.nemoclaw/secrets/lost: no such file")
			}
			return []byte("nvapi-the-real-key-of-" + name + "\n"), nil
		},
		Record: func(c Call) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.calls = append(b.calls, c)
		},
		Log:     b,
		Sandbox: "my-assistant",
	}
	if change != nil {
		change(&cfg)
	}
	b.router = New(cfg)
	b.router.places.list = []string{} // a test asks nobody but its own servers
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.busy.Add(1)
		defer b.busy.Done()
		b.router.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func (b *bench) use(yaml string) {
	b.Helper()
	p, err := policy.ParseInference("inference.yaml", []byte(yaml))
	if err != nil {
		b.Fatal(err)
	}
	b.policy.Store(p)
	b.yaml = yaml
}

// toOllama and toOpenAI are policies with one provider.
func toOllama(url string) string {
	return fmt.Sprintf("routes: [{model: \"*\", to: \"ollama/qwen3:8b\"}]\nproviders: {ollama: {url: %q}}\n", url)
}

func toOpenAI(url string) string {
	return fmt.Sprintf("routes: [{model: \"*\", to: \"nvidia/meta/llama-3.1-8b\"}]\nproviders: {nvidia: {url: %q, key: nvidia}}\n", url)
}

// reply is what the agent got.
type reply struct {
	status int
	header http.Header
	body   string
}

// text is the message of an error in either API's form.
func (r reply) text() string {
	var form struct{ Error json.RawMessage }
	if json.Unmarshal([]byte(r.body), &form) != nil {
		return ""
	}
	return faultOf(form.Error)
}

func (b *bench) post(path, body string, headers ...string) reply {
	b.Helper()
	return b.do("POST", path, strings.NewReader(body), headers...)
}

func (b *bench) do(method, path string, body io.Reader, headers ...string) reply {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.url+path, body)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatalf("read answer: %v after %q", err, raw)
	}
	return reply{resp.StatusCode, resp.Header, string(raw)}
}

// last is the newest recorded call, which the log has as well. A record is made
// after the answer's last byte, so it is waited for.
func (b *bench) last() Call {
	b.Helper()
	b.busy.Wait()
	b.router.Drain()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.calls) == 0 {
		b.Fatal("no call was recorded")
	}
	lines := strings.Split(strings.TrimSpace(b.log.String()), "\n")
	if len(lines) != len(b.calls) {
		b.Fatalf("%d calls recorded, %d lines in the log", len(b.calls), len(lines))
	}
	var c Call
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &c); err != nil {
		b.Fatal(err)
	}
	if c.Answer != b.calls[len(b.calls)-1].Answer {
		b.Errorf("the log's answer %q is not the record's", c.Answer)
	}
	return c
}

func (b *bench) count() int {
	b.busy.Wait()
	b.router.Drain()
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls)
}

// provider is a server that answers everything with one handler, and keeps what
// it was asked.
type provider struct {
	*httptest.Server
	mu   sync.Mutex
	got  []*http.Request // protected by mu
	body []string        // protected by mu
}

func serve(t *testing.T, answer http.HandlerFunc) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.got, p.body = append(p.got, r), append(p.body, string(raw))
		p.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func says(media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, body)
	}
}

func (p *provider) all() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func (p *provider) asked() (r *http.Request, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.got) == 0 {
		return nil, ""
	}
	return p.got[len(p.got)-1], p.body[len(p.body)-1]
}
