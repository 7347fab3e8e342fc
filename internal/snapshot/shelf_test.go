package snapshot

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

func TestRestore(t *testing.T) {
	workspace := furnish(t)
	s := Shelf{filepath.Join(t.TempDir(), "snapshots")}
	before := told(t, workspace)
	r, err := s.Create(t.Context(), workspace, Record{Made: time.Now(), Why: "a test"})
	must(t, err)
	must(t, os.RemoveAll(filepath.Join(workspace, "a")), os.WriteFile(filepath.Join(workspace, "new"), []byte("new"), 0o600))
	after := told(t, workspace)

	was, err := s.Restore(t.Context(), workspace, r, Record{Made: time.Now(), Why: "before the restore"})
	must(t, err)
	if diff := cmp.Diff(before, told(t, workspace)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(after, told(t, s.Tree(was))); diff != "" {
		t.Errorf("what the restore took away is not whole: %s", diff)
	}
	all, err := s.List()
	if err != nil || len(all) != 2 {
		t.Fatalf("List = %+v, %v", all, err)
	}
	must(t, s.Remove(r.ID))
	var unknown *Unknown
	if _, err := s.Find(r.ID); !errors.As(err, &unknown) || unknown.Have[0] != was.ID {
		t.Errorf("Find of what was removed: %v", err)
	}
	if _, err := s.Find("../" + was.ID); !errors.As(err, &unknown) {
		t.Errorf("Find of a path: %v", err)
	}
}

func TestInterruptedLeavesNothing(t *testing.T) {
	workspace := furnish(t)
	s := Shelf{filepath.Join(t.TempDir(), "snapshots")}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("Ctrl-C"))
	if _, err := s.Create(ctx, workspace, Record{Made: time.Now()}); err == nil {
		t.Error("no error")
	}
	if left, _ := os.ReadDir(s.Dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestKilledAnywhere kills a process that makes and restores snapshots without
// end, at many moments: after each, the workspace is one of the two that were
// ever put there, whole, and so is every snapshot that has a name.
func TestKilledAnywhere(t *testing.T) {
	if dir := os.Getenv("SNAPSHOT_TEST"); dir != "" {
		churn(dir)
		return
	}
	dir := t.TempDir()
	workspace, s := filepath.Join(dir, "workspace"), Shelf{filepath.Join(dir, "snapshots")}
	must(t, os.Mkdir(workspace, 0o700))
	for _, word := range []string{"one", "two"} {
		for i := range 50 {
			must(t, os.WriteFile(filepath.Join(workspace, strconv.Itoa(i)), []byte(word), 0o600))
		}
		_, err := s.Create(t.Context(), workspace, Record{Made: time.Now()})
		must(t, err)
	}
	seen := map[string]int{}
	for round := range 40 {
		c := exec.Command(os.Args[0], "-test.run=^TestKilledAnywhere$")
		c.Env = append(os.Environ(), "SNAPSHOT_TEST="+dir)
		out, err := c.StdoutPipe()
		must(t, err, c.Start())
		one := make([]byte, 1)
		_, _ = out.Read(one) // it has begun
		kill := time.NewTimer(time.Duration(round*round) * 100 * time.Microsecond)
		<-kill.C
		must(t, c.Process.Kill())
		_ = c.Wait()
		seen[whole(t, workspace)]++
		all, err := s.List()
		must(t, err)
		for _, r := range all {
			whole(t, s.Tree(r))
		}
	}
	if len(seen) != 2 {
		t.Errorf("after a kill the workspace always said the same: %v", seen)
	}
	_, err := s.Create(t.Context(), workspace, Record{Made: time.Now()})
	must(t, err)
	if left, _ := filepath.Glob(filepath.Join(s.Dir, making+"*")); len(left) != 0 {
		t.Errorf("not swept: %v", left)
	}
}

// whole wants 50 files that all say the same, and says what.
func whole(t *testing.T, tree string) (word string) {
	t.Helper()
	entries, err := os.ReadDir(tree)
	must(t, err)
	words := map[string]int{}
	for _, e := range entries {
		body, err := os.ReadFile(filepath.Join(tree, e.Name()))
		must(t, err)
		word = string(body)
		words[word]++
	}
	if len(entries) != 50 || len(words) != 1 {
		t.Fatalf("%s is half: %d files, %v", tree, len(entries), words)
	}
	return word
}

// churn puts now the one, now the other into the workspace, and removes what the
// restores leave, until it is killed.
func churn(dir string) {
	s, workspace, ctx := Shelf{filepath.Join(dir, "snapshots")}, filepath.Join(dir, "workspace"), context.Background()
	os.Stdout.WriteString("x")
	for n := 0; ; n++ {
		all, err := s.List()
		if err == nil {
			_, err = s.Restore(ctx, workspace, all[n%2], Record{Made: time.Now()})
		}
		for _, r := range all[2:] {
			err = errors.Join(err, s.Remove(r.ID))
		}
		if err != nil {
			os.Stdout.WriteString(err.Error())
			os.Exit(1)
		}
	}
}

// A snapshot that a later nemoclaw made is refused, with what to do, and neither
// restored nor removed.
func TestNewerSnapshot(t *testing.T) {
	workspace := furnish(t)
	s := Shelf{filepath.Join(t.TempDir(), "snapshots")}
	r, err := s.Create(t.Context(), workspace, Record{Made: time.Now(), Why: "a test"})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.Dir, r.ID, recordName), []byte(`{"format":2,"id":["of another form"]}`), 0o600))
	var newer *state.Newer
	if _, err := s.Find(r.ID); !errors.As(err, &newer) || newer.Have != 2 || newer.Know != recordFormat {
		t.Errorf("Find: %v", err)
	}
	if err := s.Remove(r.ID); !errors.As(err, &newer) {
		t.Errorf("Remove: %v", err)
	}
}
