package change

import (
	"errors"
	"slices"

	"github.com/nemoclaw/nemoclaw/internal/snapshot"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// known are the generations that are or were in force, oldest first. One that a
// change has only made is nothing to go back to: it may never have come up.
func known(s state.Sandbox) (all []state.Generation, active state.Generation, err error) {
	if active, err = s.ActiveGeneration(); err != nil {
		return nil, active, err
	}
	if all, err = s.Generations(); err != nil {
		return nil, active, err
	}
	all = slices.DeleteFunc(all, func(g state.Generation) bool {
		note, noteErr := g.Note()
		err = errors.Join(err, noteErr)
		return note.Untried && g != active
	})
	return all, active, err
}

// settle forgets the generations that killed commands made and never put in
// force. The one in force has been tried, whatever became of the command that
// switched to it. The caller holds Changing.
func settle(s state.Sandbox) error {
	active, err := s.ActiveGeneration()
	if err != nil {
		return err
	}
	all, err := s.Generations()
	if err != nil {
		return err
	}
	for _, g := range all {
		note, err := g.Note()
		switch {
		case err != nil || !note.Untried:
		case g == active:
			note.Untried = false
			err = g.SetNote(note)
		default:
			err = forget(s, g)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forget removes a generation that is not in force, and the snapshot that was
// taken for it.
func forget(s state.Sandbox, g state.Generation) error {
	note, err := g.Note()
	if err == nil {
		err = s.Forget(g)
	}
	if err == nil && note.Snapshot != "" {
		err = snapshot.Shelf{Dir: s.Snapshots()}.Remove(note.Snapshot)
	}
	if errors.As(err, new(*snapshot.Unknown)) {
		return nil
	}
	return err
}
