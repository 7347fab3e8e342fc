package e2e

import (
	"errors"
	"io"
	"net/http"
	"os/exec"
	"sync"
	"testing"
)

// modelSite makes host a model server of OpenAI's kind, and returns what tells
// the Authorization of each call so far.
func (h *home) modelSite(host string) func() []string {
	var mu sync.Mutex
	var seen []string // protected by mu
	h.world.Site(host, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Header.Get("Authorization"))
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		answer := `{"id":"1","object":"chat.completion","model":"some/model","choices":[{"index":0,"message":{"role":"assistant","content":"the answer"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`
		if r.Method == http.MethodGet {
			answer = `{"object":"list","data":[{"id":"some/model","object":"model"}]}`
		}
		_, _ = io.WriteString(w, answer) // a client that left is told nothing
	}))
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

// grep names the files below dir that contain word.
func grep(t *testing.T, word, dir string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "grep", "-rlF", word, dir).Output()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return string(out)
}
