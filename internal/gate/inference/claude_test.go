package inference

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/test/model"
	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// The real Claude Code asks the real Ollama through the router, and a model
// calls a tool on it. The tool's command is harmless: here no walls stand
// around the agent.
func TestRealClaudeCode(t *testing.T) {
	if testing.Short() {
		t.Skip("needs half a minute: it starts Claude Code")
	}
	program, err := exec.LookPath("claude")
	if err != nil {
		t.Skip("needs claude in PATH")
	}
	caller := tiny.Model{Name: "caller", Turns: []tiny.Turn{
		tiny.Call("Bash", map[string]string{"command": "echo made by $((6*7))", "description": "count"}),
		tiny.Say("The tool has answered."),
	}}
	url := model.Ollama(t, caller)
	for _, c := range []struct{ model, provider, says string }{
		{"tiny", "ollama", model.Sentence},
		{"caller", "ollama", "The tool has answered."},
		{"caller", "openai", "The tool has answered."},
		{"caller", "anthropic", "The tool has answered."}, // which a second router makes of it
	} {
		t.Run(c.model+" of "+c.provider, func(t *testing.T) {
			base := url
			if c.provider == "anthropic" {
				base = newBench(t, fmt.Sprintf("routes: [{model: \"*\", to: \"real/%s\"}]\nproviders: {real: {url: %q, api: ollama}}\n", c.model, url), nil).url
			}
			b := newBench(t, fmt.Sprintf("routes: [{model: \"*\", to: \"real/%s\"}]\nproviders: {real: {url: %q, api: %s}}\n", c.model, base, c.provider), nil)
			out := claude(t, program, b.url, "-p", "--allowed-tools", "Bash", "--", "hi there")
			if !strings.Contains(out, c.says) {
				t.Errorf("claude said %q", out)
			}
			b.answered(c.model == "caller", c.says)
		})
	}
}

// answered checks what was recorded of one message.
func (b *bench) answered(tool bool, says string) {
	b.Helper()
	b.busy.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	var tools []string
	said, counted := false, false
	for _, c := range b.calls {
		b.Logf("%s %s asked %q given %s: %d, %d in %d out, %.0f ms: %.100q; %s", c.API, c.Path, c.Asked, c.Given, c.Status, c.TokensIn, c.TokensOut, c.Duration, c.Answer, c.Error)
		tools = append(tools, c.Tools...)
		said = said || c.Answer == says && strings.Contains(c.Prompt, "hi there") && (!tool || strings.Contains(c.Prompt, "made by 42"))
		counted = counted || c.TokensIn > 0 && c.TokensOut > 0 && c.FirstToken > 0
		if c.Error != "" || c.API != "anthropic" {
			b.Errorf("%+v", c)
		}
	}
	if !said || !counted || tool && !strings.Contains(strings.Join(tools, " "), "Bash") {
		b.Errorf("said %v, counted %v, tools %q", said, counted, tools)
	}
}

// claude runs the real one in a home of its own.
func claude(t *testing.T, program, base string, args ...string) string {
	t.Helper()
	home := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + home, "LANG=C.UTF-8", "IS_SANDBOX=1",
		"ANTHROPIC_BASE_URL=" + base, "ANTHROPIC_API_KEY=the-agents-own-key", "ANTHROPIC_MODEL=asked",
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
	}
	cmd.Dir = home
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("claude: %v: %s", err, out)
	}
	return string(out)
}
