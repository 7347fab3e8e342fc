package inference

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// BenchmarkCall is one short call through the router, and through the standard
// library's reverse proxy, to the same server.
func BenchmarkCall(b *testing.B) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", sseMedia)
		_, _ = io.WriteString(w, token+"\n")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	defer up.Close()
	p, err := policy.ParseInference("inference.yaml", []byte(toOllama(up.URL)))
	if err != nil {
		b.Fatal(err)
	}
	to, err := url.Parse(up.URL)
	if err != nil {
		b.Fatal(err)
	}
	for name, h := range map[string]http.Handler{
		"router": New(Config{Policy: func() *policy.Inference { return p }}),
		"proxy":  httputil.NewSingleHostReverseProxy(to),
	} {
		b.Run(name, func(b *testing.B) {
			s := httptest.NewServer(h)
			defer s.Close()
			b.ReportAllocs()
			for b.Loop() {
				resp, err := http.Post(s.URL+"/v1/chat/completions", jsonType, strings.NewReader(`{"model":"any","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					b.Fatal(resp.Status)
				}
			}
		})
	}
}
