package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// BadTarget is a provider/model that the file cannot serve.
type BadTarget struct {
	Text string
	Why  string
	Want string
}

func (e *BadTarget) Error() string { return fmt.Sprintf("target %q: %s", e.Text, e.Why) }

// Hint says what to write instead.
func (e *BadTarget) Hint() string { return e.Want }

// target reads provider/model. What follows the first slash is the model, which
// may have slashes of its own.
func (f *Inference) target(text string) (Target, error) {
	name, model, found := strings.Cut(text, "/")
	switch {
	case !found || name == "" || model == "":
		return Target{}, &BadTarget{text, "not of the form provider/model", "provider/model, such as ollama/qwen3:8b"}
	case strings.Contains(model, "*"):
		return Target{}, &BadTarget{text, "a pattern cannot be called", "the name of one model"}
	}
	p, known := f.providers[name]
	if !known {
		return Target{}, f.noProvider(text, name)
	}
	return Target{Provider: name, Model: model, URL: p.url, Key: p.key, API: p.api}, nil
}

func (f *Inference) noProvider(text, name string) error {
	names := f.Providers()
	want := "one of " + wordList(names)
	if near := nearest(name, names); near != "" {
		want = fmt.Sprintf("did you mean %q?", near)
	}
	if len(names) == 0 {
		want = ""
	}
	return &BadTarget{text, fmt.Sprintf("there is no provider %q", name), want}
}

// Providers are the names of the model servers, sorted.
func (f *Inference) Providers() []string { return slices.Sorted(maps.Keys(f.providers)) }

// Provider gives a model server as a target without a model.
func (f *Inference) Provider(name string) (Target, bool) {
	p, known := f.providers[name]
	return Target{Provider: name, URL: p.url, Key: p.key, API: p.api}, known
}

// NoRoute is a model that the file does not serve.
type NoRoute struct {
	Model  string
	Routes []string // the patterns that there are
}

func (e *NoRoute) Error() string {
	return fmt.Sprintf("model %q: no route in the inference policy matches; routes: %s", e.Model, list(e.Routes))
}

// Hint says how to open it.
func (e *NoRoute) Hint() string {
	return `add a route for it, or one with model: "*", to inference.yaml`
}

// Route says who answers for a model: the first target is the wanted one, the
// others are fallbacks in order. The error, a *NoRoute, says why there is none.
func (f *Inference) Route(model string) ([]Target, error) {
	for _, r := range f.routes {
		if matches(r.model, model) {
			return slices.Clone(r.to), nil
		}
	}
	patterns := make([]string, len(f.routes))
	for i, r := range f.routes {
		patterns[i] = r.model
	}
	return nil, &NoRoute{model, patterns}
}

// Default is the target of the last route, which is the one for every model
// where there is one: what `status` shows and `set-model` changes.
func (f *Inference) Default() Target { return f.routes[len(f.routes)-1].to[0] }

// Targets are all that routes lead to, each once: the default one first, the
// others in the order of the file.
func (f *Inference) Targets() []Target {
	all := []Target{f.Default()}
	for _, r := range f.routes {
		for _, t := range r.to {
			if !slices.ContainsFunc(all, func(o Target) bool { return o.String() == t.String() }) {
				all = append(all, t)
			}
		}
	}
	return all
}

// matches: a star in a pattern stands for any run of characters, none too.
func matches(pattern, model string) bool {
	first, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == model
	}
	model, found := strings.CutPrefix(model, first)
	if !found {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(model, part)
		}
		at := strings.Index(model, part)
		if at < 0 {
			return false
		}
		model, rest = model[at+len(part):], after
	}
}
