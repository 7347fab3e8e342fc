package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// box is the name of the sandbox that all chapters share.
const box = "bench"

// ground is where the measurements take place: a folder below .cache with a
// state folder, a model server and one sandbox of the bench's own.
type ground struct {
	root    string // the repository
	dir     string // ours
	program string // bin/nemoclaw
	probe   string // the built bench/probe, also at /sandbox/probe/probe inside
	model   *httptest.Server
	running bool // the shared sandbox was made
	closers []func() error
	missing []absent
}

func newGround(ctx context.Context, program string) (g *ground, err error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("find the repository: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	g = &ground{root: root, program: program}
	if program == "" {
		g.program = filepath.Join(root, "bin", "nemoclaw")
	}
	if _, err := os.Stat(g.program); err != nil {
		return nil, fmt.Errorf("needs the program: run make build: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(root, ".cache"), 0o755); err != nil {
		return nil, err
	}
	if g.dir, err = os.MkdirTemp(filepath.Join(root, ".cache"), "bench-"); err != nil {
		return nil, err
	}
	if err := g.furnish(ctx); err != nil {
		return nil, errors.Join(err, g.clear())
	}
	return g, nil
}

func (g *ground) furnish(ctx context.Context) error {
	for _, name := range []string{"probe", "work"} {
		if err := os.Mkdir(filepath.Join(g.dir, name), 0o755); err != nil {
			return err
		}
	}
	// A copy: a build that ends while we measure changes nothing.
	b, err := os.ReadFile(g.program)
	if err != nil {
		return err
	}
	g.program = filepath.Join(g.dir, "nemoclaw")
	if err := os.WriteFile(g.program, b, 0o755); err != nil {
		return err
	}
	g.probe = filepath.Join(g.dir, "probe", "probe")
	build := exec.CommandContext(ctx, "go", "build", "-o", g.probe, "./bench/probe")
	build.Dir = g.root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build ./bench/probe: %w: %s", err, out)
	}
	g.model = httptest.NewServer(http.HandlerFunc(modelServer))
	return nil
}

// modelServer answers what a start asks of an Ollama.
func modelServer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/api/version":
		fmt.Fprint(w, `{"version":"0.12.0"}`)
	case "/api/tags":
		fmt.Fprint(w, `{"models":[{"name":"tiny:latest","model":"tiny:latest"}]}`)
	default:
		http.NotFound(w, r)
	}
}

// sandbox is where the state of the shared sandbox lies.
func (g *ground) sandbox() state.Sandbox { return state.Home{Dir: g.home()}.Sandbox(box) }

func (g *ground) home() string { return filepath.Join(g.dir, "home") }

// control is the shared sandbox's control socket.
func (g *ground) control() *control.Client { return control.Dial(g.sandbox().ControlSocket()) }

// command is one call of nemoclaw.
func (g *ground) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, g.program, args...)
	c.Env = append(os.Environ(), "NEMOCLAW_HOME="+g.home())
	c.Dir = filepath.Join(g.dir, "work")
	return c
}

// onboard makes a sandbox and returns when it is healthy.
func (g *ground) onboard(ctx context.Context, name string, args ...string) (time.Duration, error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	args = append([]string{"onboard", "--yes", "--name", name, "--provider", "ollama", "--inference-url", g.model.URL,
		"--model", "tiny", "--gateway-port", port}, args...)
	return timed(g.command(ctx, args...))
}

func (g *ground) destroy(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := timed(g.command(ctx, name, "destroy", "--yes"))
	return err
}

// ready makes the shared sandbox where it does not run yet.
func (g *ground) ready(ctx context.Context) error {
	if g.running {
		return nil
	}
	if _, err := g.onboardShell(ctx); err != nil {
		return err
	}
	g.running = true
	return nil
}

func (g *ground) onboardShell(ctx context.Context) (time.Duration, error) {
	return g.onboard(ctx, box, "--agent", "none", "--mount", filepath.Dir(g.probe)+":/sandbox/probe:ro")
}

// lacks notes who does not take part.
func (g *ground) lacks(who string, why error) {
	g.missing = append(g.missing, absent{who, strings.ReplaceAll(why.Error(), g.dir, "…")})
}

// end ends what a chapter started, newest first: the next one may restart the
// sandbox, and has two cores for itself.
func (g *ground) end() error {
	var all []error
	for i := len(g.closers) - 1; i >= 0; i-- {
		all = append(all, g.closers[i]())
	}
	g.closers = nil
	return errors.Join(all...)
}

// clear ends what is left, and deletes the folder.
func (g *ground) clear() error {
	all := []error{g.end()}
	if g.running {
		all = append(all, g.destroy(box))
	}
	if g.model != nil {
		g.model.Close()
	}
	return errors.Join(append(all, os.RemoveAll(g.dir))...)
}

// timed runs c and says how long it took from fork to wait.
func timed(c *exec.Cmd) (time.Duration, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	began := time.Now()
	err := c.Run()
	took := time.Since(began)
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", filepath.Base(c.Path), err, lastLine(out.String()))
	}
	return took, err
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
