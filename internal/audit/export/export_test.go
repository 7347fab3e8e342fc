package export

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

var at = time.Date(2026, 5, 4, 3, 2, 1, 500_000_000, time.UTC)

var from = From{Sandbox: "box", Version: "1.2.3"}

// flat is the JSON of v with every path that a reader would ask for.
func flat(t *testing.T, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var in any
	if err := json.Unmarshal(b, &in); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	var walk func(string, any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(strings.TrimPrefix(at+"."+k, "."), x)
			}
		default:
			out[at] = v
		}
	}
	walk("", in)
	return out
}

func TestOCSF(t *testing.T) {
	for name, c := range map[string]struct {
		event audit.Event
		want  map[string]any
	}{
		"denied connection": {
			audit.Event{Kind: audit.Network, Wall: "network", Verdict: "deny", Target: "evil.example:443", Program: "/usr/bin/curl", PID: 7, Rule: "line 4", Why: "not listed", Count: 3},
			map[string]any{"class_uid": 4001., "category_uid": 4., "activity_id": 5., "type_uid": 400105., "action_id": 2., "disposition_id": 2., "severity_id": 3.,
				"dst_endpoint.hostname": "evil.example", "dst_endpoint.port": 443., "actor.process.file.path": "/usr/bin/curl", "actor.process.pid": 7.,
				"firewall_rule.name": "line 4", "count": 3., "message": "not listed", "time": float64(at.UnixMilli()), "metadata.version": "1.3.0", "metadata.uid": "h"},
		},
		"allowed address": {
			audit.Event{Kind: audit.Network, Verdict: "allow", Target: "[2001:db8::1]:22"},
			map[string]any{"type_uid": 400101., "dst_endpoint.ip": "2001:db8::1", "dst_endpoint.port": 22., "action_id": 1.},
		},
		"refused call": {
			audit.Event{Kind: audit.Syscall, Verdict: "deny", Target: "ptrace", Program: "unknown"},
			map[string]any{"class_uid": 1003., "type_uid": 100304., "kernel.system_call": "ptrace", "category_uid": 1.},
		},
		"model call": {
			audit.Event{Kind: audit.Inference, Verdict: "allow", Call: &audit.Call{Path: "/api/chat", Given: "ollama/tiny", Status: 200, Prompt: "a secret", TokensIn: 4}},
			map[string]any{"class_uid": 6003., "api.operation": "/api/chat", "api.service.name": "ollama/tiny", "unmapped.call.tokens_in": 4., "unmapped.call.prompt": nil},
		},
		"request": {
			audit.Event{Kind: audit.HTTP, Verdict: "allow", Target: "api.example:443", Method: "GET", Path: "/a"},
			map[string]any{"class_uid": 4002., "activity_id": 3., "http_request.http_method": "GET", "http_request.url.hostname": "api.example", "http_request.url.path": "/a", "dst_endpoint.port": 443.},
		},
		"damage": {
			audit.Event{Kind: audit.Damage, Why: "cut"},
			map[string]any{"class_uid": 2004., "severity_id": 5., "finding_info.desc": "cut"},
		},
		"of a kind that is new": {
			audit.Event{Kind: "new"},
			map[string]any{"class_uid": 0., "type_uid": 99.},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.event.Time, c.event.Hash = at, "h"
			got := flat(t, OCSF(c.event, from))
			for k, want := range c.want {
				if got[k] != want {
					t.Errorf("%s is %v, want %v", k, got[k], want)
				}
			}
		})
	}
}

// required are the attributes without which OCSF 1.3.0 takes no event of a class
// (its events/*.json), beside those of every class. Of alternatives one is enough.
var required = map[int][]string{
	1003: {"actor", "device", "kernel.name", "kernel.type_id"},
	2004: {"finding_info.title", "finding_info.uid"},
	3004: {"entity.name"},
	4001: {"src_endpoint.name"}, // or dst_endpoint
	4002: {"src_endpoint.name", "http_request"},
	4003: {"src_endpoint.name", "query.hostname"},
	4007: {"src_endpoint.name"},
	6002: {"app.vendor_name"},
	6003: {"actor", "api.operation", "src_endpoint.name"},
}

