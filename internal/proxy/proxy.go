package proxy

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Secret is the stored one that holds "user:password" for the proxy.
const Secret = "proxy"

// Proxy is one way out. The nil Proxy is none: everything is reached directly.
type Proxy struct {
	place *url.URL
	use   func(*url.URL) (*url.URL, error)
}

// Bad is a proxy that cannot be used.
type Bad struct{ Text, Why string }

func (e *Bad) Error() string { return fmt.Sprintf("proxy %q: %s", e.Text, e.Why) }

// Hint says what can.
func (e *Bad) Hint() string {
	return "http://proxy.example.com:3128 in HTTPS_PROXY or --proxy; --proxy none for none"
}

// FromEnvironment is what the environment says: the settings, without user and
// password, and those as "user:password", nil where there are none. No proxy is
// the zero value.
func FromEnvironment() (set state.Proxy, credential []byte, err error) {
	env := httpproxy.FromEnvironment()
	text := env.HTTPSProxy
	if text == "" {
		text = env.HTTPProxy
	}
	if text == "" {
		return state.Proxy{}, nil, nil
	}
	set, credential, err = Read(text)
	set.NoProxy = env.NoProxy
	return set, credential, err
}

// Read reads one proxy as people write it: a URL, or HOST:PORT.
func Read(text string) (set state.Proxy, credential []byte, err error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil {
		return set, nil, &Bad{"…", "not a URL"} // its text may have a password
	}
	user := u.User
	u.User = nil
	switch {
	case u.Scheme != "http":
		return set, nil, &Bad{u.Redacted(), u.Scheme + " proxies are not supported"}
	case u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return set, nil, &Bad{u.Redacted(), "not the address of a proxy"}
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "80")
	}
	set.URL = "http://" + u.Host
	if user != nil {
		password, _ := user.Password()
		credential, set.Credential = []byte(user.Username()+":"+password), Secret
	}
	return set, credential, nil
}

// Parse takes what sandbox.yaml says; nil is no proxy.
func Parse(set state.Proxy) (*Proxy, error) {
	if set.URL == "" {
		if set != (state.Proxy{}) {
			return nil, &Bad{"", "no_proxy or credential without a url"}
		}
		return nil, nil
	}
	clean, credential, err := Read(set.URL)
	if err != nil {
		return nil, err
	}
	if credential != nil {
		return nil, &Bad{clean.URL, "sandbox.yaml is no place for a password: use credential, and nemoclaw secret set"}
	}
	place, err := url.Parse(clean.URL)
	if err != nil {
		return nil, &Bad{clean.URL, "not a URL"}
	}
	c := httpproxy.Config{HTTPProxy: clean.URL, HTTPSProxy: clean.URL, NoProxy: set.NoProxy}
	return &Proxy{place: place, use: c.ProxyFunc()}, nil
}

// Address is HOST:PORT.
func (p *Proxy) Address() string { return p.place.Host }

// ours are the names of this machine, which no proxy knows.
var ours = []string{"localhost", "host.docker.internal", "host.nemoclaw.internal", "172.17.0.1"}

// Direct says whether host is reached without the proxy: this machine, and what
// NO_PROXY lists.
func (p *Proxy) Direct(host string, port uint16) bool {
	if p == nil || slices.Contains(ours, host) {
		return true
	}
	via, err := p.use(&url.URL{Scheme: "https", Host: net.JoinHostPort(host, strconv.Itoa(int(port)))})
	return err == nil && via == nil
}

// For is the proxy for u with a credential ("user:password", or none), nil where
// u is reached directly: what http.Transport wants to know.
func (p *Proxy) For(u *url.URL, credential []byte) *url.URL {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		port = map[string]uint64{"http": 80}[u.Scheme]
		if port == 0 {
			port = 443
		}
	}
	if p.Direct(u.Hostname(), uint16(port)) {
		return nil
	}
	via := *p.place
	if user, password, found := strings.Cut(string(credential), ":"); found {
		via.User = url.UserPassword(user, password)
	}
	return &via
}

// Authorization is the header that carries a credential; "" for none (RFC 7617).
func Authorization(credential []byte) string {
	if len(credential) == 0 {
		return ""
	}
	return "Basic " + base64.StdEncoding.EncodeToString(credential)
}
