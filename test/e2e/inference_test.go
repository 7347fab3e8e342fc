package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// chat is a call as agents make it; curl's own name for the address is left out.
const chat = `curl -sS -w '\n%{http_code}' -H 'Authorization: Bearer mine' -H 'Content-Type: application/json' -d `

const question = `'{"model":"tiny","stream":false,"messages":[{"role":"user","content":"the question"}]}' `

// The agent keeps making the call it always made, by every name it may know.
func TestEveryRoadToTheModelIsTheRouter(t *testing.T) {
	b := newShell(t, article)
	for _, at := range []string{
		"http://127.0.0.1:11434/api/chat", "http://[::1]:11434/api/chat", "http://localhost:11434/api/chat",
		"http://host.docker.internal:11434/api/chat", "http://inference.local/api/chat",
		"http://127.0.0.1:11434/v1/chat/completions", "https://inference.local/api/chat",
	} {
		r := b.sh(chat + question + at)
		if !strings.HasSuffix(r.out, "\n200") || !strings.Contains(r.out, tiny.Sentence) {
			t.Errorf("%s: %s", at, r)
		}
	}
	b.await("every call in the log", func() bool {
		n := 0
		for _, e := range lines[audit.Event](b, b.do("inference", "log", "--json", "-n", "100")) {
			if e.Call != nil && e.Call.Answer == tiny.Sentence && strings.Contains(e.Call.Prompt, "the question") {
				n++
			}
		}
		return n == 7
	})
	if r := b.sh(`grep -cF "the question" ~/.openclaw/inference.log`); strings.TrimSpace(r.out) != "7" {
		t.Error(r)
	}
	if a := b.world.Arrivals(); len(a) > 0 {
		t.Errorf("left the machine: %+v", a)
	}
}

func TestAnswersAreStreamed(t *testing.T) {
	b := newShell(t, article)
	r := b.sh(chat + `'{"model":"tiny","messages":[{"role":"user","content":"x"}]}' http://127.0.0.1:11434/api/chat`)
	parts, said := 0, ""
	for line := range strings.Lines(r.out) {
		var part struct{ Message struct{ Content string } }
		if json.Unmarshal([]byte(line), &part) == nil {
			parts++
			said += part.Message.Content
		}
	}
	if parts < 3 || said != tiny.Sentence {
		t.Errorf("%d parts, %q: %s", parts, said, r)
	}
}

func TestModelIsChangedAtOnce(t *testing.T) {
	b := newShell(t, article)
	call := chat + question + "http://127.0.0.1:11434/api/chat"
	const with = "comment of mine\n"
	b.save(b.file("inference.yaml"), "# "+with+b.text(b.file("inference.yaml")))
	b.do("set-model", "ollama/nosuch")
	if r := b.sh(call); strings.HasSuffix(r.out, "\n200") {
		t.Errorf("a model that is not there: %s", r)
	}
	b.do("set-model", "ollama/tiny")
	if r := b.sh(call); !strings.HasSuffix(r.out, "\n200") {
		t.Error(r)
	}
	if !strings.Contains(b.text(b.file("inference.yaml")), with) {
		t.Error("set-model took a comment")
	}
	b.do("set-inference-url", "http://127.0.0.1:1")
	r := b.sh(call)
	if !strings.HasSuffix(r.out, "\n503") || !strings.Contains(r.out, "set-inference-url") {
		t.Errorf("a dead server: %s", r)
	}
	b.do("set-inference-url", modelServer(t))
	b.do("status")

	// A mistake keeps the last good routes, and says so.
	good := b.text(b.file("inference.yaml"))
	b.save(b.file("inference.yaml"), "routes:\n  - mdl: x\n")
	b.refuses(1, []string{"inference.yaml:2:5:", "mdl"}, "box", "reload-inference")
	if r := b.sh(call); !strings.HasSuffix(r.out, "\n200") {
		t.Errorf("the last good routes: %s", r)
	}
	if r := b.nemoclaw("box", "status"); r.code != 1 || !strings.Contains(r.out, "inference.yaml:2:5:") {
		t.Error(r)
	}
	b.save(b.file("inference.yaml"), good)
	b.do("reload-inference")
	b.do("status")
}

func TestModelsAreNotTheAgentsToChange(t *testing.T) {
	b := newShell(t, article)
	for _, c := range []string{
		`-d '{"model":"tiny"}' http://127.0.0.1:11434/api/pull`, `-X DELETE -d '{"model":"tiny"}' http://127.0.0.1:11434/api/delete`,
		`-d '{"source":"tiny","destination":"x"}' http://127.0.0.1:11434/api/copy`, `http://127.0.0.1:11434/api/../api/pull`,
	} {
		r := b.sh(`curl -sS --path-as-is -w '\n%{http_code}' ` + c)
		if i := strings.LastIndex(r.out, "\n"); i < 0 || r.out[i+1] != '4' {
			t.Error(r)
		}
	}
	b.event("the refusal", func(e audit.Event) bool {
		return e.Wall == "inference" && e.Verdict == "deny" && e.Target == "/api/pull" && e.Program == "/usr/bin/curl" && e.Why != ""
	})
	if r := b.sh(chat + question + "http://127.0.0.1:11434/api/chat"); !strings.HasSuffix(r.out, "\n200") {
		t.Errorf("the model is gone: %s", r)
	}
}

// The key is the operator's: it is added outside, and is nowhere inside.
func TestKeyNeverGoesIn(t *testing.T) {
	const key = "nvapi-0123456789-not-to-be-seen"
	h := newHome(t)
	asked := h.modelSite("integrate.api.nvidia.com")
	if r := h.run(t.Context(), strings.NewReader(key+"\n"), "secret", "set", "nvidia", "--stdin"); r.code != 0 {
		t.Fatal(r)
	}
	h.must("onboard", "--yes", "--agent", "none", "--name", "box", "--provider", "nvidia", "--model", "some/model")
	b := &box{h, "box"}
	r := b.sh(chat + question + "http://127.0.0.1:11434/v1/chat/completions")
	if !strings.HasSuffix(r.out, "\n200") || !strings.Contains(r.out, "the answer") {
		t.Error(r)
	}
	if got := asked(); !slices.Contains(got, "Bearer "+key) || slices.Contains(got, "Bearer mine") {
		t.Errorf("authorized by %q", got)
	}
	b.do("stop")
	b.do("start")
	if r := b.sh("grep -rF " + key + " /sandbox /tmp /etc /proc/*/environ /proc/*/cmdline 2>/dev/null"); r.code == 0 {
		t.Error(r)
	}
	for _, place := range []string{b.dir + "/box", h.dir} {
		if out := grep(t, key, place); out != "" {
			t.Errorf("on disk: %s", out)
		}
	}
}
