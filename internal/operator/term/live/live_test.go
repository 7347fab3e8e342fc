package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/cli"
	"github.com/nemoclaw/nemoclaw/test/internet"
)

// TestMain makes this program nemoclaw and openshell where it is called so.
func TestMain(m *testing.M) {
	testscript.Main(internet.M{M: m}, map[string]func(){
		"nemoclaw":  func() { os.Exit(cli.Run(os.Args)) },
		"openshell": func() { os.Exit(cli.Openshell(os.Args)) },
	})
}

// home is a state folder with one sandbox, box, in it.
type home struct {
	*testing.T
	world *internet.World
	env   []string
}

func newHome(t *testing.T) *home {
	t.Helper()
	world := internet.Use(t)
	for _, l := range host.Look().Missing() {
		if !l.Advice {
			t.Skip("needs " + l.Error())
		}
	}
	for _, p := range []string{"tmux", "curl"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip("needs " + p)
		}
	}
	dir, err := os.MkdirTemp("", "live-") // t.TempDir has the test's name in it, which is long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &home{t, world, []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "NEMOCLAW_HOME=" + filepath.Join(dir, "state"), "TMPDIR=" + os.TempDir(),
		"TERM=xterm-256color", "LC_ALL=C.UTF-8", "SHELL=/bin/sh",
	}}
	models := httptest.NewServer(http.HandlerFunc(answerAsOllama))
	t.Cleanup(models.Close)
	t.Cleanup(func() { h.run(context.Background(), "nemoclaw", "box", "destroy", "--yes") })
	h.must("onboard", "--yes", "--agent", "none", "--inference-url", models.URL, "--model", "tiny", "--name", "box")
	return h
}

func answerAsOllama(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/api/version":
		fmt.Fprint(w, `{"version":"0.17.4"}`)
	case "/api/tags":
		fmt.Fprint(w, `{"models":[{"name":"tiny:latest"}]}`)
	default:
		http.NotFound(w, r)
	}
}

func (h *home) command(ctx context.Context, argv ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = h.env
	c.WaitDelay = 5 * time.Second
	return c
}

func (h *home) run(ctx context.Context, argv ...string) (out, errs string, code int) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	c := h.command(ctx, argv...)
	var o, e bytes.Buffer
	c.Stdout, c.Stderr = &o, &e
	if err := c.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		h.Errorf("%v: %v", argv, err)
	}
	return o.String(), e.String(), c.ProcessState.ExitCode()
}

func (h *home) must(args ...string) string {
	h.Helper()
	out, errs, code := h.run(h.Context(), append([]string{"nemoclaw"}, args...)...)
	if code != 0 {
		h.Fatalf("nemoclaw %v: code %d\n%s%s", args, code, out, errs)
	}
	return out
}

// asking is a curl inside, on its way.
type asking struct {
	*exec.Cmd
	out bytes.Buffer
}

func (h *home) curl(address string) *asking {
	h.Helper()
	a := &asking{Cmd: h.command(h.Context(), "nemoclaw", "box", "exec", "--", "curl", "-sS", "--fail", "-m", "30", address)}
	a.Stdout, a.Stderr = &a.out, &a.out
	if err := a.Start(); err != nil {
		h.Fatal(err)
	}
	return a
}

// end waits for the curl, and says whether it got through.
func (a *asking) end() bool { return a.Wait() == nil }

func (h *home) policy() string {
	h.Helper()
	return h.must("box", "policy", "show")
}

