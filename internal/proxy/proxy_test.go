package proxy

import (
	"net/url"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

func environment(t *testing.T, pairs ...string) {
	t.Helper()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
	for i := 0; i < len(pairs); i += 2 {
		t.Setenv(pairs[i], pairs[i+1])
	}
}

func TestFromEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		env    []string
		want   state.Proxy
		secret string
	}{
		"none":             {nil, state.Proxy{}, ""},
		"a URL":            {[]string{"HTTPS_PROXY", "http://proxy.corp:3128/", "NO_PROXY", ".corp,10.0.0.0/8"}, state.Proxy{URL: "http://proxy.corp:3128", NoProxy: ".corp,10.0.0.0/8"}, ""},
		"lower case, bare": {[]string{"https_proxy", "proxy.corp"}, state.Proxy{URL: "http://proxy.corp:80"}, ""},
		"HTTP's alone":     {[]string{"http_proxy", "http://proxy.corp:8080"}, state.Proxy{URL: "http://proxy.corp:8080"}, ""},
		"with a password":  {[]string{"HTTPS_PROXY", "http://me:p%40ss@proxy.corp:3128"}, state.Proxy{URL: "http://proxy.corp:3128", Credential: Secret}, "me:p@ss"},
		"IPv6":             {[]string{"HTTPS_PROXY", "http://[2001:db8::7]:3128"}, state.Proxy{URL: "http://[2001:db8::7]:3128"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, c.env...)
			got, secret, err := FromEnvironment()
			if err != nil || got != c.want || string(secret) != c.secret {
				t.Errorf("%+v, %q, %v", got, secret, err)
			}
			if _, err := Parse(got); err != nil {
				t.Errorf("what is written cannot be read: %v", err)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for _, bad := range []state.Proxy{
		{URL: "https://me:hidden@proxy.corp"}, {URL: "socks5://proxy.corp:1080"}, {URL: "http://"}, {URL: "http://proxy.corp/path"},
		{URL: "http://me:hidden@proxy.corp:3128"}, {URL: "http://me:hidden@%zz"}, {NoProxy: "x"}, {Credential: "proxy"},
	} {
		p, err := Parse(bad)
		if err == nil || p != nil {
			t.Errorf("%+v is taken", bad)
		} else if strings.Contains(err.Error(), "hidden") {
			t.Errorf("a password in %q", err)
		}
	}
	if p, err := Parse(state.Proxy{}); p != nil || err != nil {
		t.Errorf("none: %v, %v", p, err)
	}
}

func TestDirect(t *testing.T) {
	p, err := Parse(state.Proxy{URL: "http://proxy.corp:3128", NoProxy: ".corp,intranet.example,10.0.0.0/8,only.example:8443"})
	if err != nil {
		t.Fatal(err)
	}
	for host, direct := range map[string]bool{
		"api.github.com": false, "wiki.corp": true, "intranet.example": true, "x.intranet.example": true, "10.1.2.3": true,
		"203.0.113.9": false, "127.0.0.1": true, "localhost": true, "host.docker.internal": true, "host.nemoclaw.internal": true,
		"only.example": false, "2001:db8::7": false,
	} {
		if p.Direct(host, 443) != direct {
			t.Errorf("%s: direct %v", host, !direct)
		}
	}
	if !p.Direct("only.example", 8443) || !(*Proxy)(nil).Direct("api.github.com", 443) {
		t.Error("a port in NO_PROXY, or no proxy at all")
	}
	via := p.For(&url.URL{Scheme: "https", Host: "api.github.com"}, []byte("me:p@ss:x"))
	if password, _ := via.User.Password(); via.Host != "proxy.corp:3128" || via.User.Username() != "me" || password != "p@ss:x" {
		t.Errorf("%v", via)
	}
	if via := p.For(&url.URL{Scheme: "http", Host: "127.0.0.1:11434"}, nil); via != nil {
		t.Errorf("the local model by %v", via)
	}
	if Authorization([]byte("me:x")) != "Basic bWU6eA==" || Authorization(nil) != "" {
		t.Error("authorization")
	}
}
