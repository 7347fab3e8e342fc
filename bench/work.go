package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/test/registry"
)

// workGoal is what real work may cost inside, against outside.
const workGoal = 1.05

// jobs are real work, each a script that is given the address of what it fetches
// from. Nothing is cached from one turn to the next.
var jobs = []struct {
	what   string
	rounds int
	script string
}{
	{"npm install of 75 packages", 15, `printf '{"dependencies":{"@node-rs/xxhash":"1.7.6","express":"5.1.0","typescript":"5.9.3"}}' > package.json
		npm install --silent --registry "$1" --no-audit --no-fund`},
	{"git clone of this project", 5, `git clone -q "$1/project.git"`},
	{"go build of this project's init", 3, `git clone -q --depth 1 "$2/project.git" && cd project
		GOPROXY=$1 GONOSUMDB='*' GOFLAGS=-modcacherw CGO_ENABLED=0 go build -o /dev/null ./cmd/init`},
}

// measureWork compares the time of real work inside and outside. What it fetches
// is served on this machine's loopback, which inside is behind the gate.
func measureWork(ctx context.Context, g *ground) ([]row, error) {
	if err := g.ready(ctx); err != nil {
		return nil, err
	}
	servers, end, err := g.registries(ctx)
	if err != nil {
		g.lacks("real work", err)
		return nil, nil
	}
	defer end()
	for _, s := range servers {
		if _, err := timed(g.command(ctx, box, "policy", "add", "host.nemoclaw.internal:"+s.Port())); err != nil {
			return nil, err
		}
	}
	npm, git, modules := servers[0], servers[1], servers[2]
	from := [][]*url.URL{{npm}, {git}, {modules, git}}
	var rows []row
	for i, j := range jobs {
		in := contender{name: "inside", once: func(ctx context.Context) (time.Duration, error) {
			return g.job(g.command(ctx, box, "exec", "--", "bash"), j.script, "/sandbox", inside(from[i]))
		}}
		out := contender{name: "outside", once: func(ctx context.Context) (time.Duration, error) {
			bash := exec.CommandContext(ctx, "bash")
			bash.Env = plainNode(os.Environ())
			return g.job(bash, j.script, filepath.Join(g.dir, "work"), from[i])
		}}
		race(ctx, j.rounds, []*contender{&in, &out})
		if err := errors.Join(in.out, out.out); err != nil {
			return rows, err
		}
		rows = append(rows, beside("real work: "+j.what, in.took.median(), "outside", out.took.median(), workGoal))
	}
	return rows, nil
}

// inside is where the same servers are for the sandbox.
func inside(all []*url.URL) (out []*url.URL) {
	for _, u := range all {
		out = append(out, &url.URL{Scheme: u.Scheme, Host: "host.nemoclaw.internal:" + u.Port()})
	}
	return out
}

// plainNode is env as most machines have it: this one may tell Node of further
// certificates, and then every process of Node's outside is slower.
func plainNode(env []string) []string {
	return slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, "NODE_EXTRA_CA_CERTS=") })
}

// job has c, a shell, do script in a new folder below dir. What the turn before
// has left to be written goes to the disk first.
func (g *ground) job(c *exec.Cmd, script, dir string, from []*url.URL) (time.Duration, error) {
	const around = `set -e; d=$(mktemp -d "$0/job-XXXXXX"); cd "$d"; export HOME=$d GOCACHE=$d/cache GOMODCACHE=$d/modules PATH=$PATH:/usr/local/go/bin
		trap 'rm -rf "$d"' EXIT; `
	c.Args = append(c.Args, "-c", around+script, dir)
	for _, u := range from {
		c.Args = append(c.Args, u.String())
	}
	unix.Sync()
	return timed(c)
}

// registries serves npm packages, this repository and Go modules.
func (g *ground) registries(ctx context.Context) (at []*url.URL, end func(), err error) {
	npm, err := registry.NPM(filepath.Join(g.root, ".cache", "registry", "npm"))
	if err != nil {
		return nil, nil, err
	}
	modules, err := registry.Go()
	if err != nil {
		return nil, nil, err
	}
	dir := filepath.Join(g.dir, "repositories")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	clone := exec.CommandContext(ctx, "git", "clone", "-q", "--bare", g.root, filepath.Join(dir, "project.git"))
	if out, err := clone.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("copy this repository: %w: %s", err, out)
	}
	git, err := registry.Git(dir)
	if err != nil {
		return nil, nil, err
	}
	var servers []*httptest.Server
	end = func() {
		for _, s := range servers {
			s.Close()
		}
	}
	for _, h := range []http.Handler{npm, git, modules} {
		s := httptest.NewServer(h)
		servers = append(servers, s)
		u, err := url.Parse(s.URL)
		if err != nil {
			end()
			return nil, nil, err
		}
		at = append(at, u)
	}
	return at, end, nil
}
