package supervisor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// nobody is who runs the tests a second time.
const nobody = 64324

// A supervisor that confines itself as the real one does, and then tries what
// it must not: everything is refused that was not before, on all threads; and
// what its work needs goes on working.
func TestSupervisorLimits(t *testing.T) {
	t.Run("root", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("needs root")
		}
		judge(t, 0)
	})
	t.Run("user", func(t *testing.T) {
		uid := os.Geteuid()
		if uid == 0 {
			uid = nobody
		}
		judge(t, uid)
	})
}

// said is one line of the rogue's report.
type said struct {
	What          string
	Work          bool   // it must work; else it must be refused
	Before, After string // "" is success
	Control       bool   // of what must be refused: it was not before
	Refused       bool   // on every thread
}

func judge(t *testing.T, uid int) {
	g := newGround(t, uid)
	c := g.rogue(t)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var words bytes.Buffer
	c.Stderr = &words
	if err := c.Start(); err != nil {
		t.Skipf("needs new namespaces: %v", err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	refused, worked := 0, 0
	for lines.Scan() {
		var s said
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Errorf("%q: %v", lines.Text(), err)
			continue
		}
		switch {
		case g.act(t, s.What): // it waits for something from outside
		case s.Work && s.After != "":
			t.Errorf("%s: %s; want it to work", s.What, s.After)
		case s.Work:
			worked++
		case !s.Control:
			t.Logf("no control: %s: %s before", s.What, s.Before)
		case !s.Refused:
			t.Errorf("%s: %q; want it refused", s.What, s.After)
		default:
			refused++
		}
	}
	if err := c.Wait(); err != nil {
		t.Errorf("%v: %s", err, words.String())
	}
	t.Logf("%d refused, %d went on working", refused, worked)
	if refused < 30 || worked < 12 {
		t.Errorf("%d refused, %d worked: too few were tried: %s", refused, worked, words.String())
	}
}

// ground is a state folder with two sandboxes, and a folder to be /etc.
type ground struct {
	uid  int
	dir  string
	home state.Home
	etc  string
}

const routes = "routes:\n  - model: \"*\"\n    to: nvidia/x\nproviders:\n  nvidia: {url: \"https://integrate.api.nvidia.com/v1\", key: mine}\n"

func newGround(t *testing.T, uid int) ground {
	t.Helper()
	dir, err := os.MkdirTemp("", "limits-") // t.TempDir lies where the user may not go
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	g := ground{uid: uid, dir: dir, home: state.Home{Dir: filepath.Join(dir, "me", "state")}, etc: filepath.Join(dir, "etc")}
	for _, name := range []state.Name{"mine", "other"} {
		s := g.home.Sandbox(name)
		if err := s.Create(state.Settings{Agent: "none"}); err != nil {
			t.Fatal(err)
		}
		for _, d := range []string{s.AuditDir(), s.RunDir()} {
			if err := os.MkdirAll(d, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		write(t, s.PolicyFile(), "unlisted: deny\n")
		write(t, s.InferenceFile(), routes)
		write(t, filepath.Join(s.Workspace(), "notes"), "x")
		write(t, filepath.Join(s.AuditDir(), "old"), "x")
	}
	if err := os.Symlink(filepath.Join(g.home.Sandbox("mine").Workspace(), "notes"), filepath.Join(g.home.Sandbox("mine").RunDir(), "link")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "me", "diary"), "x")
	if err := os.MkdirAll(g.etc, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(g.etc, "resolv.conf"), "nameserver 127.0.0.1\n")
	write(t, filepath.Join(g.etc, "hosts"), "127.0.0.1 localhost\n")
	keys, err := secret.Open(g.home.Secrets())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mine", "theirs"} {
		if err := keys.Set(name, []byte("value of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	}); err != nil {
		t.Fatal(err)
	}
	return g
}

// rogue is the misbehaving supervisor, in namespaces where it may put another
// folder over /etc and serve names.
func (g ground) rogue(t *testing.T) *exec.Cmd {
	c := exec.CommandContext(t.Context(), "/proc/self/exe", rogueWord, "mine")
	c.Env = []string{"NEMOCLAW_HOME=" + g.home.Dir, "HOME=" + filepath.Join(g.dir, "me"), "ETC=" + g.etc, "PATH=" + os.Getenv("PATH")}
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if g.uid != 0 {
		c.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		c.SysProcAttr.Credential = &syscall.Credential{NoSetGroups: true} // root there, and nobody here
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: g.uid, Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: g.uid, Size: 1}}
	}
	return c
}

// The rogue says these to have something done from outside.
const (
	doSave   = "an editor saves the policy"
	doNames  = "the network changes"
	doStatus = "the operator asks"
)

// askWord is the door of the operator who asks.
const askWord = "ask"

func askStatus(place state.Sandbox) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := control.Dial(place.ControlSocket()).Status(ctx)
	if err == nil && s.Name != "mine" {
		err = fmt.Errorf("status of %q", s.Name)
	}
	return err
}

// act does what the rogue waits for.
func (g ground) act(t *testing.T, what string) bool {
	mine := g.home.Sandbox("mine")
	replace := func(path, text string) {
		write(t, path+".new", text)
		if err := os.Chown(path+".new", g.uid, g.uid); err != nil {
			t.Error(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Error(err)
		}
	}
	switch what {
	case doSave:
		replace(mine.PolicyFile(), "egress:\n  - host: saved.example.com\n    port: 443\n")
	case doNames:
		replace(filepath.Join(g.etc, "resolv.conf"), "nameserver 127.0.0.2\n")
	case doStatus:
		c := exec.CommandContext(t.Context(), "/proc/self/exe", askWord, "mine")
		c.Env = []string{"NEMOCLAW_HOME=" + g.home.Dir}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(g.uid), Gid: uint32(g.uid), NoSetGroups: true}}
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("the control socket: %v: %s", err, out)
		}
	default:
		return false
	}
	return true
}
