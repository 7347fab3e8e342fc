package launch

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// fewFiles lets a process have a hundred open files, and a file have a megabyte.
func fewFiles(s *spec.Spec) {
	s.Rlimits = append(s.Rlimits,
		spec.Rlimit{Resource: unix.RLIMIT_NOFILE, Soft: 100, Hard: 100},
		spec.Rlimit{Resource: unix.RLIMIT_FSIZE, Soft: 1 << 20, Hard: 1 << 20})
}

// What the kernel holds a program to, and counts nowhere, is seen while it is so, with who
// it is; and not before, nor by others.
func TestFull(t *testing.T) {
	s := up(t, fewFiles)
	look := func() Full {
		t.Helper()
		f, err := s.Full(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	s.wants(`for i in $(seq 50); do exec {fd}</dev/null; done; echo open; sleep 100 >/dev/null 2>&1 &`, "open\n")
	before := look()
	if before.Files != 0 || len(before.Places) > 0 || before.Program.PID != 0 {
		t.Errorf("before: %+v", before)
	}
	s.wants(`while exec {fd}</dev/null; do :; done 2>/dev/null; sleep 100 >/dev/null 2>&1 & cat /dev/zero >/tmp/fills 2>/dev/null; echo full`, "full\n")
	f := look()
	if f.Files < 90 || f.Files > 100 || !strings.HasSuffix(f.Program.Exe, "/sleep") || f.Program.PID < 2 {
		t.Errorf("files: %+v", f)
	}
	if f.Tasks <= before.Tasks {
		t.Errorf("%d tasks, and before there were %d", f.Tasks, before.Tasks)
	}
	if len(f.Places) > 0 { // a file has a megabyte at most, so that one alone does not fill it
		t.Errorf("places: %+v", f)
	}
	s.wants(`i=0; while head -c 1000000 /dev/zero >/tmp/fills-$i 2>/dev/null; do i=$((i+1)); done; echo full`, "full\n")
	if f := look(); !slices.Equal(f.Places, []string{"/tmp"}) {
		t.Errorf("places: %+v", f)
	}
	s.wants(`rm /tmp/fills*; echo empty`, "empty\n")
	if f := look(); len(f.Places) > 0 {
		t.Errorf("places: %+v", f)
	}
}

// A file that is as large as one may be is found; one that is smaller is not.
func TestLargest(t *testing.T) {
	s := up(t, fewFiles)
	largest := func() string {
		t.Helper()
		u, err := s.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return u.Largest
	}
	s.wants(`mkdir /sandbox/a && head -c 1000000 /dev/zero >/sandbox/a/small; echo done`, "done\n")
	if name := largest(); name != "" {
		t.Errorf("%q", name)
	}
	s.wants(`(head -c 2000000 /dev/zero >/sandbox/a/large) 2>/dev/null; stat -c %s /sandbox/a/large`, "1048576\n")
	if name := largest(); name != "large" {
		t.Errorf("%q", name)
	}
}
