package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

const cloudKey = "sk-the-key-of-the-cloud-0123456789"

// cloud is a model server that wants a key, before a local Ollama.
type cloud struct {
	url string

	mu        sync.Mutex
	strangers []string // keys that were not its own, and where they stood; protected by mu
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
		c.look(r.Header)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL + "/v1"
	return c
}

// look keeps whatever could be a key, and is not the cloud's.
func (c *cloud) look(h http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if key := h.Get("Authorization"); key != "Bearer "+cloudKey {
		c.strangers = append(c.strangers, "Authorization: "+key)
	}
	for _, name := range []string{"X-Api-Key", "X-Goog-Api-Key", "Cookie"} {
		if v := h.Get(name); v != "" {
			c.strangers = append(c.strangers, name+": "+v)
		}
	}
}

// check holds that the cloud was asked, and saw no key but its own.
func (c *cloud) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == 0 || len(c.strangers) > 0 {
		t.Errorf("asked %d times, with other keys %q", c.asked, c.strangers)
	}
}
