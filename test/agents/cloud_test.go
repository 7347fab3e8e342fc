package agents

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

const cloudKey = "sk-the-key-of-the-cloud-0123456789"

// cloud is a model server that wants a key, before a local Ollama.
type cloud struct {
	url string

	mu        sync.Mutex
	strangers []string // keys that were not its own; protected by mu
	asked     int      // protected by mu
}

func newCloud(t *testing.T, ollama string) *cloud {
	t.Helper()
	to, err := url.Parse(ollama)
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.asked++
		if key := r.Header.Get("Authorization"); key != "Bearer "+cloudKey {
			c.strangers = append(c.strangers, key)
		}
		c.mu.Unlock()
		for _, h := range []string{"X-Api-Key", "X-Goog-Api-Key", "Cookie"} {
			if v := r.Header.Get(h); v != "" {
				t.Errorf("%s: %q reached the cloud", h, v)
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL + "/v1"
	return c
}

func (c *cloud) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == 0 || len(c.strangers) > 0 {
		t.Errorf("asked %d times, with other keys %q", c.asked, c.strangers)
	}
}

// routed is a router before the cloud.
type routed struct {
	url string

	mu    sync.Mutex
	calls []inference.Call // protected by mu
}

func route(t *testing.T, base, model string) *routed {
	t.Helper()
	yaml := fmt.Sprintf("routes: [{model: \"*\", to: cloud/%s}]\nproviders: {cloud: {url: %q, api: openai, key: cloud}}\n", model, base)
	p, err := policy.ParseInference("inference.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	r := &routed{}
	router := inference.New(inference.Config{
		Policy: func() *policy.Inference { return p },
		Key:    func(string) ([]byte, error) { return []byte(cloudKey), nil },
		Record: func(c inference.Call) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.calls = append(r.calls, c)
		},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- router.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		router.Drain()
	})
	r.url = "http://" + l.Addr().String()
	return r
}

// check looks at what was recorded of one message.
func (r *routed) check(t *testing.T, a agent, says string, tool bool) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	said, told := false, !tool
	var tools []string
	for _, c := range r.calls {
		t.Logf("%s %s asked %q given %s: %d, %d in %d out, %.0f ms: %.100q; %s", c.API, c.Path, c.Asked, c.Given, c.Status, c.TokensIn, c.TokensOut, c.Duration, c.Answer, c.Error)
		tools = append(tools, c.Tools...)
		said = said || c.Answer == says && c.API == a.api && c.Path == strings.ReplaceAll(a.path, "{MODEL}", "asked") && c.TokensIn > 0 && c.TokensOut > 0 && c.FirstToken > 0
		told = told || strings.Contains(c.Prompt, asJSON("made by 42"))
		if c.Error != "" && c.Status != 404 {
			t.Errorf("%+v", c)
		}
		if strings.Contains(c.Prompt+c.Extra+c.Answer, cloudKey) {
			t.Error("the cloud's key is in the record")
		}
	}
	if !said || !told || tool && !slices.Contains(tools, a.tool) {
		t.Errorf("said %v, told of the tool's answer %v, tools %q", said, told, tools)
	}
}
