package launch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// What root hands over comes from mounts that are shared with others, where systemd
// has made them. Nothing that is mounted inside may stand outside, below the
// workspace: it would outlive the sandbox, and be removed with its workspace, content
// and all. And nothing that is mounted outside later may appear inside.
func TestMountsStayOnTheirSide(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become someone else")
	}
	if !*shared { // in a mount namespace of its own, whose mounts are shared within it
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", `mount --make-rshared / && exec "$0" "$@"`,
			self, "-test.v", "-test.run=^TestMountsStayOnTheirSide$", "-shared", "-init", *initProgram)
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestMountsStayOnTheirSide") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	control := t.TempDir()
	if out, err := exec.Command("unshare", "--mount", "--propagation", "unchanged", "mount", "-t", "tmpfs", "none", control).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(mountsBelow(t, control)) == 0 {
		t.Fatal("a mount of another namespace does not show here: the mounts are not shared")
	}
	unmount(t, control)

	for _, kind := range []spec.MountKind{spec.Bind, spec.Lower} {
		t.Run(string(kind), func(t *testing.T) {
			handed := t.TempDir()
			late := filepath.Join(handed, "late")
			for _, err := range []error{
				os.Chmod(handed, 0o755), os.Mkdir(late, 0o755), os.WriteFile(filepath.Join(handed, "f"), []byte("text"), 0o644),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			s := up(t, func(s *spec.Spec) {
				s.Mounts = append(s.Mounts, spec.Mount{Kind: kind, Source: handed, Target: "/sandbox/m", Owner: true, ReadOnly: kind == spec.Lower})
			})
			s.wants("cat /sandbox/m/f", "text")
			if all := mountsBelow(t, s.workspace); len(all) > 0 {
				t.Errorf("mounted inside, and seen outside: %v", all)
			}
			if _, err := os.Stat(filepath.Join(s.workspace, "m", "f")); err == nil {
				t.Error("what was handed over lies in the workspace")
			}
			if err := unix.Mount("none", late, "tmpfs", 0, ""); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unmount(t, late) })
			if err := os.WriteFile(filepath.Join(late, "new"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			s.wants("ls /sandbox/m/late", "")
		})
	}
}

// mountsBelow are the mounts of this namespace at dir and below it.
func mountsBelow(t *testing.T, dir string) (all []string) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(b)) {
		if strings.Contains(l, " "+dir) {
			all = append(all, l)
		}
	}
	return all
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Error(err)
	}
}
