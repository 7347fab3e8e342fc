package supervisor

import (
	"net/http"
	"net/url"
	"sync"

	"github.com/nemoclaw/nemoclaw/internal/gate/egress"
	"github.com/nemoclaw/nemoclaw/internal/proxy"
)

// upstream is the company's proxy, where the settings name one, with the
// password that the clerk has for it. Safe for concurrent use.
type upstream struct {
	*proxy.Proxy
	secret string                            // its name; "" for none
	key    func(name string) ([]byte, error) // the clerk's

	mu       sync.Mutex
	password []byte // protected by mu: "user:password" as it was read last
}

// credential is "user:password", nil where the proxy wants none.
func (u *upstream) credential(anew bool) ([]byte, error) {
	if u.secret == "" {
		return nil, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.password != nil && !anew {
		return u.password, nil
	}
	word, err := u.key(u.secret)
	if err != nil {
		return nil, err
	}
	u.password = word
	return word, nil
}

// forGate is what the network gate needs of it; nil where there is none.
func (u *upstream) forGate() *egress.Upstream {
	if u == nil {
		return nil
	}
	return &egress.Upstream{Address: u.Address(), Direct: u.Direct, Authorization: func(refused bool) (string, error) {
		word, err := u.credential(refused)
		return proxy.Authorization(word), err
	}}
}

// forRouter is what the inference router needs: http.Transport's Proxy.
func (u *upstream) forRouter() func(*http.Request) (*url.URL, error) {
	if u == nil {
		return nil
	}
	return func(r *http.Request) (*url.URL, error) {
		word, err := u.credential(false)
		if err != nil {
			return nil, err
		}
		return u.For(r.URL, word), nil
	}
}

// onceUpstream is the way out of a command's sandbox, which has no settings: as
// the environment says. Without a policy nothing goes out, and nobody asks.
func onceUpstream(policyFile string) (*egress.Upstream, error) {
	if policyFile == "" {
		return nil, nil
	}
	set, word, err := proxy.FromEnvironment()
	if err != nil {
		return nil, err
	}
	way, err := proxy.Parse(set)
	if way == nil || err != nil {
		return nil, err
	}
	u := &upstream{Proxy: way, secret: set.Credential, key: func(string) ([]byte, error) { return word, nil }}
	return u.forGate(), nil
}
