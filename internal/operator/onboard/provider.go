package onboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// provider is one kind of model server.
type provider struct {
	name  string // as inference.yaml calls it
	label string // in the wizard
	asks  string // how the wizard asks for its address
	url   string
	model string // offered where the server tells none
	key   bool   // it wants one
}

// The providers, the default first.
var providers = []provider{
	{"ollama", "Ollama (local)", "Ollama base URL", "http://127.0.0.1:11434", "qwen3:8b", false},
	{"nvidia", "NVIDIA Cloud", "NVIDIA base URL", "https://integrate.api.nvidia.com/v1", "nvidia/llama-3.3-nemotron-super-49b-v1", true},
	{"openai", "OpenAI", "OpenAI base URL", "https://api.openai.com/v1", "gpt-5-mini", true},
	{"anthropic", "Anthropic", "Anthropic base URL", "https://api.anthropic.com", "claude-sonnet-4-5", true},
}

func providerOf(name string) (provider, error) {
	for _, p := range providers {
		if p.name == name {
			return p, nil
		}
	}
	return provider{}, fmt.Errorf("inference provider %q: want ollama, nvidia, openai or anthropic", name)
}

// asking is how long a model server has for its list of models.
const asking = 5 * time.Second

// Unreachable is a model server that does not answer.
type Unreachable struct {
	URL string
	Err error
}

func (e *Unreachable) Error() string {
	return fmt.Sprintf("reach model server %s: %v", e.URL, e.Err)
}
func (e *Unreachable) Unwrap() error { return e.Err }

// Hint is how to get one.
func (e *Unreachable) Hint() string {
	return "start it (ollama serve), or name another: --inference-url URL"
}

// models asks the server which models it has. Ollama is asked in its own
// language, the others in OpenAI's.
func (p provider) models(ctx context.Context, base string, key []byte) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	if p.name == "ollama" {
		var tags struct{ Models []struct{ Name string } }
		err := p.get(ctx, base, "/api/tags", nil, &tags)
		var names []string
		for _, m := range tags.Models {
			names = append(names, m.Name)
		}
		return names, err
	}
	var list struct{ Data []struct{ ID string } }
	err := p.get(ctx, base, p.listPath(base), key, &list)
	var names []string
	for _, m := range list.Data {
		names = append(names, m.ID)
	}
	slices.Sort(names)
	return names, err
}

func (p provider) listPath(base string) string {
	if p.name == "anthropic" && !strings.HasSuffix(strings.TrimSuffix(base, "/"), "/v1") {
		return "/v1/models"
	}
	return "/models"
}

// get reads path below base, which the errors name.
func (p provider) get(ctx context.Context, base, path string, key []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+path, nil)
	if err != nil {
		return &Unreachable{base, err}
	}
	p.authorize(request, key)
	answer, err := client().Do(request)
	if err != nil {
		return &Unreachable{base, cause(err)}
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return &Unreachable{base, errors.New(answer.Status)}
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 8<<20)).Decode(into); err != nil {
		return &Unreachable{base, fmt.Errorf("its answer is no list of models: %w", err)}
	}
	return nil
}

func (p provider) authorize(r *http.Request, key []byte) {
	switch {
	case len(key) == 0:
	case p.name == "anthropic":
		r.Header.Set("x-api-key", string(key))
		r.Header.Set("anthropic-version", "2023-06-01")
	default:
		r.Header.Set("Authorization", "Bearer "+string(key))
	}
}

// client follows no redirect: a key goes to the server that was named and to
// nobody else. host.docker.internal means this machine where no other does.
func client() *http.Client {
	dialer := &net.Dialer{Timeout: asking}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:             http.ProxyFromEnvironment,
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, address)
				host, port, splitErr := net.SplitHostPort(address)
				if err != nil && splitErr == nil && meansThisMachine(host) {
					return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
				}
				return conn, err
			},
		},
	}
}

// meansThisMachine says whether a name is one of those by which containers
// call their host. 172.17.0.1 is the usual address of Docker's bridge.
func meansThisMachine(host string) bool {
	return host == "host.docker.internal" || host == "host.nemoclaw.internal" || host == "172.17.0.1"
}

// cause is what a request failed of, without the method and the address, which
// the error around it names.
func cause(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	if o := (*net.OpError)(nil); errors.As(err, &o) && o.Err != nil {
		return errors.New(strings.TrimPrefix(o.Err.Error(), "connect: "))
	}
	return err
}

// has says whether an Ollama that lists names can serve model: a name without
// a tag means the tag latest.
func has(names []string, model string) bool {
	return slices.Contains(names, model) || !strings.Contains(model, ":") && slices.Contains(names, model+":latest")
}