// The article's Feature 2, with a real connection.
func TestHeldConnectionIsAllowedWithOneKey(t *testing.T) {
	h := newHome(t)
	s := open(t, h.env, "openshell term")
	s.see("1 of 1 sandbox running", "● box running", "ollama/tiny", "net✓ fs✓ proc✓ inf✓")

	c := h.curl("https://suspicious-host.com/hello")
	s.see("⚠ Blocked outbound request", "From: curl", "To: suspicious-host.com:443", "Time: ",
		"[Allow once] [Add to policy] [Deny always]", "1 connection held", "? asked")
	if a := h.world.To("suspicious-host.com"); len(a) > 0 {
		t.Errorf("dialled before the answer: %+v", a)
	}
	s.see(" o once ")
	s.press("o")
	if !c.end() || !strings.Contains(c.out.String(), "/hello") {
		t.Errorf("the held one: %s", &c.out)
	}
	s.see("allowed once: suspicious-host.com:443", "✓ allow ")
	s.gone("Blocked outbound request")

	// Once was once. Now the other two buttons, which are rules in the file.
	c = h.curl("https://suspicious-host.com/again")
	s.see("Blocked outbound request", " d deny always ")
	s.press("d")
	if c.end() {
		t.Errorf("denied, and got through: %s", &c.out)
	}
	s.see("denied for good: suspicious-host.com:443")
	s.gone("Blocked outbound request")
	c = h.curl("https://api.example.com/added")
	s.see("To: api.example.com:443", " p add to policy ")
	s.press("Right")
	s.press("Right")
	s.see("▸Add to policy◂")
	s.press("Enter")
	if !c.end() {
		t.Errorf("added to the policy: %s", &c.out)
	}
	s.see("added to the policy: api.example.com:443", "↻ reload")
	file := h.policy()
	if _, denied, _ := strings.Cut(file, "\ndeny:"); !strings.Contains(denied, "suspicious-host.com") || !strings.Contains(file, "api.example.com") {
		t.Errorf("the policy file:\n%s", file)
	}
	if !h.curl("https://api.example.com/later").end() {
		t.Error("from now on it is not let through")
	}
	s.press("q")
	s.see("[ended 0]")
}

// The view outlives its sandboxes, and shows what became of them.
func TestViewOutlivesTheSandbox(t *testing.T) {
	h := newHome(t)
	s := open(t, h.env, "NO_COLOR=1 openshell term box")
	s.see("● box running")
	h.must("box", "stop")
	s.see("0 of 1 sandbox running", "○ box stopped", "○ stopped")
	h.must("box", "start")
	s.see("● box running", "● started")
	c := h.curl("https://one.example.com/")
	s.see("To: one.example.com:443", " n not now ")
	if raw := s.tell("capture-pane -p -e"); strings.Contains(raw, "\x1b[3") || strings.Contains(raw, `\033[3`) {
		t.Errorf("colour in spite of NO_COLOR: %q", raw)
	}
	s.tell("resize-window -x 60 -y 12")
	// The ends of the lines show that it was painted at this size: of a size that
	// was passed over the kernel tells nobody.
	s.see("To: one.example.com:443", "[Allow once]", " n not no…")
	s.tell("resize-window -x 80 -y 24")
	s.see(" n not now ")
	s.press("n")
	if c.end() {
		t.Errorf("denied, and got through: %s", &c.out)
	}

	var st control.Status
	if err := json.Unmarshal([]byte(h.must("box", "status", "--json")), &st); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(st.SupervisorPID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.see("! box failed", "its supervisor ended")
	h.must("box", "start")
	s.see("● box running")
	h.must("box", "destroy", "--yes")
	s.see("There is no sandbox yet.")
	s.press("C-c")
	s.see("[ended 0]")
}

func TestWithoutATerminal(t *testing.T) {
	h := newHome(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"openshell", "term"}, 2, "→ nemoclaw box approvals"},
		{[]string{"openshell", "term", "nosuch"}, 1, `no sandbox named "nosuch"`},
		{[]string{"openshell", "trem"}, 2, "did you mean openshell term"},
	} {
		_, errs, code := h.run(t.Context(), c.args...)
		if code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%v: code %d, %q; want %d, %q", c.args, code, errs, c.code, c.want)
		}
	}
	if out, _, code := h.run(t.Context(), "openshell"); code != 0 || !strings.Contains(out, "openshell [command]") {
		t.Errorf("openshell: code %d, %q", code, out)
	}
}
