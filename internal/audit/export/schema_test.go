package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

// TestOCSFSchema holds events of every kind, of which much and of which little is known,
// to OCSF's own schema: it takes what we write, and what we add to it it does not take.
func TestOCSFSchema(t *testing.T) {
	lib, err := filepath.Abs("../../../.cache/ocsf/lib")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(lib, "ocsf_json_schema")); err != nil {
		t.Skip("needs internal/audit/export/schema.sh to have run")
	}
	var all bytes.Buffer
	lines := json.NewEncoder(&all)
	for kind := range classes {
		for _, verdict := range []string{"", "allow", "deny", "ask"} {
			for _, e := range []audit.Event{
				{},
				{Target: "udp 192.0.2.1:443", Program: "unknown"},
				{Target: "icmp 2001:db8::1", Program: "/usr/bin/ping", PID: 3},
				{Target: "udp [2001:db8::1]:53", Method: "GET", Path: "/a?b"},
				{Target: "[2001:db8::1]:22", Method: "PATCH", Rule: "line 3", Why: "why", Count: 4, By: "me (uid 1000)"},
				{Target: "_srv.*.example.com:443", Method: "GET", Path: "/", ID: "a1b2", Program: "/a b", PID: 9},
				{Target: "example.com:443", Call: &audit.Call{Path: "/api/chat", Asked: "m", Given: "p/m", Status: 200, Prompt: "p", Answer: "a"}},
				{Proofs: []audit.Proof{{Wall: "network", Tried: "a", Got: "b"}}},
			} {
				if kind == audit.Names && e.Target != "" { // which are names, and nothing else
					e.Target = "example.com"
				}
				e.Kind, e.Verdict, e.Time, e.Hash, e.Seq = kind, verdict, at, "h", 1
				for _, content := range []bool{false, true} {
					if err := lines.Encode(OCSF(e, From{Sandbox: "box", Version: "v1", Content: content})); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	if wrong := held(t, lib, all.Bytes()); wrong != "" {
		t.Errorf("the schema does not take:\n%s", wrong)
	}
	spoiled := OCSF(audit.Event{Kind: audit.Network, Time: at, Target: "a:1"}, From{Sandbox: "box"})
	spoiled["colour"] = "red"
	delete(spoiled, "dst_endpoint")
	b, err := json.Marshal(spoiled)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := held(t, lib, b); wrong == "" {
		t.Error("the schema takes anything: this proves nothing")
	}
}

// held is what the schema says against events.
func held(t *testing.T, lib string, events []byte) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/schema.py")
	c.Env = append(os.Environ(), "PYTHONPATH="+lib, "PYTHONDONTWRITEBYTECODE=1")
	c.Stdin = bytes.NewReader(events)
	out, err := c.Output()
	if err != nil {
		var e *exec.ExitError
		if errors.As(err, &e) {
			t.Fatalf("%v: %s", err, e.Stderr)
		}
		t.Fatal(err)
	}
	if n := 4000; len(out) > n {
		out = out[:n]
	}
	return string(out)
}
