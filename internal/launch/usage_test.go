package launch

import (
	"os"
	"path/filepath"
	"testing"
)

// What the workspace holds is added up: each file once, whatever its names, and
// nothing that links lead to.
func TestUsage(t *testing.T) {
	s := up(t)
	used := func() (uint64, bool) {
		t.Helper()
		u, err := s.Usage(t.Context())
		if err != nil || u.Largest != "" {
			t.Fatal(err, u)
		}
		return u.Bytes, u.Whole
	}
	empty, whole := used()
	if !whole || empty > 1<<20 {
		t.Errorf("empty: %d, %v", empty, whole)
	}
	s.wants(`set -e; cd /sandbox && mkdir -p a/b/c && head -c 1048576 /dev/zero > a/b/c/file
		ln a/b/c/file a/other && ln -s /usr a/link && truncate -s 1G a/sparse; echo done`, "done\n")
	if n, whole := used(); !whole || n < empty+1<<20 || n > empty+1<<20+64<<10 {
		t.Errorf("%d more, %v", n-empty, whole)
	}
	// A folder that is closed, and one deeper than anybody looks, are told of.
	s.wants(`set -e; mkdir /sandbox/closed && head -c 1048576 /dev/zero > /sandbox/closed/x && chmod 0 /sandbox/closed; echo done`, "done\n")
	if _, whole := used(); whole {
		t.Error("a closed folder hides nothing")
	}
	s.wants(`set -e; chmod 700 /sandbox/closed && rm -r /sandbox/closed; cd /sandbox; for i in $(seq 300); do mkdir d && cd d; done; echo done`, "done\n")
	if _, whole := used(); whole {
		t.Error("a deep folder hides nothing")
	}
	if err := os.RemoveAll(filepath.Join(s.workspace, "d")); err != nil {
		t.Error(err)
	}
	if _, whole := used(); !whole {
		t.Error("not whole without it")
	}
}
