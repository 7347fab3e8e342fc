package registry

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// alone gives the test a home of its own, without the settings of whoever runs
// it.
func alone(t *testing.T) (home string) {
	t.Helper()
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "npm_config_") || strings.HasSuffix(lower, "_proxy") || name == "PREFIX" || name == "NODE_EXTRA_CA_CERTS" {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	home = t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("PREFIX", filepath.Join(home, "prefix"))
	return home
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFind: the registry is the one that npm would use, by npm's precedence.
func TestFind(t *testing.T) {
	home := alone(t)
	found := func(want string) {
		t.Helper()
		r, err := Find(t.Context(), nil)
		if err != nil || r.base.String() != want {
			t.Errorf("found %v (%v), want %s", r, err, want)
		}
	}
	write(t, filepath.Join(home, "prefix/etc/npmrc"), "registry = https://global.example/npm/\n")
	found("https://global.example/npm/")
	write(t, filepath.Join(home, ".npmrc"), "; mine\nregistry=${REG} # yes\n@corp:registry=\"https://corp.example\"\n")
	t.Setenv("REG", "https://user.example/")
	found("https://user.example/")
	t.Setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:4873")
	found("http://127.0.0.1:4873")
	r, err := Find(t.Context(), nil)
	if err != nil || r.at("@corp/x").Host != "corp.example" || r.at("@other/x").Host != "127.0.0.1:4873" {
		t.Errorf("scopes: %v, %v", r, err)
	}
	t.Setenv("NPM_CONFIG_REGISTRY", "ftp://x")
	if r, err := Find(t.Context(), nil); err == nil {
		t.Errorf("an ftp registry: %+v", r)
	}
}

// TestFindAsksNpm: without any file or variable npm is asked; without npm the
// error says what to do.
func TestFindAsksNpm(t *testing.T) {
	home := alone(t)
	if _, err := os.Stat("/etc/npmrc"); err == nil && read(nil, os.LookupEnv)["registry"] != "" {
		t.Skip("needs a machine whose /etc/npmrc names no registry")
	}
	write(t, filepath.Join(home, "bin/npm"), "#!/bin/sh\n[ \"$*\" = \"config get registry\" ] && echo https://asked.example/\n")
	if err := os.Chmod(filepath.Join(home, "bin/npm"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(home, "bin")+":/usr/bin:/bin")
	if r, err := Find(t.Context(), nil); err != nil || r.base.Host != "asked.example" {
		t.Errorf("asked npm: %v, %v", r, err)
	}
	t.Setenv("PATH", home)
	_, err := Find(t.Context(), nil)
	var none *None
	if !errors.As(err, &none) || !strings.Contains(none.Hint(), "npm") {
		t.Errorf("without npm: %v", err)
	}
}

func TestParse(t *testing.T) {
	env := func(name string) (string, bool) { return "value", name == "SET" }
	got := parse(strings.Join([]string{
		"# comment", "; comment", "[section]", "plain = a b", "quoted=\"a;b\"", "single='c'", "cut=a;b", "escaped=a\\;b",
		"env=${SET}", "unset=${UNSET}", "maybe=${UNSET?}", "flag", "ca[]=one", "ca[]=two", "//host/:_authToken=t=1",
	}, "\n"), env)
	for key, want := range map[string]string{
		"plain": "a b", "quoted": "a;b", "single": "c", "cut": "a", "escaped": "a;b", "env": "value", "unset": "${UNSET}",
		"maybe": "", "flag": "true", "ca": "one\ntwo", "//host/:_authToken": "t=1",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}

// TestCredentials: they go to the host and path that they are for, and nowhere
// else, not after a redirect either.
func TestCredentials(t *testing.T) {
	seen := map[string]string{}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		seen["elsewhere"] = q.Header.Get("Authorization")
		io.WriteString(w, "tarball")
	}))
	defer elsewhere.Close()
	other, _ := url.Parse(elsewhere.URL)
	other.Host = "localhost:" + other.Port() // another name than the registry's
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		seen[q.URL.Path] = q.Header.Get("Authorization")
		http.Redirect(w, q, other.String(), http.StatusFound)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	r, err := fromSettings(settings{"registry": server.URL + "/npm", "//" + host + "/npm/:_authToken": "secret", "//other.example/:_authToken": "wrong"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Tarball(t.Context(), "a", "1.0.0", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if seen["/npm/a/-/a-1.0.0.tgz"] != "Bearer secret" {
		t.Errorf("the registry saw %q", seen)
	}
	if seen["elsewhere"] != "" {
		t.Errorf("the other host saw %q", seen["elsewhere"])
	}
	for set, want := range map[string]string{"_auth": "Basic dTpw", "username": "Basic dTpw"} {
		s := settings{"registry": server.URL, "//" + host + "/:" + set: "dTpw"}
		if set == "username" {
			s["//"+host+"/:username"], s["//"+host+"/:_password"] = "u", "cA=="
		}
		r, err := fromSettings(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		to, _ := url.Parse(server.URL + "/deep/path")
		if got := r.credentials(to); got != want {
			t.Errorf("%s: %q, want %q", set, got, want)
		}
	}
}

// TestGetElsewhere: a registry that keeps tarballs in places of its own says
// where.
func TestGetElsewhere(t *testing.T) {
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.EscapedPath() {
		case "/%40s%2Fa", "/@s%2Fa":
			fmt.Fprintf(w, `{"versions": {"1.0.0": {"dist": {"tarball": "%s/files/1234"}}}}`, server.URL)
		case "/files/1234":
			io.WriteString(w, "tarball")
		default:
			http.NotFound(w, q)
		}
	}))
	defer server.Close()
	r, err := At(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Tarball(t.Context(), "@s/a", "1.0.0", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if body, _ := io.ReadAll(got.Body); string(body) != "tarball" {
		t.Errorf("got %q", body)
	}
	var status *Status
	if _, err := r.Tarball(t.Context(), "@s/a", "2.0.0", 0); !errors.As(err, &status) || status.Code != http.StatusNotFound || status.Passing() {
		t.Errorf("a version that is not there: %v", err)
	}
}

// TestGetRange: a rest is only taken for a rest if the registry says that it
// is one.
func TestGetRange(t *testing.T) {
	serve := func(code int, contentRange string) int64 {
		t.Helper()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if contentRange != "" {
				w.Header().Set("Content-Range", contentRange)
			}
			w.WriteHeader(code)
		}))
		defer server.Close()
		r, err := At(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Tarball(t.Context(), "a", "1.0.0", 100)
		if err != nil {
			return -1
		}
		got.Body.Close()
		return got.Offset
	}
	for _, c := range []struct {
		code int
		says string
		want int64
	}{{206, "bytes 100-199/200", 100}, {200, "", 0}, {206, "bytes 50-199/200", -1}, {206, "", -1}, {500, "", -1}} {
		if got := serve(c.code, c.says); got != c.want {
			t.Errorf("%d %q: offset %d, want %d", c.code, c.says, got, c.want)
		}
	}
}

// TestCertificates: a registry with a certificate of its own is reached with
// cafile, and not without.
func TestCertificates(t *testing.T) {
	home := alone(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "tarball") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the refusals are what is tested
	server.StartTLS()
	defer server.Close()
	reach := func() error {
		r, err := Find(context.Background(), nil)
		if err != nil {
			return err
		}
		got, err := r.Tarball(t.Context(), "a", "1.0.0", 0)
		if err == nil {
			got.Body.Close()
		}
		return err
	}
	t.Setenv("npm_config_registry", server.URL)
	if err := reach(); err == nil {
		t.Error("reached without its certificate")
	}
	ca := filepath.Join(home, "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	for _, setting := range []string{"NPM_CONFIG_CAFILE", "NODE_EXTRA_CA_CERTS"} {
		t.Setenv(setting, ca)
		if err := reach(); err != nil {
			t.Errorf("%s: %v", setting, err)
		}
		t.Setenv(setting, "")
	}
	t.Setenv("npm_config_strict_ssl", "false")
	if err := reach(); err != nil {
		t.Errorf("strict-ssl=false: %v", err)
	}
	t.Setenv("npm_config_cafile", filepath.Join(home, "missing.pem"))
	if err := reach(); err == nil || !strings.Contains(err.Error(), "certificates") {
		t.Errorf("a cafile that is not there: %v", err)
	}
}

// TestProxy: npm's proxy settings come before the environment's, and what was
// settled at onboarding is for a start without either.
func TestProxy(t *testing.T) {
	alone(t)
	to, _ := url.Parse("https://registry.example/a")
	settled := func(*url.URL) (*url.URL, error) { return url.Parse("http://settled.example:3") }
	t.Setenv("HTTPS_PROXY", "")
	t.Setenv("https_proxy", "")
	if got, err := proxies(settings{}, settled)(to); err != nil || got == nil || got.Host != "settled.example:3" {
		t.Errorf("without an environment: %v, %v", got, err)
	}
	t.Setenv("HTTPS_PROXY", "http://env.example:1")
	for want, set := range map[string]settings{
		"env.example:1": {},
		"npm.example:2": {"https-proxy": "http://npm.example:2"},
		"":              {"noproxy": "registry.example"},
	} {
		got, err := proxies(set, settled)(to)
		host := ""
		if got != nil {
			host = got.Host
		}
		if err != nil || host != want {
			t.Errorf("%v: proxy %q (%v), want %q", set, host, err, want)
		}
	}
}
