package e2e

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/test/model/server"
	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// TestOpenClaw is one story, since an agent takes its time to start: it answers,
// is led astray, loses its model, and comes back.
func TestOpenClaw(t *testing.T) {
	h := newHome(t)
	h.store()
	models := h.ownModels("127.0.0.1:0")
	// Somebody has the article's port already: the next one is taken.
	taken, err := net.Listen("tcp4", "127.0.0.1:18789")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	began := time.Now()
	h.must("onboard", "--yes", "--name", "claw", "--blueprint", "openclaw@0.1.0", "--inference-url", models.URL, "--model", "tiny")
	t.Logf("onboarded in %s", time.Since(began).Round(time.Second/10))
	c := &claw{box{h, "claw"}, models}
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"it answers", c.answers},
		{"its call is in both logs", c.isLogged},
		{"its gateway answers on this machine", c.hasGateway},
		{"a rogue model gets nowhere", c.isLedAstray},
		{"without walls the same agent gets everywhere", c.isFreeOutside},
		{"without its model it says so", c.losesItsModel},
		{"it comes back healthy", c.comesBack},
	} {
		if !t.Run(step.name, step.run) {
			break
		}
	}
	h.must("claw", "audit", "verify")
}

// claw is a sandbox with the real OpenClaw in it.
type claw struct {
	box
	models *server.Server
}

// in is the same for a part of the test.
func (c *claw) in(t *testing.T) *box { return &box{&home{t, c.world, c.dir, c.env}, c.name} }

// says gives the agent a message, in a conversation of its own.
func (c *claw) says(b *box, id, message string) result {
	return b.exec("openclaw", "agent", "--agent", "main", "--local", "-m", message, "--session-id", id)
}

func (c *claw) answers(t *testing.T) {
	b := c.in(t)
	if st := b.status(); !st.Healthy || !st.Agent.Healthy || st.Agent.Name == "none" || st.GatewayPort != 18790 {
		t.Errorf("%+v", st)
	}
	if out := b.do("logs", "-n", "50"); !strings.Contains(out, "[gateway] ready") {
		t.Errorf("its logs: %s", out)
	}
	if r := c.says(b, "first", "Hello?"); r.code != 0 || !strings.Contains(r.out, tiny.Sentence) {
		t.Error(r)
	}
}

func (c *claw) isLogged(t *testing.T) {
	b := c.in(t)
	calls := lines[audit.Event](b, b.do("inference", "log", "--json"))
	i := slices.IndexFunc(calls, func(e audit.Event) bool { return e.Call != nil && e.Call.Answer == tiny.Sentence })
	if i < 0 {
		t.Fatalf("%+v", calls)
	}
	call := calls[i].Call
	if call.Asked != "tiny" || call.Given != "ollama/tiny" || call.Status != 200 || call.TokensOut == 0 || call.Duration == 0 || !strings.Contains(call.Prompt, "Hello?") {
		t.Errorf("%+v", call)
	}
	if r := b.exec("grep", "-cF", tiny.Sentence, "/sandbox/.openclaw/inference.log"); r.code != 0 {
		t.Error(r)
	}
	if r := b.sh("echo forged >> /sandbox/.openclaw/inference.log"); r.code == 0 {
		t.Errorf("the agent wrote into the log: %s", r)
	}
}

func (c *claw) hasGateway(t *testing.T) {
	b := c.in(t)
	at, err := url.Parse(strings.TrimSpace(b.do("gateway-url")))
	if err != nil {
		t.Fatal(err)
	}
	if host, _, err := net.SplitHostPort(at.Host); err != nil || host != "127.0.0.1" {
		t.Errorf("%s: %v", at, err)
	}
	token := strings.TrimPrefix(at.Fragment, "token=")
	if r := b.exec("grep", "-cF", token, "/sandbox/.openclaw/openclaw.json"); token == "" || r.code != 0 {
		t.Errorf("the token of %s is not the gateway's: %s", at, r)
	}
	if got := page(t, at.JoinPath("/healthz").String()); !strings.Contains(got, `"ok":true`) {
		t.Errorf("healthz: %s", got)
	}
	if got := page(t, at.String()); !strings.Contains(strings.ToLower(got), "<html") {
		t.Errorf("the Control UI: %.300s", got)
	}
}

