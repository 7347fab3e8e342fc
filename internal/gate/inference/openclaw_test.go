package inference

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/test/model"
	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// The real OpenClaw asks the real Ollama through the router, by both APIs, and
// a model calls a tool on it. The tool's command is harmless: here no walls
// stand around the agent.
func TestRealOpenClaw(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a minute: it starts OpenClaw")
	}
	program, err := exec.LookPath("openclaw")
	if err != nil {
		t.Skip("needs openclaw in PATH, and Node 22.19 or newer before it")
	}
	caller := tiny.Model{Name: "caller", Turns: []tiny.Turn{
		tiny.Call("exec", map[string]string{"command": "echo made by $((6*7))"}),
		tiny.Say("The tool has answered."),
	}}
	url := model.Ollama(t, caller)
	for _, c := range []struct{ api, suffix, model, provider, says string }{
		{"ollama", "", "tiny", "ollama", model.Sentence},
		{"ollama", "", "caller", "ollama", "The tool has answered."},
		{"ollama", "", "caller", "openai", "The tool has answered."},
		{"openai-completions", "/v1", "caller", "ollama", "The tool has answered."},
	} {
		t.Run(c.api+" to "+c.provider+" "+c.model, func(t *testing.T) {
			base := url
			if c.provider == "openai" {
				base += "/v1"
			}
			b := newBench(t, fmt.Sprintf("routes: [{model: \"*\", to: \"real/%s\"}]\nproviders: {real: {url: %q, api: %s}}\n", c.model, base, c.provider), nil)
			out := openclaw(t, program, c.api, b.url+c.suffix, "agent", "--agent", "main", "--local", "-m", "hi there", "--session-id", "s1")
			if !strings.Contains(out, c.says) {
				t.Errorf("openclaw said %q", out)
			}
			b.conversation(c.model == "caller", c.says)
		})
	}
}

// conversation checks what was recorded of one message.
func (b *bench) conversation(tool bool, says string) {
	b.Helper()
	last := b.last()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		b.Logf("%s %s asked %q given %s: %d, %d in %d out, %.0f ms: %.100q; %s", c.API, c.Path, c.Asked, c.Given, c.Status, c.TokensIn, c.TokensOut, c.Duration, c.Answer, c.Error)
	}
	if last.Answer != says || last.Asked != "asked" || !strings.Contains(last.Prompt, "hi there") || last.TokensOut == 0 {
		b.Errorf("last call: %+v", last)
	}
	if !tool {
		return
	}
	if len(b.calls) != 2 || strings.Join(b.calls[0].Tools, "") != "exec" || !strings.Contains(last.Prompt, "made by 42") {
		b.Errorf("%d calls, first tools %q", len(b.calls), b.calls[0].Tools)
	}
}

// openclaw runs the real one in a home of its own.
func openclaw(t *testing.T, program, api, base string, args ...string) string {
	t.Helper()
	home := t.TempDir()
	config := fmt.Sprintf(`{"gateway":{"mode":"local","auth":{"mode":"token","token":"t"}},"update":{"checkOnStart":false},
		"agents":{"defaults":{"workspace":%q,"skipBootstrap":true,"model":{"primary":"inference/asked"}}},
		"models":{"mode":"merge","providers":{"inference":{"baseUrl":%q,"api":%q,"apiKey":"unused","models":[{"id":"asked","name":"m",
		"reasoning":false,"input":["text"],"cost":{"input":0,"output":0,"cacheRead":0,"cacheWrite":0},"contextWindow":32768,"maxTokens":4096}]}}}}`,
		filepath.Join(home, "workspace"), base, api)
	if err := os.MkdirAll(filepath.Join(home, ".openclaw"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".openclaw", "openclaw.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + home, "OPENCLAW_NO_AUTO_UPDATE=1", "LANG=C.UTF-8"}
	cmd.Dir = home
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("openclaw: %v: %s", err, out)
	}
	return string(out)
}
