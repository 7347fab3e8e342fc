package preset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// NoHosts is a tool that did not say where its packages come from.
type NoHosts struct {
	Tool string
	Err  error
}

func (e *NoHosts) Error() string {
	return fmt.Sprintf("ask %s where its packages come from: %v", e.Tool, e.Err)
}

func (e *NoHosts) Unwrap() error { return e.Err }

// Hint is the way without the tool.
func (e *NoHosts) Hint() string {
	return "set " + e.Tool + " up on this machine, or name the host: nemoclaw NAME policy add HOST[:PORT]"
}

// patience is how long a tool may take to say what its configuration is: pip
// takes seconds on a busy machine.
const patience = 30 * time.Second

// maxAnswer bounds what is read of a tool's answer, in bytes.
const maxAnswer = 1 << 20

var errNothing = errors.New("its configuration names no host")

// configured gives the hosts that a tool's configuration names.
func configured(ctx context.Context, tool string) ([]policy.Entry, []string, error) {
	ask := map[string]func(context.Context) (places, error){"npm": npm, "pip": pip, "go": goProxy, "docker": docker}[tool]
	if ask == nil {
		return nil, nil, fmt.Errorf("read preset: hosts of %q: unknown tool", tool)
	}
	found, err := ask(ctx)
	if err == nil && len(found.entries) == 0 {
		err = errNothing
	}
	if err != nil {
		return nil, nil, &NoHosts{tool, err}
	}
	return found.entries, found.left, nil
}

// places gathers what a tool said.
type places struct {
	entries []policy.Entry
	left    []string
}

// add takes the host and port of a URL; a bare host is meant by https.
func (p *places) add(text, why string) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return // a folder of this machine, or nothing that can be reached
	}
	port := policy.Port(443)
	if u.Scheme == "http" {
		port = 80
	}
	if u.Port() != "" {
		if port, err = policy.ParsePort(u.Port()); err != nil {
			return
		}
	}
	p.put(policy.Entry{Host: u.Hostname(), Port: port, Note: why})
}

func (p *places) put(e policy.Entry) {
	if !slices.ContainsFunc(p.entries, func(o policy.Entry) bool { return o.Host == e.Host && o.Port == e.Port }) {
		p.entries = append(p.entries, e)
	}
}

// npm: the registry, and those of scopes ("@scope:registry").
func npm(ctx context.Context) (places, error) {
	var found places
	answer, err := run(ctx, "npm", "config", "list", "--json")
	if err != nil {
		return found, err
	}
	var config map[string]any
	if err := json.Unmarshal(answer, &config); err != nil {
		return found, errors.New("its answer is no JSON")
	}
	if at, ok := config["registry"].(string); ok {
		found.add(at, "npm's registry")
	}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		scope, isScope := strings.CutSuffix(key, ":registry")
		if at, ok := config[key].(string); ok && isScope {
			found.add(at, "npm's registry for "+scope)
		}
	}
	return found, nil
}

// goProxy: GOPROXY is a list of URLs and the words direct and off; GOSUMDB is a
// host, "NAME+KEY" or "NAME+KEY URL".
func goProxy(ctx context.Context) (places, error) {
	var found places
	answer, err := run(ctx, "go", "env", "-json", "GOPROXY", "GOSUMDB")
	if err != nil {
		return found, err
	}
	var env struct{ GOPROXY, GOSUMDB string }
	if err := json.Unmarshal(answer, &env); err != nil {
		return found, errors.New("its answer is no JSON")
	}
	for _, at := range strings.FieldsFunc(env.GOPROXY, func(r rune) bool { return r == ',' || r == '|' }) {
		switch at {
		case "off":
		case "direct":
			found.left = append(found.left, "modules that the proxy does not have come from their own hosts, which are asked about")
		default:
			found.add(at, "go's module proxy")
		}
	}
	sums := strings.Fields(env.GOSUMDB)
	if len(sums) > 0 && sums[0] != "off" {
		name, _, _ := strings.Cut(sums[len(sums)-1], "+")
		found.add(name, "go's checksum database")
	}
	return found, nil
}

// builtIn asks pip for the index that it uses where nothing is configured, and
// for the host of that index's files.
const builtIn = `import json
from pip._internal.models.index import PyPI
print(json.dumps([PyPI.simple_url, PyPI.file_storage_domain]))`

