package policy

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"
)

// Inference says which model server answers for which model.
type Inference struct {
	routes    []route
	providers map[string]provider
	prices    []price
	limits    Limits
	metadata  bool // log: metadata
	fetches   bool // fetch: allow
	revision  string
}

// route sends the models that match to the first of its targets; the others
// are fallbacks.
type route struct {
	model string
	to    []Target
	line  int
}

// provider is a model server. line is that of its name.
type provider struct {
	url  *url.URL
	key  string
	api  string
	line int
}

// Target is a model at a model server.
type Target struct {
	Provider string
	Model    string
	URL      *url.URL // base address, as written; shared, not to be changed
	Key      string   // name of the stored secret; "" for none
	API      string   // ollama, openai, anthropic
}

// String is the form that people write: provider/model.
func (t Target) String() string { return t.Provider + "/" + t.Model }

// LogFull says whether prompts and answers are logged, or metadata alone.
func (f *Inference) LogFull() bool { return !f.metadata }

// Fetches says whether a request may name addresses that its provider fetches.
func (f *Inference) Fetches() bool { return f.fetches }

// Revision is the first 12 hexadecimal digits of the SHA-256 of the file.
func (f *Inference) Revision() string { return f.revision }

// ParseInference reads inference.yaml. The name is for messages. With an error,
// which is an *Invalid with every problem, there is nothing.
func ParseInference(file string, data []byte) (*Inference, error) {
	d := readDocument(file, `routes: [{model: "*", to: ollama/qwen3:8b}] and providers`, data)
	if d.root == nil {
		return nil, d.err()
	}
	f := &Inference{limits: Limits{BodyBytes: defaultBody, Idle: defaultIdle}, revision: revision(data)}
	d.inference(f)
	if err := d.err(); err != nil {
		return nil, err
	}
	return f, nil
}

func (d *document) inference(f *Inference) {
	none := func(*yaml.Node) {}
	d.fields(d.root, readers{
		"providers": none, "routes": none, "prices": none, "limits": none, // below, in this order: each speaks of those before it
		"log":   func(n *yaml.Node) { f.metadata = d.word(n, "full", "metadata") == "metadata" },
		"fetch": func(n *yaml.Node) { f.fetches = d.word(n, "refuse", "allow") == "allow" },
	})
	if d.root.Kind != yaml.MappingNode {
		return
	}
	if _, n := find(d.root, "providers"); n != nil {
		d.providers(n, f)
	} else {
		d.add(1, 1, `providers: {ollama: {url: "http://127.0.0.1:11434"}}`, "no providers")
	}
	if _, n := find(d.root, "routes"); n != nil && len(n.Content) > 0 {
		d.items(n, `routes such as {model: "*", to: ollama/qwen3:8b}`, func(item *yaml.Node) { d.route(item, f) })
	} else {
		d.add(1, 1, `routes: [{model: "*", to: ollama/qwen3:8b}]`, "no routes, so no model could be called")
	}
	d.section("prices", func(n *yaml.Node) { d.prices(n, f) })
	d.section("limits", func(n *yaml.Node) { d.limits(n, f) })
}

