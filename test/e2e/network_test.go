package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/test/internet"
)

// article is the policy file of the article, with two hosts of ours.
const article = `# mine, with a word at the end
egress:
  - host: "api.github.com"  # the API
    port: 443
  - host: "second.example.org"
    port: 443
deny:
  - host: "suspicious-host.com"
    port: 443
`

func TestAllowedHostIsReallyDialled(t *testing.T) {
	b := newShell(t, article)
	b.prints("", `env | grep -i proxy || true`)
	r := b.exec("curl", "-sS", "https://api.github.com/zen")
	var echo internet.Echo
	if err := json.Unmarshal([]byte(r.out), &echo); err != nil || echo.Host != "api.github.com" || echo.Path != "/zen" {
		t.Fatalf("%s: %v", r, err)
	}
	a := b.world.To("api.github.com")
	if len(a) != 1 || a[0].SNI != "api.github.com" || a[0].Addr.Port() != 443 {
		t.Errorf("arrived: %+v", a)
	}
}

// Each client asks as it always does, told nothing of walls or proxies.
func TestEveryClientGetsThrough(t *testing.T) {
	b := newShell(t, article)
	b.put("/sandbox/get", self(t))
	for _, c := range []struct{ needs, script string }{
		{"curl", `curl -fsS https://api.github.com/curl`},
		{"node", `node -e 'fetch("https://api.github.com/node").then(r => r.text()).then(console.log)'`},
		{"python3", `python3 -c 'import urllib.request; print(urllib.request.urlopen("https://api.github.com/python3").read().decode())'`},
		{"go", `/sandbox/get -get https://api.github.com/go`},
		{"git", `git ls-remote https://api.github.com/git; true`},
	} {
		t.Run(c.needs, func(t *testing.T) {
			b := &box{&home{T: t, world: internet.Use(t), dir: b.dir, env: b.env}, b.name}
			if c.needs != "go" {
				b.needs(c.needs)
			}
			r := b.sh(c.script)
			if a := b.world.To("api.github.com"); len(a) != 1 || a[0].SNI != "api.github.com" || len(a[0].Requests) == 0 {
				t.Errorf("arrived: %+v\n%s", a, r)
			}
			if c.needs != "git" && !strings.Contains(r.out, `"host":"api.github.com"`) {
				t.Error(r)
			}
		})
	}
}

// Programs that ask for addresses of a family that this machine has, get them.
func TestAddressesOfAFamily(t *testing.T) {
	b := newShell(t, article)
	for _, ask := range []string{"ahostsv4", "ahosts", "hosts"} {
		if r := b.exec("getent", ask, "api.github.com"); r.code != 0 || !strings.Contains(r.out, "api.github.com") {
			t.Errorf("%s: %s", ask, r)
		}
	}
	if q := b.world.Queries(); len(q) > 0 {
		t.Errorf("left the host: %+v", q)
	}
}

func TestDeniedHostIsNeverLookedUp(t *testing.T) {
	b := newShell(t, article)
	r := b.exec("curl", "-sS", "https://suspicious-host.com/")
	if r.code == 0 {
		t.Error(r)
	}
	nothing(t, b, "suspicious-host.com")
	e := b.event("the refusal", refusalOf("suspicious-host.com:443"))
	if e.Program != "/usr/bin/curl" || e.Why == "" || !strings.Contains(e.Rule, "suspicious-host.com") {
		t.Errorf("%+v", e)
	}
}

// nothing holds that the world never heard of host.
func nothing(t *testing.T, b *box, host string) {
	t.Helper()
	if a := b.world.To(host); len(a) > 0 {
		t.Errorf("dialled: %+v", a)
	}
	if slices.ContainsFunc(b.world.Queries(), func(q internet.Query) bool { return strings.Contains(q.Name, host) }) {
		t.Errorf("asked the world's DNS: %+v", b.world.Queries())
	}
}

// refusalOf is an event of the network wall's.
func refusalOf(target string) func(audit.Event) bool {
	return func(e audit.Event) bool {
		return e.Kind == audit.Network && e.Verdict == "deny" && e.Target == target
	}
}
