package policy

import (
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v4"
)

// SetModel changes the target of the route for every model ("*") in the text of
// inference.yaml; where there is no such route, it adds one. A target that is
// one of the fallbacks already changes places with the one before it. All else,
// comments too, stays.
func SetModel(data []byte, target string) ([]byte, error) {
	before, err := ParseInference("inference.yaml", data)
	if err != nil {
		return nil, err
	}
	wanted, err := before.target(target)
	if err != nil {
		return nil, err
	}
	if _, priced := before.Price(wanted); before.limits.HasSpend && !priced {
		return nil, &BadTarget{target, "has no price, so spend_per_day could not be held",
			fmt.Sprintf("first a line under prices in inference.yaml: {model: %q, in: PRICE, out: PRICE}", target)}
	}
	t := newText(data)
	after := *before
	at := len(before.routes) - 1
	if before.routes[at].model != "*" {
		t.addItem("routes", []string{`model: "*"`, "to: " + quoteYAML(target)})
		after.routes = append(slices.Clone(before.routes), route{model: "*", to: []Target{wanted}})
		return t.finishInference(&after)
	}
	after.routes = slices.Clone(before.routes)
	after.routes[at].to = t.setTarget(at, before.routes[at].to, wanted)
	return t.finishInference(&after)
}

// setTarget puts wanted first in a route, and gives what the route then says.
func (t *text) setTarget(at int, old []Target, wanted Target) []Target {
	to := slices.Clone(old)
	other := slices.IndexFunc(old, func(o Target) bool { return o.String() == wanted.String() })
	if other == 0 {
		return to
	}
	if other > 0 {
		to[other] = old[0]
		t.setTargetText(at, other, old[0])
	}
	to[0] = wanted
	t.setTargetText(at, 0, wanted)
	return to
}

func (t *text) setTargetText(at, which int, target Target) {
	root := t.root()
	if root == nil {
		return
	}
	_, routes := find(root, "routes")
	_, to := find(routes.Content[at], "to")
	if to.Kind == yaml.SequenceNode {
		to = to.Content[which]
	}
	t.setValue(to, quoteYAML(target.String()))
}

// SetURL changes the address of a provider in the text of inference.yaml; all
// else, comments too, stays.
func SetURL(data []byte, name, address string) ([]byte, error) {
	before, err := ParseInference("inference.yaml", data)
	if err != nil {
		return nil, err
	}
	u, err := ParseBaseURL(address)
	if err != nil {
		return nil, err
	}
	p, known := before.providers[name]
	if !known {
		return nil, before.noProvider(name, name)
	}
	t := newText(data)
	root := t.root()
	_, providers := find(root, "providers")
	_, settings := find(providers, name)
	_, value := find(settings, "url")
	t.setValue(value, quoteYAML(address))
	p.url = u
	after := *before
	after.providers = maps.Clone(before.providers)
	after.providers[name] = p
	return t.finishInference(&after)
}

// finishInference gives the text, if it says what it should.
func (t *text) finishInference(want *Inference) ([]byte, error) {
	if t.err == nil {
		got, err := ParseInference("inference.yaml", t.bytes())
		if err == nil && got.same(want) {
			return t.bytes(), nil
		}
	}
	return nil, &CannotEdit{"the layout of the file is not one that can be changed safely", "make the change in an editor"}
}

// same compares what two files say. A target's address is its provider's.
func (f *Inference) same(o *Inference) bool {
	routes := slices.EqualFunc(f.routes, o.routes, func(a, b route) bool {
		return a.model == b.model && slices.EqualFunc(a.to, b.to, func(x, y Target) bool { return x.String() == y.String() })
	})
	providers := maps.EqualFunc(f.providers, o.providers, func(a, b provider) bool {
		return fmt.Sprint(a.url) == fmt.Sprint(b.url) && a.key == b.key && a.api == b.api
	})
	prices := slices.EqualFunc(f.prices, o.prices, func(a, b price) bool { return a.model == b.model && a.Price == b.Price })
	return routes && providers && prices && f.limits == o.limits && f.metadata == o.metadata && f.fetches == o.fetches
}
