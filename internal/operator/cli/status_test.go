package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func printed(st control.Status) string {
	var b bytes.Buffer
	a := &app{voice: &say.Voice{Out: &b, Err: &b}}
	a.printStatus(st)
	return b.String()
}

func healthy() control.Status {
	wall := control.Wall{Enforced: true, Proof: "open /home: permission denied (Landlock ABI 7, mounts)"}
	return control.Status{
		Name: "my-assistant", State: control.Running, Healthy: true,
		Blueprint:     control.BlueprintStatus{Name: "openclaw", Version: "0.4.1", Digest: "sha256:a3de", Verified: true, Base: "this machine's /usr, not pinned"},
		Walls:         control.Walls{Network: wall, Filesystem: wall, Process: wall, Inference: wall},
		Supervisor:    control.Wall{Enforced: true, Proof: "open /home/me: permission denied"},
		Inference:     control.InferenceStatus{Model: "ollama/qwen3:8b", Connected: true},
		NetworkPolicy: control.PolicyStatus{Active: true, Rules: 4},
		Agent:         control.AgentStatus{Name: "openclaw", Running: true, Healthy: true},
		Mounts:        []string{"/home/me/p → /sandbox/p (rw)"},
		UptimeSeconds: 154,
	}
}

// The article's form, to the letter; what else there is comes below it.
func TestStatusIsTheArticles(t *testing.T) {
	const want = `● my-assistant
Sandbox running
Blueprint v0.4.1 (verified)
Inference ollama/qwen3:8b ← connected
Network policy active (4 rules)
Uptime 2m 34s
Walls
  network    enforced  open /home: permission denied (Landlock ABI 7, mounts)
`
	if got := printed(healthy()); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant it to begin with\n%s", got, want)
	}
}

// What stands behind the first model, and what was used of the day's limits,
// comes below the article's line.
func TestStatusShowsFallbacksAndUsage(t *testing.T) {
	st := healthy()
	st.Inference.Others = []control.ProviderStatus{{Model: "nvidia/big", Connected: true}, {Model: "lab/x", Resting: true, Why: "connection refused"}}
	st.Inference.Usage = control.InferenceUsage{Tokens: 1200, TokensMost: 5000, Spend: 0.4, SpendMost: 2.5, HasSpend: true}
	const want = `Inference ollama/qwen3:8b ← connected
  also nvidia/big ← connected
  also lab/x ← resting: connection refused
  today 1200 of 5000 tokens
  today 0.40 of 2.50 spent
`
	if got := printed(st); !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant in it\n%s", got, want)
	}
}

func TestStatusShowsTheSupervisor(t *testing.T) {
	st := healthy()
	if got, want := printed(st), "Supervisor confined  open /home/me: permission denied\n"; !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant %q in it", got, want)
	}
	st.Supervisor = control.Wall{}
	if got, want := printed(st), "Supervisor not confined\n"; !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant %q in it", got, want)
	}
}

func TestStatusOfWhatDoesNotHold(t *testing.T) {
	st := healthy()
	st.Walls.Network = control.Wall{Proof: "off (operator)"}
	st.NetworkPolicy = control.PolicyStatus{}
	st.Inference = control.InferenceStatus{Model: "ollama/qwen3:8b", Why: "connection refused\x1b[2J", Hint: "nemoclaw my-assistant set-inference-url http://127.0.0.1:11434"}
	st.Agent = control.AgentStatus{Name: "openclaw", Why: "exit code 1"}
	got := printed(st)
	for _, want := range []string{
		"Network policy off (operator)\n",
		"  network    off (operator)\n",
		"Inference ollama/qwen3:8b ← disconnected\n  connection refused" + `\x1b[2J` + "\n  → nemoclaw my-assistant set-inference-url http://127.0.0.1:11434\n",
		"Agent openclaw not running: exit code 1\n",
		"/home/me/p → /sandbox/p (rw)\n",
		"Base: this machine's /usr, not pinned\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestStatusStopped(t *testing.T) {
	got := printed(control.Status{Name: "a", State: control.Stopped, Blueprint: control.BlueprintStatus{Version: "0.1.0"}, GatewayPort: 18789})
	if want := "○ a\nSandbox stopped\nBlueprint v0.1.0\nGateway 127.0.0.1:18789\n→ nemoclaw a start\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Whatever does not hold has a first cause and a command that helps.
func TestUnhealthy(t *testing.T) {
	st := healthy()
	st.Inference = control.InferenceStatus{Model: "ollama/x", Why: "connection refused"}
	if err := unhealthy(st); err.Error() != "inference: disconnected: ollama/x: connection refused" {
		t.Errorf("got %q", err)
	}
}