// pip: the environment comes before the configuration, as in pip itself.
func pip(ctx context.Context) (places, error) {
	var found places
	index, err := pipSetting(ctx, "index-url")
	if err != nil {
		return found, err
	}
	extra, err := pipSetting(ctx, "extra-index-url")
	if err != nil {
		return found, err
	}
	for _, at := range append(index, extra...) {
		found.add(at, "pip's package index")
	}
	if len(index) > 0 {
		found.left = append(found.left, "an index may keep its files on other hosts, which are asked about")
		return found, nil
	}
	answer, err := runFirst(ctx, []string{"python3", "python"}, "-c", builtIn)
	if err != nil {
		return found, err
	}
	var at []string
	if err := json.Unmarshal(answer, &at); err != nil || len(at) != 2 {
		return found, errors.New("no index is configured, and it does not say which is built in")
	}
	found.add(at[0], "pip's package index")
	found.add(at[1], "the files of pip's package index")
	return found, nil
}

// pipSetting is empty where nothing is set.
func pipSetting(ctx context.Context, name string) ([]string, error) {
	if text := os.Getenv("PIP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))); text != "" {
		return strings.Fields(text), nil
	}
	answer, err := runFirst(ctx, []string{"pip3", "pip"}, "config", "get", "global."+name)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() { // pip's way to say that it is not set
		return nil, nil
	}
	return strings.Fields(string(answer)), err
}

// docker: what the daemon is configured for or, where none runs, what the
// operator is signed in to.
func docker(ctx context.Context) (places, error) {
	var found places
	answer, err := run(ctx, "docker", "info", "--format", "{{json .RegistryConfig}}")
	var config struct {
		Mirrors      []string
		IndexConfigs map[string]struct {
			Name     string
			Mirrors  []string
			Official bool
		}
	}
	if err == nil {
		err = json.Unmarshal(answer, &config)
	}
	for _, at := range config.Mirrors {
		found.add(at, "docker's mirror")
	}
	for _, name := range slices.Sorted(maps.Keys(config.IndexConfigs)) {
		index := config.IndexConfigs[name]
		for _, at := range index.Mirrors {
			found.add(at, "docker's mirror")
		}
		switch {
		case index.Official: // its registry and its sign-in are hosts below its name
			found.put(policy.Entry{Host: "*." + index.Name, Port: 443, Note: "docker's default registry"})
		case index.Name != "":
			found.add(index.Name, "docker's registry")
		}
	}
	for _, at := range signedIn() {
		found.add(at, "a registry that docker is signed in to")
	}
	if len(found.entries) == 0 && err != nil {
		return found, err
	}
	found.left = append(found.left, "large layers may come from hosts that a registry names, which are asked about")
	return found, nil
}

// signedIn are the registries of docker's config.json; none where there is no
// such file.
func signedIn() []string {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil
		}
		dir = filepath.Join(home, ".docker")
	}
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil
	}
	var config struct {
		Auths map[string]json.RawMessage `json:"auths"`
	}
	if json.Unmarshal(text, &config) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(config.Auths))
}

// runFirst runs the first of these programs that is there.
func runFirst(ctx context.Context, programs []string, args ...string) ([]byte, error) {
	for _, program := range programs[:len(programs)-1] {
		if _, err := exec.LookPath(program); err == nil {
			return run(ctx, program, args...)
		}
	}
	return run(ctx, programs[len(programs)-1], args...)
}

// run gives a tool's answer. It runs in the root folder: in another one a
// project could set a registry of its own, or a module that python loads.
func run(ctx context.Context, program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.Dir = "/"
	c.Env = append(os.Environ(), "PWD=/", "GOTOOLCHAIN=local", "PIP_DISABLE_PIP_VERSION_CHECK=1")
	c.WaitDelay = time.Second // for what it left behind with its pipe
	out := &bounded{}
	c.Stdout = out
	err := c.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("it is not on this machine")
	case ctx.Err() != nil:
		return nil, fmt.Errorf("no answer within %s", patience)
	case err != nil:
		return nil, err
	}
	return out.Bytes(), nil
}

// bounded keeps the beginning of an answer and drops the rest.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, maxAnswer-b.Len()))])
	return len(p), nil
}
