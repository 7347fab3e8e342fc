package launch

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

func TestEveryWallIsProved(t *testing.T) {
	s := up(t)
	proved := map[spec.Wall]int{}
	for _, p := range s.Proofs() {
		if !p.Refused {
			t.Errorf("%+v", p)
		}
		proved[p.Wall]++
	}
	for _, w := range []spec.Wall{spec.NetworkWall, spec.FilesystemWall, spec.ProcessWall, spec.InferenceWall} {
		if proved[w] == 0 {
			t.Errorf("no proof of the %s wall", w)
		}
	}
	if s.ABI() < 2 {
		t.Errorf("Landlock ABI %d", s.ABI())
	}
}

func TestFilesOutside(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := up(t)
	for _, d := range []string{"/home", "/root", "/var", "/etc"} {
		s.refuses("ls "+d, "Permission denied")
	}
	s.refuses("cat "+secret, "No such file or directory")
	s.refuses("cat /etc/shadow", "No such file or directory")
	s.refuses("touch /usr/bin/new", "Read-only file system")
	s.refuses("echo >> /etc/passwd", "Permission denied")
	s.refuses("rm /etc/passwd", "Read-only file system")
	s.refuses("chmod 777 /home", "Read-only file system")
	s.refuses("cat /proc/kallsyms", "Permission denied")
	s.refuses("cat /proc/timer_list", "Permission denied")
	s.refuses("echo 1 > /proc/sys/kernel/core_pattern", "Permission denied")
	s.refuses("echo x > /proc/self/mem", "Permission denied")
	s.refuses("mknod /tmp/n b 7 0", "Operation not permitted")

	s.wants("echo kept > /sandbox/f && cat /sandbox/f", "kept\n")
	s.wants("echo kept > /tmp/f && cat /tmp/f && cat /etc/hostname", "kept\ntest\n")
	s.wants("head -c 4 /dev/zero | wc -c; echo x > /dev/null; head -c 3 /dev/urandom | wc -c", "4\n3\n")
	if b, err := os.ReadFile(filepath.Join(s.workspace, "f")); err != nil || string(b) != "kept\n" {
		t.Errorf("on the host: %q, %v", b, err)
	}
	if st, err := os.Stat(filepath.Join(s.workspace, "f")); err == nil && os.Geteuid() == 0 {
		if uid := madeBy(st); uid != 0 {
			t.Errorf("made by %d on the host: want the owner of the workspace", uid)
		}
	}
}

// asIs takes the built-up root away: the host's own folders, writable, are
// where they always are. But /home, on which the proof insists.
func asIs(s *spec.Spec) {
	s.Mounts = slices.DeleteFunc(s.Mounts, func(m spec.Mount) bool {
		top := strings.SplitN(m.Target, "/", 3)[1]
		return slices.Contains([]string{"etc", "root", "var", "usr"}, top)
	})
	for _, d := range []string{"/etc", "/root", "/var", "/usr"} {
		s.Mounts = append(s.Mounts, spec.Mount{Kind: spec.Bind, Source: d, Target: d})
	}
}

func noLandlock(s *spec.Spec) { s.Landlock = spec.Landlock{Off: true} }

// Each layer of the filesystem wall holds with the other one away.
func TestLandlockAlone(t *testing.T) {
	s := up(t, asIs)
	s.refuses("ls /etc", "Permission denied")
	s.refuses("cat /etc/fstab", "Permission denied")
	s.refuses("ls /var/lib", "Permission denied")
	s.refuses("touch /var/tmp/escaped-"+filepath.Base(s.workspace), "Permission denied")
	s.refuses("touch /usr/new", "Permission denied")

	control := up(t, asIs, noLandlock)
	control.wants("ls /etc >/dev/null && cat /etc/fstab >/dev/null && ls /var/lib >/dev/null && echo reached", "reached\n")
}

func TestMountsAlone(t *testing.T) {
	s := up(t, noLandlock)
	s.refuses("ls /home", "Permission denied")
	s.refuses("ls /etc", "Permission denied")
	s.refuses("cat /etc/fstab", "No such file or directory")
	s.refuses("touch /usr/new", "Read-only file system")
	s.refuses("touch /new", "Read-only file system")
	if s.ABI() != 0 {
		t.Errorf("Landlock ABI %d without Landlock", s.ABI())
	}
	for _, p := range s.Proofs() {
		if p.Layer == "Landlock" {
			t.Errorf("claims %+v", p)
		}
	}
}

