package cli

import (
	"context"
	"io"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// forgetful is a driver that removes what nobody keeps.
type forgetful struct{ driver.Driver }

func (forgetful) Remove(_ context.Context, s state.Sandbox) error { return s.Remove() }

// A sandbox that is being changed is destroyed when that is done, and not under
// the change's feet.
func TestDestroyWaitsForAChange(t *testing.T) {
	home := state.Home{Dir: t.TempDir() + "/home"}
	s := home.Sandbox("box")
	if err := s.Create(state.Settings{Agent: "none", Driver: "native"}); err != nil {
		t.Fatal(err)
	}
	unlock, err := s.Changing(t.Context(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	read, write := io.Pipe()
	a := &app{home: home, driver: forgetful{}, voice: &say.Voice{Out: io.Discard, Err: write}}
	done := make(chan error, 1)
	go func() { done <- a.remove(t.Context(), s) }()
	if _, err := read.Read(make([]byte, 1)); err != nil { // it says that it waits
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	if !s.Exists() {
		t.Error("destroyed while it was being changed")
	}
	unlock()
	if err := <-done; err != nil || s.Exists() {
		t.Errorf("afterwards: %v", err)
	}
}
