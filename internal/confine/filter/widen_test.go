package filter

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What may be allowed is refused otherwise, and nothing that would undo a wall
// is among it.
func TestWidenable(t *testing.T) {
	table := Table()
	for name := range widenable {
		i := slices.IndexFunc(table, func(r Row) bool { return r.Name == name })
		if i < 0 || table[i].Action == Allow {
			t.Errorf("%s: not a refused call", name)
		}
	}
	for _, name := range []string{"mount", "move_mount", "setns", "unshare", "clone3", "clone", "socket", "bpf", "io_uring_setup",
		"keyctl", "open_by_handle_at", "init_module", "reboot", "chroot", "pivot_root", "prlimit64", "openat2", "statmount", "no_such_call"} {
		if err := (Choice{Allow: []string{name}}).Check(); err == nil {
			t.Errorf("%s may be allowed", name)
		}
		if _, err := CompileFor(Choice{Allow: []string{name}}); err == nil {
			t.Errorf("%s compiles", name)
		}
	}
}

// A choice changes what it names and nothing else; with Audit, everything that
// was refused in silence is told, and nothing more is allowed.
func TestChoiceEqualsTable(t *testing.T) {
	plain := Table()
	for name, c := range map[string]Choice{
		"one": {Allow: []string{"ptrace"}}, "audit": {Audit: true}, "both": {Allow: []string{"vmsplice", "userfaultfd"}, Audit: true},
	} {
		t.Run(name, func(t *testing.T) {
			prog, err := CompileFor(c)
			if err != nil {
				t.Fatal(err)
			}
			vm := assemble(t, prog)
			for nr := range uint32(1024) {
				a := asked{nr: nr, arch: arch, args: [6]uint64{1 << 33}}
				was, is := plainly(plain, a), vm.run(t, a)
				switch {
				case slices.Contains(c.Allow, Name(int(nr))):
					if is != Allow {
						t.Errorf("%s: %v", Name(int(nr)), is)
					}
				case c.Audit && is == Refuse && (was == Refuse || was == Absent || was == denied):
				case is != was:
					t.Errorf("%s: %v, was %v", Name(int(nr)), is, was)
				}
			}
			if is := vm.run(t, asked{nr: 1, arch: unix.AUDIT_ARCH_I386}); is != Kill {
				t.Errorf("another architecture: %v", is)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	for nr, want := range map[int]unix.Errno{
		unix.SYS_CLONE3: unix.ENOSYS, unix.SYS_IO_URING_SETUP: unix.ENOSYS, 1023: unix.ENOSYS,
		unix.SYS_VMSPLICE: unix.EPERM, unix.SYS_MOUNT: unix.EPERM, unix.SYS_OPENAT: unix.EPERM,
	} {
		if got := Answer(nr); got != want {
			t.Errorf("%s: %v", Name(nr), got)
		}
	}
	if e := (Choice{Allow: []string{"ptrace"}}).Explain("ptrace"); e.Verdict != "allow" || !strings.Contains(e.Why, "sandbox.yaml") {
		t.Errorf("%+v", e)
	}
}
