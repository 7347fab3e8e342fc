package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/test/model/server"
	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// counting is a command that a model has run, and what it prints.
const counting = "printf 'made by %d' 42"

// agents are the blueprints of agents that are asked on a command line: how, and
// how they call a tool that runs a command.
var agents = []struct {
	blueprint string
	line      string
	tool      string
	args      map[string]any
	path      string // of the API that it speaks
}{
	{"pi", `pi -p "hi there"`, "bash", map[string]any{"command": counting}, "/v1/chat/completions"},
	{"claude-code", `claude -p --allowed-tools Bash -- "hi there"`, "Bash", map[string]any{"command": counting, "description": "count"}, "/v1/messages"},
	{"codex", `codex exec --skip-git-repo-check "hi there"`, "exec_command", map[string]any{"cmd": counting}, "/v1/responses"},
	{"opencode", `opencode run "hi there"`, "bash", map[string]any{"command": counting, "description": "count"}, "/v1/chat/completions"},
	{"gemini-cli", `gemini --yolo -p "hi there"`, "run_shell_command", map[string]any{"command": counting}, ":streamGenerateContent"},
}

// Each agent answers behind the walls as its blueprint sets it up, with nothing
// told to it: a message, and one for which the model calls a tool. The model is a
// cloud's, whose key the sandbox never sees, and each call is in the book with the
// program that made it.
func TestAgents(t *testing.T) {
	if testing.Short() {
		t.Skip("needs minutes: it starts five agents")
	}
	for _, a := range agents {
		t.Run(a.blueprint, func(t *testing.T) {
			if a.blueprint == "opencode" && runtime.GOARCH != "amd64" {
				t.Skip("needs another processor")
			}
			h := newHome(t)
			h.storeOf(othersStore)
			caller := tiny.Model{Name: "caller", Turns: []tiny.Turn{tiny.Call(a.tool, a.args), tiny.Say("The tool has answered.")}}
			cloud := newCloud(t, h.modelsWith(caller))
			h.must("onboard", "--yes", "--blueprint", a.blueprint, "--name", "box", "--inference-url", modelServer(t), "--model", "tiny")
			b := &box{h, "box"}
			if r := h.run(t.Context(), strings.NewReader(cloudKey), "secret", "set", "cloud", "--stdin"); r.code != 0 {
				t.Fatal(r)
			}
			for _, c := range []struct{ model, says string }{{"tiny", tiny.Sentence}, {"caller", "The tool has answered."}} {
				b.save(b.file("inference.yaml"), fmt.Sprintf("routes: [{model: \"*\", to: cloud/%s}]\nproviders: {cloud: {url: %q, api: openai, key: cloud}}\n", c.model, cloud.url))
				b.do("reload-inference")
				r := b.sh("cd && " + a.line + " </dev/null")
				if r.code != 0 || !strings.Contains(r.out, c.says) || strings.Contains(r.out+r.err, cloudKey) {
					t.Fatal(r)
				}
				b.await("its call in the book", func() bool { return b.answered(a.path, c.model, c.says) })
			}
			b.toldOf(a.tool, "made by 42")
			cloud.check(t)
			if a := h.world.Arrivals(); len(a) > 0 {
				t.Errorf("left the machine: %+v", a)
			}
		})
	}
}

// modelsWith starts a model server with one more model, until the test ends.
func (h *home) modelsWith(more tiny.Model) string {
	h.Helper()
	dir := h.TempDir()
	s, err := lasting(func() (*server.Server, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		return server.Ollama(ctx, dir, 0, tiny.Tiny(), more)
	})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(s.Close)
	return s.URL
}

// modelCalls are the sandbox's, from its book.
func (b *box) modelCalls() (all []audit.Event) {
	b.Helper()
	for _, e := range lines[audit.Event](b, b.do("inference", "log", "--json", "-n", "100")) {
		if e.Call != nil {
			all = append(all, e)
		}
	}
	return all
}

// answered says whether a program of the blueprint's was told says, by that API.
func (b *box) answered(path, model, says string) bool {
	return slices.ContainsFunc(b.modelCalls(), func(e audit.Event) bool {
		c := e.Call
		return c.Answer == says && c.Given == "cloud/"+model && strings.HasSuffix(c.Path, path) && c.TokensIn > 0 && c.TokensOut > 0 &&
			strings.HasPrefix(e.Program, "/opt/nemoclaw/content/")
	})
}

// toldOf holds that the model called a tool, and was told its answer; and that no
// call of a model went wrong, or was written down with the cloud's key.
func (b *box) toldOf(tool, answer string) {
	b.Helper()
	quoted, err := json.Marshal(answer)
	if err != nil {
		b.Fatal(err)
	}
	called, told := false, false
	for _, e := range b.modelCalls() {
		c := e.Call
		called = called || slices.Contains(c.Tools, tool)
		told = told || strings.Contains(c.Prompt, strings.Trim(string(quoted), `"`))
		if c.Error != "" && c.Status != 404 || strings.Contains(c.Prompt+c.Extra+c.Answer, cloudKey) {
			b.Errorf("%+v", c)
		}
	}
	if !called || !told {
		b.Errorf("called %v, told of the answer %v", called, told)
	}
}
