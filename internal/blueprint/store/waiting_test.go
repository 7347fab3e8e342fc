package store

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// TestSaysWhatItWaitsFor: a version that has to wait for the files that it shares
// with another says so, and what for; likewise who makes room.
func TestSaysWhatItWaitsFor(t *testing.T) {
	r := newRig(t)
	r.usualPackages()
	s := r.store(t.TempDir())
	c, err := ensure(t, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, busy := range []struct{ lock, does string }{
		{s.contentDigest(c.Manifest).Hex(), "unpack the files that it shares with another version"},
		{c.Digest.Hex(), "make the same blueprint ready"},
	} {
		unlock, err := lock(t.Context(), s.path("locks", busy.lock), unix.LOCK_EX, nil)
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		_, err = s.Ensure(t.Context(), c.Manifest.Ref(), func(step Step) {
			if step.Phase == Waiting {
				said = append(said, step.Item)
				unlock()
			}
		})
		if err != nil || !slices.Equal(said, []string{busy.does}) {
			t.Errorf("said %q, %v; want that another has to %s", said, err, busy.does)
		}
	}
	unlock, err := lock(t.Context(), s.path("locks", "all"), unix.LOCK_SH, nil)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	waiting := func() { told++; unlock() }
	if _, err := s.Prune(t.Context(), Keep{Used: []blueprint.Digest{c.Digest}, Waiting: waiting}); err != nil || told != 1 {
		t.Errorf("prune: told %d times, %v", told, err)
	}
}