// nameForm is that of providers and of stored secrets.
var nameForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`) })

const wantProviderName = "a name of lower case letters, digits, dots, hyphens and underscores"

func (d *document) providers(n *yaml.Node, f *Inference) {
	f.providers = map[string]provider{}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		d.wrong(n, `a map such as {ollama: {url: "http://127.0.0.1:11434"}}`)
		return
	}
	for key, value := range pairs(n) {
		if !nameForm().MatchString(key.Value) {
			d.at(key, wantProviderName, "the provider name %q", key.Value)
			continue
		}
		f.providers[key.Value] = d.provider(key, value)
	}
}

func (d *document) provider(name, n *yaml.Node) provider {
	p := provider{api: apiOf(name.Value), line: name.Line}
	known := d.fields(n, readers{
		"url": func(n *yaml.Node) { p.url = d.baseURL(n) },
		"key": func(n *yaml.Node) {
			key, ok := d.text(n, "the name of a stored secret")
			if ok && !nameForm().MatchString(key) {
				d.conceal(n.Line)
				d.at(n, "the name of a secret that nemoclaw secret set NAME has stored", "key: not a name; the key itself does not belong here")
			}
			p.key = key
		},
		"api": func(n *yaml.Node) { p.api = d.word(n, "ollama", "openai", "anthropic") },
	})
	if _, has := find(n, "url"); known && has == nil {
		d.at(name, `url: "http://…"`, "the provider %s has no url", name.Value)
	}
	return p
}

// apiOf: what a provider speaks, by its name; most others speak OpenAI's.
func apiOf(name string) string {
	switch name {
	case "ollama", "anthropic":
		return name
	}
	return "openai"
}

func (d *document) baseURL(n *yaml.Node) *url.URL {
	text, ok := d.text(n, `a URL such as "http://127.0.0.1:11434"`)
	if !ok {
		return nil
	}
	u, err := ParseBaseURL(text)
	if err != nil {
		if strings.Contains(text, "@") || strings.Contains(text, "?") {
			d.conceal(n.Line)
		}
		d.bad(n, err)
	}
	return u
}

// BadURL says why a text is no address of a model server. It does not repeat
// user information, which is a secret.
type BadURL struct {
	Why  string
	Want string
}

func (e *BadURL) Error() string { return "url: " + e.Why }

// Hint says what to write instead.
func (e *BadURL) Hint() string { return e.Want }

const wantURL = `a URL such as "http://127.0.0.1:11434"`

// ParseBaseURL reads the base address of a model server. It is kept as it is
// written: what host.docker.internal or a bridge's address means here is the
// router's business.
func ParseBaseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil && strings.Contains(text, "@"):
		return nil, &BadURL{"not a URL", wantURL}
	case err != nil:
		return nil, &BadURL{"not a URL: " + quoted(text), wantURL}
	case u.User != nil:
		return nil, &BadURL{"has user information in it", "the URL without it, and key: NAME for a stored secret"}
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, &BadURL{quoted(text) + " is neither http nor https", wantURL}
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, &BadURL{"has a query or a fragment", wantURL}
	}
	return u, checkURLHost(u)
}

func checkURLHost(u *url.URL) error {
	if _, _, err := ParseTarget(u.Hostname()); err != nil {
		want := wantURL
		if bad, ok := err.(*BadHost); ok {
			want = bad.Want
		}
		return &BadURL{err.Error(), want}
	}
	if port := u.Port(); port != "" {
		if _, err := ParsePort(port); err != nil {
			return &BadURL{err.Error(), wantURL}
		}
	}
	return nil
}

func (d *document) route(n *yaml.Node, f *Inference) {
	r := route{line: n.Line}
	complete := 0
	known := d.fields(n, readers{
		"model": func(n *yaml.Node) {
			complete++
			r.model = d.model(n, `a model's name, or a pattern such as "*" or "gpt-*"`)
			d.reachable(n, r.model, f.routes)
		},
		"to": func(n *yaml.Node) {
			complete++
			r.to = d.targets(n, f)
		},
	})
	if known && complete < 2 {
		d.at(n, `{model: "*", to: ollama/qwen3:8b}`, "a route needs model and to")
	}
	f.routes = append(f.routes, r)
}

func (d *document) model(n *yaml.Node, want string) string {
	text, ok := d.text(n, want)
	if ok && (len(text) > 256 || strings.ContainsAny(text, " \u00a0")) {
		d.wrong(n, want)
	}
	return text
}

// reachable refuses a route that another one before it takes everything from.
func (d *document) reachable(n *yaml.Node, model string, before []route) {
	for _, r := range before {
		switch {
		case r.model == model && model != "":
			d.at(n, "each pattern once", "the model %q stands in line %d already", model, r.line)
		case r.model == "*":
			d.at(n, "the route for \"*\" last", "a route that is never reached: line %d takes every model", r.line)
		default:
			continue
		}
		return
	}
}

func (d *document) targets(n *yaml.Node, f *Inference) []Target {
	if n.Kind == yaml.ScalarNode {
		return d.target(n, f, nil)
	}
	if len(n.Content) == 0 {
		d.wrong(n, "provider/model, or a list of them")
	}
	var all []Target
	d.items(n, "provider/model", func(item *yaml.Node) { all = d.target(item, f, all) })
	return all
}

func (d *document) target(n *yaml.Node, f *Inference, before []Target) []Target {
	text := d.model(n, "provider/model, such as ollama/qwen3:8b")
	if text == "" {
		return before
	}
	t, err := f.target(text)
	switch {
	case err != nil:
		d.bad(n, err)
	case slices.ContainsFunc(before, func(o Target) bool { return o.String() == t.String() }):
		d.at(n, "each target once", "%s again", t)
	default:
		return append(before, t)
	}
	return before
}
