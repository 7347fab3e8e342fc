package inference

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Health is whether the default route's model would answer now.
type Health struct {
	Connected bool
	Model     string // provider/model
	URL       string
	Resting   bool   // calls are kept from it, since it failed so often
	Why       string // when not connected
	Hint      string // the command that helps
}

const (
	probeTime = 5 * time.Second
	maxList   = 8 << 20 // bytes of a provider's list of models
)

// ProbeAll looks at every model that a route leads to, all at once: the default
// route's first. It takes 5 seconds at most.
func (r *Router) ProbeAll(ctx context.Context) []Health {
	p := r.cfg.Policy()
	if p == nil {
		return []Health{{Why: "there is no inference policy"}}
	}
	targets := p.Targets()
	all := make([]Health, len(targets))
	var looks sync.WaitGroup
	for i, t := range targets {
		looks.Go(func() {
			resting := r.breakers.of(t).isOpen()
			all[i] = r.probe(ctx, t)
			all[i].Resting = resting && !all[i].Connected
		})
	}
	looks.Wait()
	return all
}

// Probe asks the provider of the default route for its models, on the road that
// a call takes: same address, same key, same network policy. It takes 5 seconds
// at most, and records nothing.
func (r *Router) Probe(ctx context.Context) Health {
	p := r.cfg.Policy()
	if p == nil {
		return Health{Why: "there is no inference policy"}
	}
	return r.probe(ctx, p.Default())
}

func (r *Router) probe(ctx context.Context, t policy.Target) Health {
	h := Health{Model: t.String(), URL: t.URL.String()}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	names, no := r.models(ctx, t)
	if no != nil {
		h.Why, h.Hint = no.text, no.hint
		return h
	}
	if t.API == string(ollama) && !has(names, t.Model) {
		h.Why, h.Hint = title(t)+" has no model "+t.Model, "ollama pull "+t.Model
		return h
	}
	h.Connected = true
	r.breakers.heal(t)
	return h
}

// models are the names that a provider lists; none, without an error, of one
// that answers but has no list.
func (r *Router) models(ctx context.Context, t policy.Target) ([]string, *refusal) {
	path := "/models"
	if t.API == string(ollama) {
		path = "/api/tags"
	}
	req, no := r.request(ctx, t, question{method: http.MethodGet, path: path}, false)
	if no != nil {
		return nil, no
	}
	resp, err := r.transport.RoundTrip(req)
	if err != nil {
		return nil, r.dead(t, err)
	}
	defer resp.Body.Close()
	if listless := resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed; listless && t.API != string(ollama) {
		return nil, nil
	}
	a := &attempt{exchange: &exchange{router: r, target: t}, ctx: ctx}
	body := io.LimitReader(resp.Body, maxList)
	if no := a.judge(resp, body); no != nil {
		return nil, no
	}
	var list struct{ Models, Data []entry }
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, a.broken(err)
	}
	if json.Unmarshal(raw, &list) != nil {
		return nil, a.broken(nonsense("it is no list of models"))
	}
	var names []string
	for _, e := range append(list.Models, list.Data...) {
		names = append(names, e.name())
	}
	return names, nil
}

// has looks for a model by Ollama's rules: no tag means latest, case does not
// matter.
func has(names []string, model string) bool {
	for _, n := range names {
		if strings.EqualFold(tagged(n), tagged(model)) {
			return true
		}
	}
	return false
}

func tagged(name string) string {
	if strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":") {
		return name
	}
	return name + ":latest"
}

// usual are the places where an Ollama listens.
var usual = []string{"http://127.0.0.1:11434", "http://[::1]:11434", "http://172.17.0.1:11434"}

const (
	lookTime = 300 * time.Millisecond
	lookRest = 5 * time.Second // between two looks
)

// places remembers where an Ollama answers. It is safe for concurrent use.
type places struct {
	list []string // usual, if nil
	ask  func(ctx context.Context, url string) bool

	mu     sync.Mutex
	looked time.Time // protected by mu
	found  string    // protected by mu
}

// alive is the first of the places that answers, "" when none does.
func (p *places) alive(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.looked.IsZero() && now.Sub(p.looked) < lookRest {
		return p.found
	}
	list := p.list
	if list == nil {
		list = usual
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	there := make([]bool, len(list))
	var all sync.WaitGroup
	for i, url := range list {
		all.Go(func() { there[i] = p.ask(ctx, url) })
	}
	all.Wait()
	p.looked, p.found = now, ""
	for i, ok := range there {
		if ok {
			p.found = list[i]
			break
		}
	}
	return p.found
}

// answers says whether an Ollama is at url.
func (r *Router) answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/version", nil)
	if err != nil {
		return false
	}
	resp, err := r.transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var is struct{ Version string }
	err = json.NewDecoder(io.LimitReader(resp.Body, maxError)).Decode(&is)
	return err == nil && resp.StatusCode == http.StatusOK && is.Version != ""
}

// remedy is the command that helps with a dead provider: for an Ollama, the
// address where one answers.
func (r *Router) remedy(t policy.Target) string {
	set := r.command() + " set-inference-url "
	if t.API != string(ollama) {
		return set + "URL (or check the network)"
	}
	if found := r.places.alive(r.now()); found != "" && found != strings.TrimRight(t.URL.String(), "/") {
		return set + found
	}
	return "ollama serve (or, where it listens elsewhere: " + set + "URL)"
}
