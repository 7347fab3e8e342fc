package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
)

func TestStatusForPrograms(t *testing.T) {
	b := newShell(t, article)
	var st struct {
		Name, State string
		Blueprint   struct {
			Version, Digest string
			Verified        bool
		}
		Walls map[string]struct {
			Enforced bool
			Proof    string
		}
		Inference struct {
			Model     string
			Connected bool
		}
		NetworkPolicy struct {
			Active   bool
			Rules    int
			Revision string
		} `json:"network_policy"`
		GatewayPort   *int `json:"gateway_port"`
		SupervisorPID int  `json:"supervisor_pid"`
		Uptime        *int `json:"uptime_seconds"`
	}
	if err := json.Unmarshal([]byte(b.do("status", "--json")), &st); err != nil {
		t.Fatal(err)
	}
	if st.Name != "box" || st.State != "running" || st.SupervisorPID <= 1 || st.GatewayPort == nil || st.Uptime == nil {
		t.Errorf("%+v", st)
	}
	if b := st.Blueprint; b.Version == "" || !strings.HasPrefix(b.Digest, "sha256:") || !b.Verified {
		t.Errorf("%+v", b)
	}
	for _, w := range []string{"network", "filesystem", "process", "inference"} {
		if !st.Walls[w].Enforced || st.Walls[w].Proof == "" {
			t.Errorf("%s: %+v", w, st.Walls[w])
		}
	}
	if i := st.Inference; i.Model != "ollama/tiny" || !i.Connected {
		t.Errorf("%+v", i)
	}
	if p := st.NetworkPolicy; !p.Active || p.Rules != 3 || len(p.Revision) != 12 {
		t.Errorf("%+v", p)
	}
}

func TestWallsThatTheOperatorSwitchedOff(t *testing.T) {
	b := newShell(t, "", "--no-network-policy", "--no-filesystem-policy")
	st := b.status()
	if st.Walls.Network.Enforced || st.Walls.Network.Proof != "off (operator)" || st.NetworkPolicy.Active {
		t.Errorf("network: %+v, %+v", st.Walls.Network, st.NetworkPolicy)
	}
	if st.Walls.Filesystem.Enforced || st.Walls.Filesystem.Proof != "off (operator)" {
		t.Errorf("filesystem: %+v", st.Walls.Filesystem)
	}
	if !st.Walls.Process.Enforced || !st.Walls.Inference.Enforced || !st.Healthy {
		t.Errorf("%+v", st)
	}
	if r := b.exec("curl", "-fsS", "https://anything.example.net/"); r.code != 0 {
		t.Error(r)
	}
	if a := b.world.To("anything.example.net"); len(a) != 1 {
		t.Errorf("arrived: %+v", a)
	}
}

func TestEditedSettingsNeedARebuild(t *testing.T) {
	b := newShell(t, article)
	b.sh("echo kept > /sandbox/note")
	settings := b.text(b.file("sandbox.yaml"))
	edited := strings.Replace(settings, "pids: 1024", "pids: 512", 1)
	if edited == settings {
		t.Fatal(settings)
	}
	b.save(b.file("sandbox.yaml"), edited)
	const hint = "→ nemoclaw box rebuild"
	b.refuses(1, []string{"sandbox.yaml was edited", hint}, "box", "restart")
	b.do("stop")
	b.refuses(1, []string{"sandbox.yaml was edited", hint}, "box", "start")
	if st := b.status(); st.State == control.Running {
		t.Errorf("%+v", st)
	}
	b.do("rebuild")
	if st := b.status(); !st.Healthy || !slices.ContainsFunc(st.Limits, func(l string) bool { return strings.Contains(l, "512") }) {
		t.Errorf("after a rebuild: %+v", st)
	}
	b.prints("kept", "cat /sandbox/note")
	if r := b.exec("curl", "-fsS", "https://api.github.com/"); r.code != 0 {
		t.Errorf("the policy after a rebuild: %s", r)
	}
	b.save(b.file("sandbox.yaml"), settings+"# mine\n")
	b.refuses(1, []string{"sandbox.yaml was edited", hint}, "box", "rollback")
	if now := b.text(b.file("sandbox.yaml")); now != settings+"# mine\n" {
		t.Errorf("a rollback over an edit: %s", now)
	}
	b.save(b.file("sandbox.yaml"), edited)
	b.do("rollback")
	if now := b.text(b.file("sandbox.yaml")); now != settings {
		t.Errorf("after a rollback: %s", now)
	}
}

func TestTwoSideBySide(t *testing.T) {
	h := newHome(t)
	one := h.shell("one", article)
	two := h.shell("two", "egress:\n  - host: second.example.org\n    port: 443\nunlisted: deny\n")
	one.sh("echo mine > /sandbox/secret; echo mine > /tmp/secret")
	two.prints("", "cat /sandbox/secret /tmp/secret 2>/dev/null; true")
	if r := one.exec("curl", "-fsS", "https://api.github.com/"); r.code != 0 {
		t.Error(r)
	}
	if r := two.exec("curl", "-fsS", "https://api.github.com/"); r.code == 0 {
		t.Error(r)
	}
	var all []struct{ Name, State string }
	if err := json.Unmarshal([]byte(h.must("list", "--json")), &all); err != nil || len(all) != 2 || all[0].State != "running" || all[1].State != "running" {
		t.Errorf("%+v, %v", all, err)
	}
	h.refuses(2, []string{"say which one", "one", "two"}, "status")
	one.do("destroy", "--yes")
	if st := two.status(); !st.Healthy {
		t.Errorf("%+v", st)
	}
	h.must("status") // the only one needs no name
}

