package control

import (
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
	"syscall"
	"testing"
)

// TestMain lets a test start this same program as a client of another user or
// of a nested namespace.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "ask-status" {
		fmt.Println(askStatus(os.Args[2]))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func askStatus(path string) string {
	c := Dial(path)
	s, err := c.Status(context.Background())
	var refused *Refusal
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("refused %d: %v", refused.Status, refused)
	case err != nil:
		return "failed: " + err.Error()
	}
	return "status of " + s.Name
}

func asChild(t *testing.T, path string, attr *syscall.SysProcAttr) string {
	t.Helper()
	exe := filepath.Join(filepath.Dir(path), "client")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "ask-status", path)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("needs a child with %+v: %v %s", attr, err, out)
	}
	return strings.TrimSpace(string(out))
}

// open serves on a socket that file permissions let everybody reach, so that
// what refuses is the peer check alone.
func openToAll(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "control.sock")
	serveAt(t, path, newFake())
	for p, mode := range map[string]os.FileMode{dir: 0o755, path: 0o666} {
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestAnotherUserIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	path := openToAll(t)
	if got := asChild(t, path, nil); got != "status of demo" {
		t.Fatalf("the control, our own user: %q", got)
	}
	other := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if got := asChild(t, path, other); !strings.HasPrefix(got, "refused 403: uid 65534") {
		t.Errorf("another user: %q", got)
	}
}

func TestAnotherUserCannotReachTheSocket(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	path := openToAll(t)
	if err := os.Chmod(path, 0o600); err != nil { // as Listen makes it
		t.Fatal(err)
	}
	other := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if got := asChild(t, path, other); !strings.Contains(got, "permission denied") {
		t.Errorf("another user: %q", got)
	}
}

// An agent of a rootless sandbox is our own user; only its namespace tells it
// from us.
func TestPeerFromANestedNamespaceIsRefused(t *testing.T) {
	path := openToAll(t)
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getegid(), Size: 1}}
	}
	if got := asChild(t, path, nil); got != "status of demo" {
		t.Fatalf("the control, our own namespace: %q", got)
	}
	if got := asChild(t, path, attr); !strings.Contains(got, "is inside a sandbox") {
		t.Errorf("from a nested pid namespace: %q", got)
	}
}

func TestNested(t *testing.T) {
	proc := t.TempDir()
	write := func(pid, text string) {
		if err := os.MkdirAll(filepath.Join(proc, pid), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, pid, "status"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if why := nested(7, proc); why != "" {
		t.Errorf("a /proc that shows nobody: %q, want no opinion", why)
	}
	write("1", "Name:\tinit\nNSpid:\t1\n")
	write("8", "Name:\tNSpid: 1 2\nNSpid:\t8\n")
	write("9", "Name:\tx\nNSpid:\t9\t1\n")
	for pid, want := range map[int]bool{7: true, 8: false, 9: true} {
		if why := nested(pid, proc); (why != "") != want {
			t.Errorf("pid %d: %q", pid, why)
		}
	}
}

func TestPeerOfSomethingElse(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := peerOf(a); err == nil {
		t.Error("a pipe has no peer credentials, and yet passed")
	}
}

func TestNobodyInParticularIsRefused(t *testing.T) {
	reached := false
	h := guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/v1/status", nil))
	if reached || w.Code != http.StatusForbidden {
		t.Errorf("a request whose peer nobody looked at: %d, reached the sandbox: %v", w.Code, reached)
	}
}
