package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/test/internet"
)

// On a company's network whatever leaves goes by its proxy, which onboarding
// finds in the environment: the agent's connections and the router's calls. The
// password lies in the store of secrets alone.
func TestCompanyProxy(t *testing.T) {
	h := newHome(t)
	proxy := h.world.Proxy("proxy.corp.example", 3128, "me:open sesame")
	h.modelSite("integrate.api.nvidia.com")
	h.env = append(h.env, "HTTPS_PROXY=http://me:open%20sesame@proxy.corp.example:3128", "NO_PROXY=.intra.example")
	b := h.shell("box", `egress:
- {host: api.github.com, port: 443}
- {host: wiki.intra.example, port: 443}
unlisted: deny
`)
	set := b.text(b.file("sandbox.yaml"))
	if !strings.Contains(set, "url: http://proxy.corp.example:3128") || !strings.Contains(set, ".intra.example") || !strings.Contains(set, "credential: proxy") {
		t.Errorf("sandbox.yaml:\n%s", set)
	}
	if found := grep(t, "sesame", h.dir); found != "" {
		t.Errorf("the password stands in %s", found)
	}
	// A start without the environment, as a boot system makes it.
	h.env = slices.DeleteFunc(h.env, func(e string) bool { return strings.Contains(e, "_PROXY=") })
	b.do("restart")
	for _, host := range []string{"api.github.com", "wiki.intra.example"} {
		if r := b.exec("curl", "-fsS", "https://"+host+"/"); r.code != 0 {
			t.Error(r)
		}
	}
	if r := b.exec("curl", "-fsS", "https://other.example/"); r.code == 0 {
		t.Error(r)
	}
	if got := proxy.Asked(); !slices.Equal(got, []string{"api.github.com:443"}) || proxy.Denied() != 0 {
		t.Errorf("the proxy was asked for %q", got)
	}
	asked := func(name string) bool {
		return slices.ContainsFunc(h.world.Queries(), func(q internet.Query) bool { return q.Name == name })
	}
	if asked("api.github.com") || !asked("wiki.intra.example") {
		t.Errorf("looked up here: %+v", h.world.Queries())
	}

	h.run(t.Context(), strings.NewReader("k-123\n"), "secret", "set", "nvidia", "--stdin")
	b.save(b.file("inference.yaml"), "routes:\n  - model: \"*\"\n    to: nvidia/some/model\nproviders:\n  nvidia: {url: \"https://integrate.api.nvidia.com/v1\", key: nvidia}\n")
	b.do("reload-inference")
	if r := b.sh(chat + question + "http://127.0.0.1:11434/v1/chat/completions"); !strings.HasSuffix(r.out, "\n200") {
		t.Error(r)
	}
	if got := proxy.Asked(); !slices.Contains(got, "integrate.api.nvidia.com:443") || asked("integrate.api.nvidia.com") {
		t.Errorf("the router's call: the proxy was asked for %q", got)
	}
}

// A command's throw-away sandbox has no settings: the environment counts.
func TestRunBehindAProxy(t *testing.T) {
	h := newHome(t)
	proxy := h.world.Proxy("proxy.corp.example", 3128, "me:open sesame")
	h.env = append(h.env, "https_proxy=http://me:open%20sesame@proxy.corp.example:3128")
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(article), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := h.nemoclaw("run", "--policy", file, "--", "sh", "-c", "curl -fsS https://api.github.com/ && ! env | grep -i sesame"); r.code != 0 {
		t.Error(r)
	}
	if r := h.nemoclaw("run", "--policy", file, "--", "curl", "-fsS", "https://suspicious-host.com/"); r.code == 0 {
		t.Error(r)
	}
	if got := proxy.Asked(); !slices.Equal(got, []string{"api.github.com:443"}) {
		t.Errorf("the proxy was asked for %q", got)
	}
}

// A proxy that cannot be used is said before anything is made.
func TestProxiesThatAreRefused(t *testing.T) {
	h := newHome(t)
	for _, c := range []struct{ flag, word string }{
		{"https://proxy.corp.example:3128", "https proxies are not supported"},
		{"socks5://proxy.corp.example:1080", "socks5 proxies are not supported"},
		{"http://me:hidden@proxy.corp.example:3128", "a password on the command line"},
	} {
		r := h.refuses(2, []string{c.word, "→"}, "onboard", "--yes", "--agent", "none", "--inference-url", modelServer(t), "--model", "tiny", "--name", "box", "--proxy", c.flag)
		if strings.Contains(r.err, "hidden") {
			t.Error(r)
		}
	}
	if _, err := os.Stat(filepath.Join(h.dir, "box")); err == nil {
		t.Error("a sandbox was made")
	}
}
