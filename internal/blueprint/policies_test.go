package blueprint

import (
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// TestDefaultPolicies: what a new sandbox begins with is in form, and opens
// nothing.
func TestDefaultPolicies(t *testing.T) {
	all, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		name := a.Manifest.Ref().String()
		p, err := policy.Parse(name, a.Bytes(a.Manifest.Policies.Network))
		if err != nil {
			t.Errorf("%s: network policy: %v", name, err)
			continue
		}
		v := p.Decide(policy.Request{Host: "suspicious-host.com", Port: 443})
		if v.Action != policy.Ask {
			t.Errorf("%s: an unlisted host gets %v, want ask", name, v.Action)
		}
		i, err := policy.ParseInference(name, a.Bytes(a.Manifest.Policies.Inference))
		if err != nil {
			t.Errorf("%s: inference policy: %v", name, err)
			continue
		}
		if got := i.Default(); got.Provider != "ollama" || got.Model != "qwen3:8b" || got.API != "ollama" {
			t.Errorf("%s: default model is %+v", name, got)
		}
	}
}
