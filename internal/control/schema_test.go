package control

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

var update = flag.Bool("update", false, "write docs/control.schema.json")

// The routes as the schema names them: what each takes and gives.
var routes = map[string]struct{ takes, gives any }{
	"GET /v1/status":            {nil, Status{}},
	"GET /v1/approvals":         {nil, []Approval{}},
	"POST /v1/approvals/{id}":   {Answer{}, Approval{}},
	"POST /v1/reload/policy":    {nil, Reloaded{}},
	"POST /v1/reload/inference": {nil, Reloaded{}},
	"GET /v1/inference":         {nil, InferencePolicy{}},
	"POST /v1/stop":             {nil, struct{}{}},
	"POST /v1/verify":           {nil, Verified{}},
	"GET /v1/events?follow=1":   {nil, audit.Event{}}, // each of the stream
	"GET /v1/calls?follow=1":    {nil, Underway{}},    // each of the stream
	"GET /v1/logs?lines&follow": {nil, ""},            // each of the stream
}

// TestSchema keeps docs/control.schema.json what the Go types say.
func TestSchema(t *testing.T) {
	s := schema{defs: map[string]any{}}
	all := map[string]any{}
	for route, r := range routes {
		entry := map[string]any{"gives": s.of(reflect.TypeOf(r.gives))}
		if r.takes != nil {
			entry["takes"] = s.of(reflect.TypeOf(r.takes))
		}
		all[route] = entry
	}
	all["any, refused"] = map[string]any{"gives": s.of(reflect.TypeFor[Error]())}
	got, err := json.MarshalIndent(map[string]any{
		"$schema":  "https://json-schema.org/draft/2020-12/schema",
		"$comment": "The control socket of one sandbox: HTTP/1.1 and JSON. Streams are server-sent events, one value each. Written by go test ./internal/control -update.",
		"routes":   all,
		"$defs":    s.defs,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("..", "..", "docs", "control.schema.json")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || string(got) != string(want) {
		t.Errorf("docs/control.schema.json is not what the types say: %v; run go test ./internal/control -update", err)
	}
}

// schema gathers JSON Schema definitions of Go types.
type schema struct{ defs map[string]any }

func (s schema) of(t reflect.Type) map[string]any {
	if t == reflect.TypeFor[time.Time]() {
		return map[string]any{"type": "string", "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Struct:
		return s.object(t)
	}
	return map[string]any{"type": "integer"}
}

func (s schema) object(t reflect.Type) map[string]any {
	if t.Name() == "" {
		return map[string]any{"type": "object"}
	}
	ref := map[string]any{"$ref": "#/$defs/" + t.Name()}
	if _, known := s.defs[t.Name()]; known {
		return ref
	}
	properties, required := map[string]any{}, []string{}
	s.defs[t.Name()] = map[string]any{"type": "object", "properties": properties}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		properties[name] = s.of(t.Field(i).Type)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	s.defs[t.Name()].(map[string]any)["required"] = required
	return ref
}
