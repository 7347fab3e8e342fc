package onboard

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestModels(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/tags":
			_, _ = w.Write([]byte(`{"models":[{"name":"qwen3:8b"},{"name":"tiny:latest"}]}`))
		case r.URL.Path == "/v1/models" && (r.Header.Get("Authorization") == "Bearer k3y" || r.Header.Get("x-api-key") == "k3y"):
			_, _ = w.Write([]byte(`{"data":[{"id":"b"},{"id":"a"}]}`))
		case r.URL.Path == "/away/api/tags":
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		case r.URL.Path == "/page/api/tags":
			_, _ = w.Write([]byte(`<html>`))
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	for _, c := range []struct {
		provider, base, key string
		want                []string
	}{
		{"ollama", server.URL, "", []string{"qwen3:8b", "tiny:latest"}},
		{"ollama", server.URL + "/", "", []string{"qwen3:8b", "tiny:latest"}},
		{"ollama", "http://host.docker.internal:" + port, "", []string{"qwen3:8b", "tiny:latest"}},
		{"nvidia", server.URL + "/v1", "k3y", []string{"a", "b"}},
		{"anthropic", server.URL, "k3y", []string{"a", "b"}},
	} {
		p, err := providerOf(c.provider)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.models(t.Context(), c.base, []byte(c.key)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s at %s: %q, %v", c.provider, c.base, got, err)
		}
	}
	// Nobody there, no key, a page for people, and a redirect, which is not
	// followed: a key goes to the server that was named.
	for provider, base := range map[string]string{"ollama": "http://127.0.0.1:1", "nvidia": server.URL + "/v1", "openai": server.URL + "/page", "anthropic": server.URL} {
		p, _ := providerOf(provider)
		var down *Unreachable
		if _, err := p.models(t.Context(), base, nil); !errors.As(err, &down) || down.Hint() == "" {
			t.Errorf("%s at %s: %v", provider, base, err)
		}
	}
	for _, path := range []string{"/away", "/page"} {
		if _, err := providers[0].models(t.Context(), server.URL+path, nil); err == nil {
			t.Errorf("%s gave models", path)
		}
	}
}

func TestHas(t *testing.T) {
	names := []string{"qwen3:8b", "tiny:latest"}
	for model, want := range map[string]bool{"qwen3:8b": true, "tiny": true, "tiny:latest": true, "qwen3": false, "other": false, "": false} {
		if got := has(names, model); got != want {
			t.Errorf("has %q: %t", model, got)
		}
	}
}

func TestPorts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	s := Setup{}
	s.Home.Dir = t.TempDir()
	var busy *TakenPort
	if err := checkPort(s.Home, taken, ""); !errors.As(err, &busy) || busy.Free == 0 || busy.Free == taken {
		t.Errorf("a taken port: %v", err)
	}
	l.Close()
	if err := checkPort(s.Home, taken, ""); err != nil {
		t.Errorf("once it is free: %v", err)
	}
	for _, bad := range []string{"", "0", "65536", "-1", "x"} {
		if _, err := parsePort(bad); err == nil {
			t.Errorf("port %q was taken", bad)
		}
	}
}
