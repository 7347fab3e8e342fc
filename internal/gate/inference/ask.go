package inference

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

const jsonType = "application/json"

// question is what is sent to one provider for one request of the agent's.
type question struct {
	method string
	path   string // after the provider's URL; of OpenAI's and Anthropic's API without /v1
	query  string
	body   []byte // nil for none
	header http.Header
	form   form   // makes the agent's answer of the provider's
	own    []byte // the answer, where the provider need not be asked
}

// request makes the request for a provider, with its key: unless the network
// policy denies that host, or the key is not there.
func (r *Router) request(ctx context.Context, t policy.Target, q question, older bool) (*http.Request, *refusal) {
	if no := r.blocked(t); no != nil {
		return nil, no
	}
	u := *t.URL
	u.User = nil
	u.Path, u.RawPath, u.RawQuery = base(t)+q.path, "", q.query
	req, err := http.NewRequestWithContext(ctx, q.method, u.String(), bytes.NewReader(q.body))
	if err != nil {
		return nil, refuse(http.StatusBadGateway, "bad_provider", "provider %s has an impossible URL: %v", t.Provider, err)
	}
	if q.header != nil {
		req.Header = q.header.Clone()
	}
	if q.body != nil {
		req.Header.Set("Content-Type", jsonType)
	}
	req.Header.Set("Accept-Encoding", "identity")
	key, no := r.key(t, older)
	if no != nil {
		return nil, no
	}
	credit(req.Header, t.API, key)
	return req, nil
}

// credit adds the provider's key, where its API has it.
func credit(h http.Header, speaks, key string) {
	if speaks == string(anthropic) && h.Get("Anthropic-Version") == "" {
		h.Set("Anthropic-Version", anthropicVersion)
	}
	switch {
	case key == "":
	case speaks == string(anthropic):
		h.Set("X-Api-Key", key)
	default:
		h.Set("Authorization", "Bearer "+key)
	}
}

// base is the path that a provider's API lies under.
func base(t policy.Target) string {
	path := strings.TrimRight(t.URL.Path, "/")
	switch {
	case t.API == string(ollama):
		return strings.TrimSuffix(path, "/v1") // people copy the address of its OpenAI side
	case path == "", t.API == string(anthropic) && !strings.HasSuffix(path, "/v1"): // as Anthropic's own clients do
		return path + "/v1"
	}
	return path
}

// key is the provider's, "" where it needs none.
func (r *Router) key(t policy.Target, older bool) (string, *refusal) {
	if t.Key == "" {
		return "", nil
	}
	lost := refuse(http.StatusBadGateway, "key_missing", "the key %q of provider %s is not stored", t.Key, t.Provider).
		hinted("nemoclaw secret set %s", t.Key)
	if r.cfg.Key == nil {
		return "", lost
	}
	value, err := r.keys.key(t.Key, r.now(), older)
	key := strings.TrimSpace(string(value))
	if err != nil || key == "" {
		return "", lost // err may speak of paths on the host
	}
	if strings.IndexFunc(key, func(c rune) bool { return c <= ' ' || c >= 0x7f }) >= 0 {
		lost.text = fmt.Sprintf("the key %q of provider %s has characters that no header takes", t.Key, t.Provider)
		return "", lost
	}
	r.secrets.add(key)
	return key, nil
}

// blocked asks the network policy about the provider's host, and where the name
// means the host of this machine, about that as well.
func (r *Router) blocked(t policy.Target) *refusal {
	if r.cfg.Blocked == nil {
		return nil
	}
	host, port := t.URL.Hostname(), portOf(t.URL)
	hosts := []string{host}
	if hostNames[host] {
		hosts = append(hosts, "127.0.0.1")
	}
	for _, h := range hosts {
		why, no := r.cfg.Blocked(h, port)
		if !no {
			continue
		}
		blocked := refuse(http.StatusForbidden, "blocked_by_network_policy",
			"network policy blocked %s at %s:%d: %s", title(t), h, port, why)
		blocked.ours = true
		return blocked.hinted("make sure %s:%d is in network-policy.yaml under egress and not under deny, then: %s reload-policy", h, port, r.command())
	}
	return nil
}

func portOf(u *url.URL) int {
	if p, err := strconv.Atoi(u.Port()); err == nil {
		return p
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// title is what people call the provider.
func title(t policy.Target) string {
	if t.API == string(ollama) && t.Provider == "ollama" {
		return "Ollama"
	}
	return "provider " + t.Provider
}

// dead says why a provider gave no answer, with the command that helps.
func (a *attempt) dead(err error) *refusal {
	switch cause := context.Cause(a.ctx); {
	case errors.Is(cause, errIdle):
		return refuse(http.StatusGatewayTimeout, "provider_timeout", "%s at %s did not answer: nothing came for %s", title(a.target), a.target.URL.Host, a.limits.Idle)
	case errors.Is(cause, errTotal):
		return a.tooLong()
	}
	return a.router.dead(a.target, err)
}

// tooLong is said of a call that took all the time that the policy leaves it.
func (a *attempt) tooLong() *refusal {
	return refuse(http.StatusGatewayTimeout, "call_too_long", "the call was cut: it took longer than %s", a.limits.Total).
		hinted("raise limits.total in inference.yaml")
}

// dead is the same where nobody cut the attempt short.
func (r *Router) dead(t policy.Target, err error) *refusal {
	no := refuse(http.StatusServiceUnavailable, "provider_down", "%s at %s does not answer: %s", title(t), t.URL.Host, reason(err))
	return no.hinted("%s", r.remedy(t))
}

// reason is the cause of a failed connection in plain words.
func reason(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no connection in time"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner // "dial tcp: lookup …:" tells nobody more
	}
	return err.Error()
}
