package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Registry is where packages come from. It is safe for concurrent use.
type Registry struct {
	base   *url.URL
	scopes map[string]*url.URL // @scope -> its own registry
	set    settings
	client *http.Client
}

// None says that no registry is known.
type None struct {
	What  string // what was looked for; "" is the package registry
	Cause error
	Help  string // what helps; "" is what npm wants
}

func (n *None) Error() string {
	what := n.What
	if what == "" {
		what = "the package registry"
	}
	return fmt.Sprintf("find %s: %v", what, n.Cause)
}

// Unwrap gives the cause.
func (n *None) Unwrap() error { return n.Cause }

// Hint is what helps.
func (n *None) Hint() string {
	if n.Help != "" {
		return n.Help
	}
	return "install npm (apt-get install npm), or set npm_config_registry to the URL of your package registry"
}

// Find reads npm's configuration of this user and machine. proxy is the way to
// it where neither that nor the environment names one; nil: directly.
func Find(ctx context.Context, proxy func(*url.URL) (*url.URL, error)) (*Registry, error) {
	set := read(os.Environ(), os.LookupEnv)
	if set["registry"] == "" {
		named, err := askNpm(ctx)
		if err != nil {
			return nil, &None{Cause: err}
		}
		set["registry"] = named
	}
	return fromSettings(set, proxy)
}

// At is the registry at base, with nothing configured.
func At(base string) (*Registry, error) { return fromSettings(settings{"registry": base}, nil) }

func fromSettings(set settings, proxy func(*url.URL) (*url.URL, error)) (*Registry, error) {
	base, err := parseBase(set["registry"])
	if err != nil {
		return nil, &None{Cause: err}
	}
	r := &Registry{base: base, scopes: map[string]*url.URL{}, set: set}
	for key, value := range set {
		scope, ok := strings.CutSuffix(key, ":registry")
		if !ok || !strings.HasPrefix(scope, "@") {
			continue
		}
		if r.scopes[scope], err = parseBase(value); err != nil {
			return nil, &None{Cause: fmt.Errorf("%s: %w", key, err)}
		}
	}
	if r.client, err = newClient(set, proxy); err != nil {
		return nil, err
	}
	return r, nil
}

func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("registry: not an http or https URL")
	}
	u.RawQuery, u.Fragment = "", ""
	return u, nil
}

// read joins the places in npm's order.
func read(environ []string, env func(string) (string, bool)) settings {
	set := fromEnviron(environ)
	user := set["userconfig"]
	if home, ok := env("HOME"); user == "" && ok {
		user = filepath.Join(home, ".npmrc")
	}
	set.under(readFile(user, env))
	global := set["globalconfig"]
	if global == "" {
		global = filepath.Join(prefix(set, env), "etc", "npmrc")
	}
	return set.under(readFile(global, env)).under(readFile("/etc/npmrc", env))
}

// prefix is npm's: set, in PREFIX, or two folders above the node in PATH.
func prefix(set settings, env func(string) (string, bool)) string {
	if set["prefix"] != "" {
		return set["prefix"]
	}
	if named, ok := env("PREFIX"); ok && named != "" {
		return named
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return "/usr/local"
	}
	if real, err := filepath.EvalSymlinks(node); err == nil {
		node = real
	}
	return filepath.Dir(filepath.Dir(node))
}

// askNpm asks npm for the registry it would use, outside of any project.
func askNpm(ctx context.Context) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("npm's configuration names none, and npm is not installed")
	}
	cmd := exec.CommandContext(ctx, npm, "config", "get", "registry")
	cmd.Dir = "/"
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("npm config get registry: %w: %s", err, firstLine(said.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
