package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/test/model/server"
	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// llama starts the script on the real llama.cpp.
func llama(t *testing.T) string {
	t.Helper()
	root, err := server.Root()
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(root, ".cache", "llama-"+llamaVersion, "node_modules")
	if _, err := os.Stat(modules); err != nil {
		t.Skip("needs llama.cpp for Node: run the demo once on a machine without Ollama")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "server.mjs")
	if err := os.WriteFile(script, serverScript, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := server.Llama(ctx, dir, 0, script, modules, tiny.Tiny(), tiny.Rogue())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.URL
}

func ask(t *testing.T, url, body string) (status int, answer string) {
	t.Helper()
	resp, err := (&http.Client{Timeout: time.Minute}).Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// The script answers as an Ollama does: in pieces, with calls of tools, and
// with errors in its form.
func TestLlamaAnswers(t *testing.T) {
	url := llama(t)
	const talk = `,"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"exec"}}]`
	_, answer := ask(t, url+"/api/chat", `{"model":"tiny"`+talk+`}`)
	lines := strings.Split(strings.TrimSpace(answer), "\n")
	var said strings.Builder
	for _, line := range lines {
		var piece struct{ Message struct{ Content string } }
		if err := json.Unmarshal([]byte(line), &piece); err != nil {
			t.Fatal(err)
		}
		said.WriteString(piece.Message.Content)
	}
	if said.String() != tiny.Sentence || len(lines) < 5 || !strings.Contains(lines[len(lines)-1], `"done":true`) {
		t.Errorf("%s", answer)
	}
	_, answer = ask(t, url+"/api/chat", `{"model":"rogue","stream":false`+talk+`}`)
	var call struct {
		Message struct {
			Calls []struct {
				Function struct{ Arguments map[string]string }
			} `json:"tool_calls"`
		}
	}
	if err := json.Unmarshal([]byte(answer), &call); err != nil || len(call.Message.Calls) != 1 || call.Message.Calls[0].Function.Arguments["command"] != tiny.Command {
		t.Errorf("%s", answer)
	}
	after := strings.Replace(talk, `"hi"}`, `"hi"},{"role":"tool","content":"refused"}`, 1)
	if _, answer = ask(t, url+"/api/chat", `{"model":"rogue","stream":false`+after+`}`); !strings.Contains(answer, tiny.Confession) {
		t.Errorf("%s", answer)
	}
	for body, want := range map[string]int{`{"model":"none"}`: 404, `[]`: 400, `{`: 400} {
		if status, answer := ask(t, url+"/api/chat", body); status != want || !strings.Contains(answer, `"error"`) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if status, _ := ask(t, url+"/api/pull", `{"model":"x"}`); status != 404 {
		t.Errorf("pull: %d", status)
	}
}

// The command writes its URL when the server answers, and takes it away at the
// end.
func TestCommand(t *testing.T) {
	if _, err := server.OllamaProgram(); errors.Is(err, server.ErrNoOllama) {
		t.Skip(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "url")
	ctx, end := context.WithCancel(t.Context())
	defer end()
	done := make(chan error, 1)
	go func() { done <- run(ctx, dir, 0, false) }()
	var url []byte
	for len(url) == 0 {
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
			url, _ = os.ReadFile(file) // until it is there
		}
	}
	status, answer := ask(t, string(bytes.TrimSpace(url))+"/api/generate", `{"model":"tiny","prompt":"hi","stream":false}`)
	if status != 200 || !strings.Contains(answer, tiny.Sentence) {
		t.Errorf("%d %s", status, answer)
	}
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("url is still there: %v", err)
	}
}
