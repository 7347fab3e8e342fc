package preset

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/presets"
)

// contract is every host that a preset opens, and why somebody needs it. A
// preset that opens one more fails here first.
var contract = map[string][]string{
	"brave":       {"api.search.brave.com:443"},
	"discord":     {"discord.com:443", "gateway.discord.gg:443", "*.discord.gg:443", "cdn.discordapp.com:443", "media.discordapp.net:443"},
	"docker":      nil, // of docker's configuration
	"github":      {"github.com:443", "api.github.com:443", "codeload.github.com:443", "raw.githubusercontent.com:443", "objects.githubusercontent.com:443", "release-assets.githubusercontent.com:443"},
	"github-read": {"github.com:443", "api.github.com:443", "codeload.github.com:443", "raw.githubusercontent.com:443", "release-assets.githubusercontent.com:443"},
	"go":          nil, // of go's
	"huggingface": {"huggingface.co:443", "*.hf.co:443", "*.xethub.hf.co:443"},
	"jira":        {"*.atlassian.net:443", "api.atlassian.com:443", "auth.atlassian.com:443"},
	"npm":         nil, // of npm's
	"outlook":     {"graph.microsoft.com:443", "login.microsoftonline.com:443", "outlook.office365.com:443", "outlook.office365.com:993", "smtp.office365.com:587"},
	"pypi":        nil, // of pip's
	"slack":       {"slack.com:443", "wss-primary.slack.com:443", "wss-backup.slack.com:443", "files.slack.com:443"},
	"telegram":    {"api.telegram.org:443"},
	"whatsapp":    {"web.whatsapp.com:443", "**.whatsapp.net:443"},
}

func TestContract(t *testing.T) {
	if len(Names()) != len(contract) {
		t.Errorf("presets %q", Names())
	}
	for _, name := range Names() {
		p, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := hosts(p.Rules); !slices.Equal(got, contract[name]) {
			t.Errorf("%s opens %q", name, got)
		}
		if (p.Tool != "") != (len(contract[name]) == 0) {
			t.Errorf("%s: hosts of %q", name, p.Tool)
		}
		for _, e := range p.Rules {
			if e.Note == "" {
				t.Errorf("%s: %s without a why", name, e.Host)
			}
		}
		addTwice(t, name, p.Rules)
	}
}

// reads are requests by what the presets that narrow them say of each.
var reads = []struct {
	preset, host, method, path string
	want                       policy.Action
}{
	{"github-read", "api.github.com", "GET", "/repos/a/b", policy.Allow},
	{"github-read", "api.github.com", "POST", "/repos/a/b/issues", policy.Deny},
	{"github-read", "api.github.com", "POST", "/graphql", policy.Deny},
	{"github-read", "api.github.com", "DELETE", "/repos/a/b", policy.Deny},
	{"github-read", "github.com", "GET", "/a/b.git/info/refs", policy.Allow},
	{"github-read", "github.com", "POST", "/a/b.git/git-upload-pack", policy.Allow},
	{"github-read", "github.com", "POST", "/a/b.git/git-receive-pack", policy.Deny},
	{"github-read", "github.com", "POST", "/a/b/c/git-upload-pack", policy.Deny},
	{"github-read", "codeload.github.com", "PUT", "/a", policy.Deny},
	{"github", "api.github.com", "POST", "/graphql", policy.Allow}, // the control: not read
}

// A preset that narrows requests lets those through that it says, and no others.
func TestContractOfRequests(t *testing.T) {
	for _, c := range reads {
		p, err := Load(c.preset)
		if err != nil {
			t.Fatal(err)
		}
		text := []byte("egress: []\nunlisted: deny\n")
		for _, e := range p.Rules {
			if text, err = policy.AddRule(text, e); err != nil {
				t.Fatal(err)
			}
		}
		whole, err := policy.Parse("p.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		path, err := policy.ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := whole.JudgeHTTP(policy.Request{Host: policy.Host(c.host), Port: 443}, nil, c.method, path); v.Action != c.want {
			t.Errorf("%s: %s %s%s: %s", c.preset, c.method, c.host, c.path, v)
		}
	}
}