// Every kind of event has a class, but the one that is never in the book, and
// what its class requires, also of an event of which little is known.
func TestEveryKindHasItsClass(t *testing.T) {
	everywhere := []string{"activity_id", "category_uid", "class_uid", "metadata.product.vendor_name", "metadata.version", "severity_id", "time", "type_uid"}
	for _, k := range []audit.Kind{audit.Start, audit.Stop, audit.Network, audit.HTTP, audit.Names, audit.Inference, audit.Syscall, audit.Approval,
		audit.Reload, audit.Session, audit.Limit, audit.Change, audit.Agent, audit.Damage} {
		c, ok := classes[k]
		if !ok {
			t.Errorf("%s has none", k)
			continue
		}
		got := flat(t, OCSF(audit.Event{Kind: k, Time: at, Hash: "h", Method: "GET"}, from))
		for _, want := range append(everywhere, required[c.uid]...) {
			if !has(got, want) {
				t.Errorf("%s: %s is missing: %v", k, want, got)
			}
		}
		if len(required[c.uid]) == 0 {
			t.Errorf("%s: what class %d requires is not known", k, c.uid)
		}
	}
}

// has says whether a path, or anything below it, is there and not empty.
func has(flat map[string]any, path string) bool {
	for k, v := range flat {
		if (k == path || strings.HasPrefix(k, path+".")) && v != "" && v != nil {
			return true
		}
	}
	return false
}

func TestOTLP(t *testing.T) {
	e := audit.Event{Time: at, Seq: 9, Hash: "h", Kind: audit.Inference, Verdict: "deny", Why: "why",
		Call: &audit.Call{Asked: "m", Given: "p/m", TokensOut: 5, Prompt: "a secret"}}
	b, err := json.Marshal(OTLP([]audit.Event{e}, from))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"timeUnixNano":"1777863721500000000"`, `"severityNumber":13`, `"eventName":"nemoclaw.inference"`,
		`{"key":"service.instance.id","value":{"stringValue":"box"}}`, `{"key":"nemoclaw.seq","value":{"intValue":"9"}}`,
		`{"key":"gen_ai.usage.output_tokens","value":{"intValue":"5"}}`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
	if strings.Contains(string(b), "a secret") {
		t.Error("the prompt left the book")
	}
	content := from
	content.Content = true
	if b, err = json.Marshal(OTLP([]audit.Event{e}, content)); err != nil || !strings.Contains(string(b), "a secret") {
		t.Errorf("with content: %s, %v", b, err)
	}
}

func TestSender(t *testing.T) {
	answer, status := "{}", 200
	var got []Logs
	var auth string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			t.Error("a redirect was followed")
		}
		var l Logs
		if err := json.NewDecoder(r.Body).Decode(&l); err != nil {
			t.Error(err)
		}
		got, auth = append(got, l), r.Header.Get("Authorization")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	s := NewSender(server.URL+"/v1/logs", "Bearer x", from)
	for range 2*perRequest + 1 {
		if err := s.Add(t.Context(), audit.Event{Kind: audit.Network}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || s.Sent != 2*perRequest+1 || auth != "Bearer x" {
		t.Errorf("%d requests, %d sent, %q", len(got), s.Sent, auth)
	}
	for name, c := range map[string]struct {
		status int
		answer string
	}{
		"refused": {503, ""}, "redirected": {307, ""}, "partly": {200, `{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"full"}}`}, "no OTLP": {200, "<html>"},
	} {
		status, answer = c.status, c.answer
		s := NewSender(server.URL, "", from)
		_ = s.Add(t.Context(), audit.Event{})
		if err := s.Flush(t.Context()); err == nil || s.Sent != 0 {
			t.Errorf("%s: %v, %d sent", name, err, s.Sent)
		}
	}
}

// Whatever an agent puts into an event, each form is one JSON value on one line
// that says the target back, and without Content no prompt is in it.
func FuzzForms(f *testing.F) {
	f.Add("network", "evil.example:443", "/usr/bin/x", "why")
	f.Add("syscall", "a\nb\"]}", "\x00\xff", "\u2028")
	f.Add("inference", ":::", "[", "]:1")
	f.Fuzz(func(t *testing.T, kind, target, program, why string) {
		const secret = "prompt-that-stays"
		e := audit.Event{Time: at, Kind: audit.Kind(kind), Verdict: "deny", Target: target, Program: program, Why: why, Call: &audit.Call{Prompt: secret}}
		for _, v := range []any{OCSF(e, from), OTLP([]audit.Event{e}, from)} {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(string(b), "\n\r") || !json.Valid(b) {
				t.Fatalf("not one line: %q", b)
			}
			if strings.Contains(string(b), secret) {
				t.Fatal("the prompt left the book")
			}
		}
	})
}
