package tries

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Each try is whole, and named once.
func TestAll(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range All() {
		if c.ID == "" || c.What == "" || c.Wall == "" || c.do == nil || seen[c.ID] {
			t.Errorf("%+v: not whole, or twice", c)
		}
		seen[c.ID] = true
	}
	if len(seen) < 100 {
		t.Errorf("%d tries", len(seen))
	}
}

func TestJudge(t *testing.T) {
	plain, wide := Try{ID: "a"}, Try{ID: "a", want: []error{unix.ENOSPC}}
	for _, c := range []struct {
		try     Try
		err     error
		refused bool
	}{
		{plain, nil, false}, {plain, unix.EPERM, true}, {plain, unix.ENOSYS, true}, {plain, unix.EINVAL, false},
		{wide, unix.ENOSPC, true}, {wide, unix.EPERM, false}, {plain, held("only lo"), true},
	} {
		if r := c.try.judge(c.err); r.Refused != c.refused || r.Got == "" {
			t.Errorf("%v: %+v", c.err, r)
		}
	}
}

func TestSilenceIsNoRefusal(t *testing.T) {
	for _, text := range []string{"", "b\trefused\t\"x\"\n"} {
		all, err := Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if r := (Try{ID: "a"}).Of(all); r.Refused || r.Got == "" {
			t.Errorf("%q: %+v", text, r)
		}
	}
	for _, bad := range []string{"a\trefused\n", "a\tyes\t\"x\"\n", "a\trefused\tx\n", "a\trefused\t\"x\"\na\tthrough\t\"x\"\n"} {
		if all, err := Read(strings.NewReader(bad)); err == nil || all != nil {
			t.Errorf("%q was taken: %v", bad, all)
		}
	}
}

func TestLeft(t *testing.T) {
	for _, c := range []struct {
		try  Try
		in   Sandbox
		left bool
	}{
		{Try{}, Sandbox{NetworkOff: true, FilesystemOff: true}, false},
		{Try{Policy: true}, Sandbox{NetworkOff: true}, true},
		{Try{Policy: true}, Sandbox{}, false},
		{Try{Scope: true}, Sandbox{ABI: 5}, true},
		{Try{Scope: true}, Sandbox{ABI: 6}, false},
		{Try{Scope: true}, Sandbox{ABI: 9, FilesystemOff: true}, true},
		{Try{Router: true}, Sandbox{}, true},
		{Try{Router: true}, Sandbox{Router: true}, false},
		{Try{Call: "ptrace"}, Sandbox{Allowed: []string{"ptrace"}}, true},
		{Try{Call: "bpf"}, Sandbox{Allowed: []string{"ptrace"}}, false},
	} {
		if got := c.try.Left(c.in); (got != "") != c.left {
			t.Errorf("%+v in %+v: %q", c.try, c.in, got)
		}
	}
}

// What Read takes is what was written: writing it again and reading that gives
// the same, and what it does not take gives nothing.
func FuzzRead(f *testing.F) {
	f.Add([]byte("A1\trefused\t\"operation not permitted\"\nA2\tthrough\t\"done\"\n"))
	f.Add([]byte("A1\trefused\t\"a\\tb\\n\"\n"))
	f.Add([]byte("A1\trefused\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := Read(bytes.NewReader(text))
		if err != nil {
			if all != nil {
				t.Fatal("reports with an error")
			}
			return
		}
		var again bytes.Buffer
		for _, r := range all {
			again.Write(r.line())
		}
		if again.Len() > maxReport {
			return
		}
		back, err := Read(&again)
		if err != nil || len(back) != len(all) {
			t.Fatalf("%q, %v", again.String(), err)
		}
		for id, r := range all {
			if back[id] != r {
				t.Fatalf("%+v became %+v", r, back[id])
			}
		}
	})
}