// TestContractHolds: by the evaluator of the gate, a preset opens what it says
// for any program and, but for those that narrow requests, with any method, and nothing beside it: not its other
// ports, not hosts that look like its own, not one label more.
func TestContractHolds(t *testing.T) {
	for _, name := range Names() {
		p, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		text := []byte("egress: []\nunlisted: deny\n")
		for _, e := range p.Rules {
			if text, err = policy.AddRule(text, e); err != nil {
				t.Fatal(err)
			}
		}
		whole, err := policy.Parse("p.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		verdict := func(host string, port policy.Port) policy.Action {
			h, a, err := policy.ParseTarget(host)
			if err != nil {
				t.Fatal(err)
			}
			return whole.Judge(policy.Request{Host: h, Addr: a, Port: port, Program: policy.ProgramAt("/usr/bin/anything", nil)}, nil).Action
		}
		for _, e := range p.Rules {
			host := strings.Replace(strings.Replace(e.Host, "**.", "a.b.", 1), "*.", "a.", 1)
			if verdict(host, e.Port) != policy.Allow {
				t.Errorf("%s: %s:%d is not opened", name, host, e.Port)
			}
			for _, other := range []string{"evil-" + host, host + ".example.net", strings.Replace(host, ".", "-", 1)} {
				meant := slices.ContainsFunc(p.Rules, func(o policy.Entry) bool { // by a wildcard beside it
					return strings.HasPrefix(o.Host, "*") && strings.HasSuffix(other, strings.TrimLeft(o.Host, "*"))
				})
				if !meant && verdict(other, e.Port) != policy.Deny {
					t.Errorf("%s opens %s", name, other)
				}
			}
			if verdict(host, 22) != policy.Deny || verdict(host, 80) != policy.Deny {
				t.Errorf("%s opens %s on other ports", name, host)
			}
		}
	}
}

func hosts(entries []policy.Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, fmt.Sprintf("%s:%d", e.Host, e.Port))
	}
	return out
}

// addTwice: a preset adds its rules to any file, and the second time nothing.
func addTwice(t *testing.T, name string, entries []policy.Entry) {
	text := []byte("# mine\negress: []\nunlisted: ask\n")
	for _, e := range entries {
		once, err := policy.AddRule(text, e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := policy.AddRule(once, e)
		if err != nil || string(again) != string(once) {
			t.Errorf("%s: twice: %v\n%s", name, err, again)
		}
		text = once
	}
	p, err := policy.Parse("p.yaml", text)
	if err != nil || p.Rules() != len(entries) {
		t.Errorf("%s: %v\n%s", name, err, text)
	}
}

// No preset of a tool has anything like a host in it.
func TestToolPresetsNameNoHost(t *testing.T) {
	like := regexp.MustCompile(`[a-z0-9-]+\.(com|org|io|net|dev|co)\b`)
	for _, name := range Names() {
		p, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := presets.Files.ReadFile(name + ".yaml")
		if err != nil || !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s: %v: no comment at its head", name, err)
		}
		if found := like.FindString(string(text)); p.Tool != "" && found != "" {
			t.Errorf("%s names %s", name, found)
		}
	}
}

func TestUnknown(t *testing.T) {
	_, err := Resolve(t.Context(), "telegarm")
	var unknown *Unknown
	if !errors.As(err, &unknown) || unknown.Hint() != `did you mean "telegram"?` {
		t.Errorf("%v", err)
	}
}

