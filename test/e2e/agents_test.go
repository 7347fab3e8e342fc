package e2e

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// Agents that nobody made for nemoclaw are answered behind the walls, by nothing
// but the router's name in their own configuration, https too; and each call is
// in the book, with the program that made it.
func TestOtherAgentsBehindTheWalls(t *testing.T) {
	agents, err := filepath.EvalSymlinks("../../.cache/agents")
	if err == nil {
		agents, err = filepath.Abs(agents)
	}
	node := "node/node_modules/node-linux-" + map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH] + "/bin"
	if err == nil {
		_, err = os.Stat(filepath.Join(agents, node))
	}
	if err != nil {
		t.Skipf("needs test/agents/install.sh to have run: %v", err)
	}
	b := newShell(t, article, "--mount", agents+":/sandbox/agents:ro")
	for _, c := range []struct{ name, file, content, line, path string }{
		{
			"pi", ".pi/agent/models.json",
			`{"providers":{"local":{"baseUrl":"https://inference.local/v1","api":"openai-completions","apiKey":"mine","models":[{"id":"tiny"}]}}}`,
			`node agents/pi/node_modules/@earendil-works/pi-coding-agent/dist/cli.js -p --model local/tiny "hi from pi"`, "/v1/chat/completions",
		},
		{
			"Codex", ".codex/config.toml",
			"model = \"tiny\"\nmodel_provider = \"local\"\nweb_search = \"disabled\"\n[model_providers.local]\nname = \"local\"\nbase_url = \"http://inference.local/v1\"\nenv_key = \"LOCAL_KEY\"\nwire_api = \"responses\"\n",
			`LOCAL_KEY=mine node agents/codex/node_modules/@openai/codex/bin/codex.js exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox "hi from Codex"`, "/v1/responses",
		},
		{
			"Gemini CLI", ".gemini/settings.json",
			`{"security":{"auth":{"selectedType":"gemini-api-key"}},"privacy":{"usageStatisticsEnabled":false},"general":{"disableAutoUpdate":true}}`,
			`GOOGLE_GEMINI_BASE_URL=https://inference.local GEMINI_API_KEY=mine node agents/gemini-cli/node_modules/@google/gemini-cli/bundle/gemini.js --skip-trust -m tiny -p "hi from Gemini CLI"`, "/v1beta/models/tiny:streamGenerateContent",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := b.exec("mkdir", "-p", filepath.Dir("/sandbox/"+c.file)); r.code != 0 {
				t.Fatal(r)
			}
			b.put("/sandbox/"+c.file, []byte(c.content))
			r := b.sh("cd /sandbox && export PATH=/sandbox/agents/" + node + ":$PATH && " + c.line + " </dev/null")
			if r.code != 0 || !strings.Contains(r.out, tiny.Sentence) {
				t.Fatal(r)
			}
			b.await("its call in the book", func() bool {
				for _, e := range lines[audit.Event](b, b.do("inference", "log", "--json", "-n", "100")) {
					if e.Call != nil && e.Call.Answer == tiny.Sentence && e.Call.Path == c.path && strings.Contains(e.Call.Prompt, "hi from "+c.name) && strings.Contains(e.Program, "/sandbox/agents/") {
						return true
					}
				}
				return false
			})
		})
	}
}
