package state

import (
	"errors"
	"testing"
)

// Whoever waited to change a sandbox that was destroyed meanwhile does not change
// another one that has its name by then.
func TestChangingWhatIsGone(t *testing.T) {
	h := newHome(t)
	s := create(t, h, "demo")
	unlock, err := s.Changing(t.Context(), func() { t.Error("nobody has it") })
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	waits := make(chan struct{})
	go func() {
		_, err := s.Changing(t.Context(), func() { close(waits) })
		got <- err
	}()
	<-waits
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	create(t, h, "demo")
	unlock()
	if err := <-got; !errors.As(err, new(*NotFound)) {
		t.Errorf("%v", err)
	}
	again, err := s.Changing(t.Context(), func() { t.Error("nobody has it") })
	if err != nil {
		t.Fatal(err)
	}
	again()
}
