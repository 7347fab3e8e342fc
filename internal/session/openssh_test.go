package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets ssh start this same program as its ProxyCommand, as
// `nemoclaw ssh-config` has it start nemoclaw.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "bridge" {
		if err := bridge(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func bridge(path string) error {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		_ = conn.(*net.UnixConn).CloseWrite()
	}()
	_, err = io.Copy(os.Stdout, conn)
	return err
}

// openssh runs the machine's own client against s.
func (s *server) openssh(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs %s", program)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(t.TempDir(), "known_hosts")
	all := []string{
		"-F", "none", "-o", "ProxyCommand=" + self + " bridge " + s.path, "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + known, "-o", "LogLevel=ERROR",
	}
	return exec.CommandContext(t.Context(), exe, append(all, args...)...)
}

func exitOf(t *testing.T, err error) int {
	t.Helper()
	var bad *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &bad):
		return bad.ExitCode()
	}
	t.Fatal(err)
	return 0
}

func TestOpenSSH(t *testing.T) {
	s := newServer(t)
	for name, row := range map[string]struct {
		args  []string
		stdin string
		code  int
		out   string
	}{
		"a command":         {[]string{"sandbox", "echo $((6*7)); exit 3"}, "", 3, "42\n"},
		"stdin":             {[]string{"sandbox", "tr a-z A-Z"}, "shout", 0, "SHOUT"},
		"a terminal":        {[]string{"-tt", "sandbox", "test -t 0 && echo yes"}, "", 0, "yes\r\n"},
		"no agent":          {[]string{"-A", "sandbox", "echo [$SSH_AUTH_SOCK]"}, "", 0, "[]\n"},
		"a locale":          {[]string{"-o", "SetEnv=LC_TIME=C BASH_ENV=/tmp/x", "sandbox", "echo $LC_TIME,$BASH_ENV"}, "", 0, "C,\n"},
		"to the loopback":   {[]string{"-W", echo(t).String(), "sandbox"}, "hello", 0, "hello"},
		"not to the world":  {[]string{"-W", "192.0.2.1:80", "sandbox"}, "", 255, ""},
		"no reverse tunnel": {[]string{"-o", "ExitOnForwardFailure=yes", "-R", "0:localhost:22", "sandbox", "true"}, "", 255, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := s.openssh(t, "ssh", row.args...)
			cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK=/nowhere")
			cmd.Stdin = strings.NewReader(row.stdin)
			var errOut bytes.Buffer
			cmd.Stderr = &errOut
			out, err := cmd.Output()
			if code := exitOf(t, err); code != row.code || string(out) != row.out {
				t.Errorf("exit %d, %q, %s; want %d, %q", code, out, errOut.String(), row.code, row.out)
			}
		})
	}
}

func TestOpenSSHCopies(t *testing.T) {
	s := newServer(t)
	dir := t.TempDir()
	from, there, back := filepath.Join(dir, "from"), filepath.Join(dir, "there"), filepath.Join(dir, "back")
	data := bytes.Repeat([]byte("copy\n"), 1<<18)
	if err := os.WriteFile(from, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{from, "sandbox:" + there}, {"sandbox:" + there, back}} {
		if out, err := s.openssh(t, "scp", "-O", "-q", pair[0], pair[1]).CombinedOutput(); err != nil {
			t.Fatalf("scp %v: %v %s", pair, err, out)
		}
	}
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(data), err)
	}
	out, err := s.openssh(t, "ssh", "-s", "sandbox", "sftp").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "scp -O") {
		t.Errorf("the sftp subsystem: %v, %q: want to be told what works", err, out)
	}
}

// A person's ssh is killed: what ran for it goes too.
func TestOpenSSHKilled(t *testing.T) {
	s := newServer(t)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	cmd := s.openssh(t, "ssh", "sandbox", "echo up; exec sleep 60")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	kill()
	_ = cmd.Wait() // killed
	gone(t, -s.box.last().cmd.Process.Pid)
}