func (c *claw) isLedAstray(t *testing.T) {
	b := c.in(t)
	b.do("set-model", "ollama/rogue")
	r := c.says(b, "rogue", "Tidy up my notes.")
	if !strings.Contains(r.out, tiny.Confession) {
		t.Error(r)
	}
	var calls []audit.Event
	b.await("the last call in the log", func() bool { // which has it within a second
		calls = lines[audit.Event](b, b.do("inference", "log", "--json"))
		return slices.ContainsFunc(calls, func(e audit.Event) bool { return e.Call != nil && e.Call.Answer == tiny.Confession })
	})
	if !slices.ContainsFunc(calls, func(e audit.Event) bool {
		return e.Call != nil && e.Call.Given == "ollama/rogue" && slices.Contains(e.Call.Tools, "exec")
	}) {
		t.Errorf("no call of the tool exec: %+v", calls)
	}
	// What cat said went back to the model, and so into the log.
	if !slices.ContainsFunc(calls, func(e audit.Event) bool {
		return e.Call != nil && strings.Contains(e.Call.Prompt, "/etc/shadow: Permission denied")
	}) {
		t.Error("the log does not show the filesystem wall")
	}
	if slices.ContainsFunc(calls, func(e audit.Event) bool { return e.Call != nil && strings.Contains(e.Call.Prompt, "root:") }) {
		t.Error("the model was told passwords")
	}
	if slices.ContainsFunc(calls, func(e audit.Event) bool { return e.Call != nil && strings.Contains(e.Call.Prompt, "oom_score_adj") }) {
		t.Error("each command of its begins with a complaint about /proc")
	}
	e := b.event("the call home", func(e audit.Event) bool { // its curl waits for less time than we do
		return e.Kind == audit.Network && e.Verdict != "allow" && e.Target == "collect.example.net:443"
	})
	if e.Program != "/usr/bin/curl" || e.Wall != "network" || e.Why == "" || e.PID == 0 {
		t.Errorf("%+v", e)
	}
	nothing(t, b, "collect.example.net")
	if q := b.approvals(); len(q) != 1 || q[0].Host != "collect.example.net" || q[0].Program != "/usr/bin/curl" {
		t.Errorf("%+v", q)
	}
	b.do("set-model", "ollama/tiny")
}

func (c *claw) losesItsModel(t *testing.T) {
	b := c.in(t)
	c.models.Close()
	r := b.nemoclaw("claw", "status")
	if r.code != 1 || !strings.Contains(r.out, "Inference ollama/tiny ← disconnected\n") || !strings.Contains(r.out, "connection refused") || !strings.Contains(r.out, "→ ollama serve") {
		t.Error(r)
	}
	if st := b.status(); st.State != control.Running || st.Healthy || st.Inference.Connected || st.Inference.Why == "" || st.Inference.Hint == "" {
		t.Errorf("%+v", st)
	}
	began := time.Now()
	r = c.says(b, "alone", "Anybody there?")
	t.Logf("the agent was told after %s: code %d: %s", time.Since(began).Round(time.Second/10), r.code, r.out+r.err)
	if strings.Contains(r.out, tiny.Sentence) || !strings.Contains(r.out+r.err, "connection refused") {
		t.Error(r)
	}
}

func (c *claw) comesBack(t *testing.T) {
	b := c.in(t)
	at, err := url.Parse(c.models.URL)
	if err != nil {
		t.Fatal(err)
	}
	c.ownModels(at.Host)
	b.await("the model server", func() bool { return b.status().Inference.Connected })
	before := b.status().SupervisorPID
	b.do("restart")
	if st := b.status(); !st.Healthy || st.SupervisorPID == before {
		t.Errorf("%+v", st)
	}
	if got := page(t, strings.TrimSpace(b.do("gateway-url"))); got == "" {
		t.Error("the gateway is silent")
	}
}

// page is what answers at an address of this machine.
func page(t *testing.T, address string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %v: %s", address, res.Status, err, body)
	}
	return string(body)
}

// ownModels starts a model server that the test may stop.
func (h *home) ownModels(address string) *server.Server {
	h.Helper()
	l, err := net.Listen("tcp4", address)
	if err != nil {
		h.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir := h.TempDir()
	s, err := lasting(func() (*server.Server, error) { return startModels(dir, port) })
	if errors.Is(err, server.ErrNoOllama) {
		h.Skip(err)
	}
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(s.Close)
	return s
}

// store gives the home a copy of the blueprints that were fetched before.
func (h *home) store() {
	h.Helper()
	h.storeOf(warm)
}

func (h *home) storeOf(from string) {
	h.Helper()
	if _, err := os.Stat(filepath.Join(from, "index.json")); err != nil {
		h.Skip("needs " + strings.TrimPrefix(from, "../../") + ": run make needs-test")
	}
	if err := os.Mkdir(h.dir, 0o700); err != nil {
		h.Fatal(err)
	}
	to := filepath.Join(h.dir, "blueprints")
	if exec.CommandContext(h.Context(), "cp", "-al", from, to).Run() == nil { // a link each, where the disk is the same
		return
	}
	if err := os.RemoveAll(to); err != nil {
		h.Fatal(err)
	}
	tool(h.T, "cp", "-a", "--reflink=auto", from, to)
}
