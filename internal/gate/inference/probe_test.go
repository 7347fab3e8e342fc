package inference

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

// host.docker.internal and its like mean the host's loopback here.
func TestHostNames(t *testing.T) {
	p := serve(t, says(jsonType, `{"models":[{"name":"qwen3:8b"}]}`))
	_, port, err := net.SplitHostPort(p.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for host := range hostNames {
		var asked []string
		b := newBench(t, toOllama("http://"+net.JoinHostPort(host, port)), func(c *Config) {
			c.Blocked = func(h string, _ int) (string, bool) { asked = append(asked, h); return "", false }
		})
		if h := b.router.Probe(t.Context()); !h.Connected {
			t.Errorf("%s: %+v", host, h)
		}
		if strings.Join(asked, " ") != host+" 127.0.0.1" {
			t.Errorf("the network policy was asked about %q", asked)
		}
	}
}

func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		openai    bool
		up        http.HandlerFunc
		connected bool
		why, hint string
	}{
		"there":      {false, says(jsonType, `{"models":[{"name":"qwen3:8b"}]}`), true, "", ""},
		"other case": {false, says(jsonType, `{"models":[{"name":"Qwen3:8B"}]}`), true, "", ""},
		"not there":  {false, says(jsonType, `{"models":[{"name":"qwen3:4b"}]}`), false, "Ollama has no model qwen3:8b", "ollama pull qwen3:8b"},
		"web page":   {false, says("text/html", `<html>`), false, "Ollama at ", "check the address: nemoclaw my-assistant set-inference-url URL"},
		"list":       {true, says(jsonType, `{"data":[{"id":"x"}]}`), true, "", ""},
		"no list":    {true, status(404, jsonType, `{}`), true, "", ""},
		"bad key":    {true, status(401, jsonType, `{"error":{"message":"no such key"}}`), false, "provider nvidia answered 401: no such key", "nemoclaw secret set nvidia"},
		"nonsense":   {true, says(jsonType, `[]`), false, "provider nvidia's answer makes no sense: it is no list of models", ""},
	} {
		p := serve(t, c.up)
		yaml := toOllama(p.URL)
		if c.openai {
			yaml = toOpenAI(p.URL)
		}
		b := newBench(t, yaml, nil)
		h := b.router.Probe(t.Context())
		if h.Connected != c.connected || !strings.HasPrefix(h.Why, c.why) || h.Hint != c.hint {
			t.Errorf("%s: %+v", name, h)
		}
		if b.count() != 0 {
			t.Errorf("%s: the probe was recorded", name)
		}
	}
}