// tools puts programs into PATH that answer as these would; the shell that
// runs them is the only other program there.
func tools(t *testing.T, answers map[string]string) {
	dir := t.TempDir()
	for name, script := range answers {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	t.Setenv("HOME", dir)
	for _, k := range []string{"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "DOCKER_CONFIG"} {
		t.Setenv(k, "")
	}
}

func TestTools(t *testing.T) {
	none := "echo 'No such key' >&2; exit 1"
	for _, c := range []struct {
		name, preset string
		answers      map[string]string
		env          map[string]string
		want         []string
	}{
		{"npm with a scope", "npm", map[string]string{"npm": `[ "$*" = "config list --json" ] && [ "$PWD" = / ] && echo '{"registry":"https://me:secret@npm.example.com/all/","@us:registry":"http://127.0.0.1:4873","replace-registry-host":"x"}'`}, nil,
			[]string{"npm.example.com:443", "127.0.0.1:4873"}},
		{"go", "go", map[string]string{"go": `[ "$*" = "env -json GOPROXY GOSUMDB" ] && [ "$GOTOOLCHAIN" = local ] && echo '{"GOPROXY":"https://one.example.com,https://two.example.com:8443|direct","GOSUMDB":"sums.example.com"}'`}, nil,
			[]string{"one.example.com:443", "two.example.com:8443", "sums.example.com:443"}},
		{"go with a sum database elsewhere", "go", map[string]string{"go": `echo '{"GOPROXY":"https://one.example.com","GOSUMDB":"name.example.com+abc+def https://sums.example.com/x"}'`}, nil,
			[]string{"one.example.com:443", "sums.example.com:443"}},
		{"pip's configuration", "pypi", map[string]string{"pip3": `case $3 in global.index-url) echo https://pip.example.com/simple;; *) exit 1;; esac`}, nil,
			[]string{"pip.example.com:443"}},
		{"pip's environment", "pypi", map[string]string{"pip": none}, map[string]string{"PIP_INDEX_URL": "https://env.example.com/simple", "PIP_EXTRA_INDEX_URL": "https://a.example.com https://b.example.com/x"},
			[]string{"env.example.com:443", "a.example.com:443", "b.example.com:443"}},
		{"pip's own", "pypi", map[string]string{"pip": none, "python3": `echo '["https://built-in.example.com/simple", "files.example.com"]'`}, nil,
			[]string{"built-in.example.com:443", "files.example.com:443"}},
		{"docker", "docker", map[string]string{"docker": `echo '{"Mirrors":["https://mirror.example.com/"],"IndexConfigs":{"x":{"Name":"hub.example.com","Official":true}}}'`}, nil,
			[]string{"mirror.example.com:443", "*.hub.example.com:443"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tools(t, c.answers)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			r, err := Resolve(t.Context(), c.preset)
			if err != nil || !slices.Equal(hosts(r.Entries), c.want) {
				t.Fatalf("%v: %q", err, hosts(r.Entries))
			}
			if strings.Contains(fmt.Sprint(r), "secret") {
				t.Errorf("a password: %v", r)
			}
			addTwice(t, c.name, r.Entries)
		})
	}
}

func TestToolsThatSayNothing(t *testing.T) {
	for _, c := range []struct{ name, preset, program, script string }{
		{"missing", "npm", "other", "exit 0"},
		{"fails", "npm", "npm", "exit 3"},
		{"no JSON", "npm", "npm", "echo https://x.example.com"},
		{"a folder", "go", "go", `echo '{"GOPROXY":"file:///srv/mod","GOSUMDB":"off"}'`},
		{"no daemon, not signed in", "docker", "docker", "exit 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tools(t, map[string]string{c.program: c.script})
			r, err := Resolve(t.Context(), c.preset)
			var no *NoHosts
			if !errors.As(err, &no) || no.Hint() == "" || len(r.Entries) > 0 {
				t.Errorf("%v: %v", r, err)
			}
		})
	}
}

func TestDockerSignedIn(t *testing.T) {
	tools(t, map[string]string{"docker": "exit 1"})
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths":{"https://index.example.com/v1/":{"auth":"c2VjcmV0"},"images.example.org":{}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Resolve(t.Context(), "docker")
	if err != nil || !slices.Equal(hosts(r.Entries), []string{"index.example.com:443", "images.example.org:443"}) {
		t.Errorf("%v: %v", r, err)
	}
}

// The tools of this machine answer what can be a rule.
func TestRealTools(t *testing.T) {
	for name, tool := range map[string]string{"npm": "npm", "go": "go", "pypi": "pip"} {
		t.Run(name, func(t *testing.T) {
			r, err := Resolve(t.Context(), name)
			if err != nil && strings.Contains(err.Error(), "not on this machine") {
				t.Skipf("needs %s", tool)
			}
			if err != nil || len(r.Entries) == 0 {
				t.Fatal(err)
			}
			for _, e := range r.Entries {
				if _, _, err := net.SplitHostPort(fmt.Sprintf("%s:%d", e.Host, e.Port)); err != nil {
					t.Error(err)
				}
			}
			addTwice(t, name, r.Entries)
		})
	}
}