func TestNamesThatAreRefused(t *testing.T) {
	b := newShell(t, article)
	onboard := func(name string, more ...string) []string {
		return append([]string{"onboard", "--yes", "--agent", "none", "--inference-url", modelServer(t), "--model", "tiny", "--name", name}, more...)
	}
	b.refuses(2, []string{`"status": it is a command word`, "→ try my-status"}, onboard("status")...)
	b.refuses(2, []string{"at most 40", "→ try " + strings.Repeat("a", 40)}, onboard(strings.Repeat("a", 41))...)
	b.refuses(1, []string{`"box" exists`, "--name box-2"}, onboard("box", "--no-network-policy")...)
	// With the same answers, what stands is left alone.
	before := b.status().SupervisorPID
	b.must(onboard("box")...)
	if st := b.status(); st.SupervisorPID != before || st.NetworkPolicy.Rules != 3 {
		t.Errorf("%+v", st)
	}
}

func TestDestroyLeavesNothing(t *testing.T) {
	modelServer(t) // before the count
	h := newHome(t)
	h.must("list")
	before := h.census()
	b := h.shell("box", article)
	b.start("sleep", "1000")
	b.sh("nohup setsid sleep 1000 >/dev/null 2>&1 & echo x > /sandbox/x; mkdir -m 000 /sandbox/closed")
	r := b.start("curl", "-sS", "https://"+newcomer+"/")
	b.held(newcomer)
	if now := h.census(); len(now.processes) <= len(before.processes) || len(now.files) <= len(before.files) {
		t.Fatalf("the census sees nothing: %+v", now)
	} else if limited := strings.Contains(b.do("status"), "(cgroup"); limited && len(now.cgroups) == 0 {
		t.Fatal("the census sees no control group of a sandbox that has one")
	}
	b.do("destroy", "--yes")
	b.end(r)
	h.gone(before)
	nothing(t, b, newcomer)
}

func TestKilledSupervisorEndsEverything(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	b.sh("echo kept > /sandbox/note")
	sleep := b.start("sleep", "1000")
	b.await("the command inside", func() bool { return b.sh("pgrep -x sleep").code == 0 })
	if err := unix.Kill(b.status().SupervisorPID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := b.end(sleep); r.code == 0 {
		t.Errorf("its client: %s", r)
	}
	h.processesGone(before)
	if st := b.status(); st.State != control.Failed || st.Why == "" {
		t.Errorf("%+v", st)
	}
	b.refuses(125, []string{"is not running", "→ nemoclaw box start"}, "box", "exec", "--", "true")
	b.do("start")
	b.prints("kept", "cat /sandbox/note")
	b.do("audit", "verify") // a crash is no tampering
}

func TestStopEndsWhatWillNotEnd(t *testing.T) {
	modelServer(t)
	h := newHome(t)
	before := h.census()
	b := h.shell("box", article)
	stubborn := b.start("bash", "-c", "trap '' TERM INT HUP QUIT; echo ready; while :; do read -t 1000 < <(:); wait; done")
	b.sees(stubborn, "ready")
	began := time.Now()
	b.do("stop")
	t.Logf("stopped after %s", time.Since(began).Round(time.Millisecond))
	h.processesGone(before)
	if r := b.end(stubborn); r.code == 0 {
		t.Error(r)
	}
	if st := b.status(); st.State != control.Stopped {
		t.Errorf("%+v", st)
	}
}

func TestStartAllBringsBackWhatShouldRun(t *testing.T) {
	h := newHome(t)
	stopped, killed := h.shell("stopped", article), h.shell("killed", article)
	stopped.do("stop")
	if err := unix.Kill(killed.status().SupervisorPID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.await("its end", func() bool { return killed.status().State != control.Running })
	h.must("start", "--all")
	if st := stopped.status(); st.State != control.Stopped {
		t.Errorf("%+v", st)
	}
	if st := killed.status(); st.State != control.Running {
		t.Errorf("%+v", st)
	}
}

func TestBookIsWholeUntilSomebodyEditsIt(t *testing.T) {
	b := newShell(t, article)
	b.exec("curl", "-sS", "https://api.github.com/")
	b.exec("curl", "-sS", "https://suspicious-host.com/")
	b.event("the refusal", refusalOf("suspicious-host.com:443"))
	b.do("audit", "verify")
	b.do("stop")
	b.do("audit", "verify")
	for _, k := range []audit.Kind{audit.Start, audit.Network, audit.Session, audit.Stop} {
		b.event(string(k), func(e audit.Event) bool { return e.Kind == k })
	}
	files, err := filepath.Glob(b.file("audit/*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text := b.text(files[0])
	at := strings.Index(text, "suspicious-host.com")
	line := strings.Count(text[:at], "\n") + 1
	if err := os.WriteFile(files[0], []byte(strings.Replace(text, "suspicious-host.com", "innocent-host.com", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r := b.refuses(1, []string{"audit book: ", filepath.Base(files[0])}, "box", "audit", "verify")
	if want := " line " + strconv.Itoa(line) + " "; !strings.Contains(r.err, want) {
		t.Errorf("%s\nwant %q", r, want)
	}
}
