package agents

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/test/model"
	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// agent is how one is run, as a blueprint would have it: a file in its home, an
// environment, a command line. In all of them {URL} is the router's, and
// {MODEL} what it asks for.
type agent struct {
	program []string // below .cache/agents; arguments follow
	file    string   // in its home, with contents
	content string
	env     []string
	tool    string // of its own, that runs a command
	args    map[string]any
	api     string
	path    string // that it asks for an answer
}

const command = "printf 'made by %d' 42"

var all = map[string]agent{
	"pi": {
		program: []string{"node", "pi/node_modules/@earendil-works/pi-coding-agent/dist/cli.js", "-p", "--model", "local/{MODEL}", "hi there"},
		file:    ".pi/agent/models.json",
		content: `{"providers":{"local":{"baseUrl":"{URL}/v1","api":"openai-completions","apiKey":"the-agents-own","models":[{"id":"{MODEL}"}]}}}`,
		tool:    "bash", args: map[string]any{"command": command},
		api: "openai", path: "/v1/chat/completions",
	},
	"Codex": {
		program: []string{"node", "codex/node_modules/@openai/codex/bin/codex.js", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "hi there"},
		file:    ".codex/config.toml",
		content: "model = \"{MODEL}\"\nmodel_provider = \"local\"\nweb_search = \"disabled\"\n\n[model_providers.local]\nname = \"local\"\nbase_url = \"{URL}/v1\"\nenv_key = \"LOCAL_KEY\"\nwire_api = \"responses\"\n",
		env:     []string{"LOCAL_KEY=the-agents-own"},
		tool:    "exec_command", args: map[string]any{"cmd": command},
		api: "openai", path: "/v1/responses",
	},
	"Gemini CLI": {
		program: []string{"node", "gemini-cli/node_modules/@google/gemini-cli/bundle/gemini.js", "--skip-trust", "--yolo", "-m", "{MODEL}", "-p", "hi there"},
		file:    ".gemini/settings.json",
		content: `{"security":{"auth":{"selectedType":"gemini-api-key"}},"privacy":{"usageStatisticsEnabled":false},"general":{"disableAutoUpdate":true}}`,
		env:     []string{"GOOGLE_GEMINI_BASE_URL={URL}", "GEMINI_API_KEY=the-agents-own"},
		tool:    "run_shell_command", args: map[string]any{"command": command},
		api: "gemini", path: "/v1beta/models/{MODEL}:streamGenerateContent",
	},
	"Claude Code": {
		program: []string{"claude-code/node_modules/@anthropic-ai/claude-code-linux-ARCH/claude", "-p", "--allowed-tools", "Bash", "--", "hi there"},
		env:     []string{"ANTHROPIC_BASE_URL={URL}", "ANTHROPIC_API_KEY=the-agents-own", "ANTHROPIC_MODEL={MODEL}", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "IS_SANDBOX=1"},
		tool:    "Bash", args: map[string]any{"command": command, "description": "count"},
		api: "anthropic", path: "/v1/messages",
	},
	"OpenCode": {
		program: []string{"opencode/node_modules/opencode-linux-ARCH/bin/opencode", "run", "--model", "local/{MODEL}", "hi there"},
		file:    ".config/opencode/opencode.json",
		content: `{"autoupdate":false,"share":"disabled","permission":"allow","provider":{"local":{"npm":"@ai-sdk/openai-compatible","options":{"baseURL":"{URL}/v1","apiKey":"the-agents-own"},"models":{"{MODEL}":{"name":"{MODEL}"}}}}}`,
		env:     []string{"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_LSP_DOWNLOAD=1"},
		tool:    "bash", args: map[string]any{"command": command, "description": "count"},
		api: "openai", path: "/v1/chat/completions",
	},
}

// Each agent is answered, and answers after a tool was called: through the router,
// by a cloud whose key the agent never sees.
func TestAgents(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a minute: it starts five agents")
	}
	for name, a := range all {
		t.Run(name, func(t *testing.T) {
			dir := installed(t, a)
			caller := tiny.Model{Name: "caller", Turns: []tiny.Turn{tiny.Call(a.tool, a.args), tiny.Say("The tool has answered.")}}
			cloud := newCloud(t, model.Ollama(t, caller))
			for _, c := range []struct{ model, says string }{{"tiny", model.Sentence}, {"caller", "The tool has answered."}} {
				t.Run(c.model, func(t *testing.T) {
					r := route(t, cloud.url, c.model)
					began := time.Now()
					out := a.run(t, dir, r.url)
					t.Logf("took %s", time.Since(began).Round(time.Second/10))
					if !strings.Contains(out, c.says) {
						t.Errorf("it said %q", out)
					}
					r.check(t, a, c.says, c.model == "caller")
					if strings.Contains(out, cloudKey) {
						t.Error("the cloud's key reached the agent")
					}
				})
			}
			cloud.check(t)
		})
	}
}

// installed is where the agents are, if this one is.
func installed(t *testing.T, a agent) string {
	t.Helper()
	dir, err := filepath.Abs("../../.cache/agents")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range a.program {
		if strings.Contains(p, "/node_modules/") {
			if _, err := os.Stat(filepath.Join(dir, arch(p))); err != nil {
				t.Skipf("needs test/agents/install.sh to have run, on a processor that the agent is made for: %v", err)
			}
		}
	}
	return dir
}

// arch is a path with npm's name for this processor.
func arch(path string) string {
	return strings.ReplaceAll(path, "ARCH", map[string]string{"amd64": "x64"}[runtime.GOARCH]+map[string]string{"arm64": "arm64"}[runtime.GOARCH])
}

// run starts the agent in a home of its own, and gives what it said.
func (a agent) run(t *testing.T, dir, url string) string {
	t.Helper()
	home := t.TempDir()
	fill := strings.NewReplacer("{URL}", url, "{MODEL}", "asked")
	if a.file != "" {
		path := filepath.Join(home, a.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(fill.Replace(a.content)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var line []string
	for _, p := range a.program {
		switch {
		case p == "node":
			p = filepath.Join(dir, arch("node/node_modules/node-linux-ARCH/bin/node"))
		case strings.Contains(p, "/node_modules/"):
			p = filepath.Join(dir, arch(p))
		}
		line = append(line, fill.Replace(p))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir, cmd.WaitDelay = home, 5*time.Second
	cmd.Env = []string{"HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8", "TERM=dumb", "PATH=" + filepath.Join(dir, arch("node/node_modules/node-linux-ARCH/bin")) + ":/usr/bin:/bin"}
	for _, e := range a.env {
		cmd.Env = append(cmd.Env, fill.Replace(e))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return string(out)
}

// asJSON is what a model was told of a text.
func asJSON(s string) string {
	b, _ := json.Marshal(s)
	return strings.Trim(string(b), `"`)
}