// A host's Unix socket below a mount: a read-only bind hands it over, the only
// layer of an overlay does not.
func TestLowerKillsSockets(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(filepath.Join(dir, "s"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	connect := `python3 -c 'import socket; s=socket.socket(socket.AF_UNIX); s.connect("/sandbox/m/s"); print("connected")'`
	mount := func(k spec.MountKind) func(*spec.Spec) {
		return func(s *spec.Spec) {
			s.Mounts = append(s.Mounts, spec.Mount{Kind: k, Source: dir, Target: "/sandbox/m", ReadOnly: true, Owner: true})
		}
	}
	control := up(t, mount(spec.Bind), func(s *spec.Spec) { s.Landlock.Off = true })
	control.needs("python3")
	control.wants(connect, "connected\n")

	// A mount that is no overlay lets it through, but Landlock from ABI 9 on does not;
	// between programs inside it does.
	bound := up(t, mount(spec.Bind))
	bound.wants(`python3 -c 'import socket; l=socket.socket(socket.AF_UNIX); l.bind("/sandbox/own"); l.listen(); s=socket.socket(socket.AF_UNIX); s.connect("/sandbox/own"); print("connected")'`, "connected\n")
	if bound.ABI() >= 9 {
		bound.refuses(connect, "Permission denied")
	} else {
		bound.wants(connect, "connected\n")
	}

	s := up(t, mount(spec.Lower))
	s.wants("cat /sandbox/m/f", "text")
	s.wants("ls /sandbox/m", "f\ns\n")
	s.refuses("touch /sandbox/m/f /sandbox/m/new", "Read-only file system")
	s.refuses(connect, "Connection refused")
}

// Whoever ran here before may have left links in the workspace.
func TestTargetThroughLinkIsRefused(t *testing.T) {
	for _, kind := range []spec.MountKind{spec.Bind, spec.Tmpfs, spec.Dir} {
		_, _, err := try(t, func(s *spec.Spec) {
			workspace := s.Mounts[len(s.Mounts)-1].Source
			if err := os.Symlink("/tmp", filepath.Join(workspace, "link")); err != nil {
				t.Fatal(err)
			}
			s.Mounts = append(s.Mounts, spec.Mount{Kind: kind, Source: "/usr/bin/env", Target: "/sandbox/link/x"})
		})
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s through a link: %v", kind, err)
			continue
		}
		if !strings.Contains(e.Hint(), "move it away") {
			t.Errorf("%s through a link: %v; hint %q", kind, err, e.Hint())
		}
	}
}

// Whoever writes to one mount could make the source of another a link to
// anywhere, the sandbox's own policy included.
func TestSourceThroughLinkIsRefused(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	handed := filepath.Join(dir, "project", "sub")
	for _, d := range []string{secret, handed} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, "f"), []byte(d), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mount := func(kind spec.MountKind, links bool) func(*spec.Spec) {
		return func(s *spec.Spec) {
			s.Mounts = append(s.Mounts, spec.Mount{Kind: kind, Source: handed, Target: "/sandbox/m", ReadOnly: kind == spec.Lower, Owner: true, Links: links})
		}
	}
	up(t, mount(spec.Bind, false)).wants("cat /sandbox/m/f", handed)
	if err := os.Rename(handed, handed+"2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, handed); err != nil {
		t.Fatal(err)
	}
	up(t, mount(spec.Bind, true)).wants("cat /sandbox/m/f", secret) // the control
	for _, kind := range []spec.MountKind{spec.Bind, spec.Lower} {
		if _, _, err := try(t, mount(kind, false)); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("%s of a link: %v", kind, err)
		}
	}
}

func TestFilesOfTheHostAreNotWritten(t *testing.T) {
	_, workspace, err := try(t, func(s *spec.Spec) {
		s.Mounts = append(s.Mounts, spec.Mount{Kind: spec.File, Target: "/sandbox/made", Data: []byte("x")})
	})
	if err == nil {
		t.Error("a file of the spec was made in the workspace")
	}
	if _, err := os.Lstat(filepath.Join(workspace, "made")); err == nil {
		t.Error("it is there")
	}
}
