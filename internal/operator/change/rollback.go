package change

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/snapshot"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Kept is a generation as `rollback --list` shows it.
type Kept struct {
	Number    int       `json:"number"`
	Active    bool      `json:"active"`
	Made      time.Time `json:"made,omitzero"`
	Why       string    `json:"why"`
	Blueprint string    `json:"blueprint"`
	Snapshot  string    `json:"snapshot,omitempty"` // of the workspace, taken before it was put in force
}

// Generations lists what there is to go back to.
func Generations(s state.Sandbox) ([]Kept, error) {
	all, active, err := known(s)
	if err != nil {
		return nil, err
	}
	var out []Kept
	for _, g := range all {
		set, err := s.SettingsOf(g)
		if err != nil {
			return nil, err
		}
		note, err := g.Note()
		if err != nil {
			return nil, err
		}
		out = append(out, Kept{g.Number, g == active, note.Made, note.Why, ref(set.Blueprint), note.Snapshot})
	}
	return out, nil
}

// Return is a rollback as it was decided.
type Return struct {
	place    state.Sandbox
	from, to state.Generation
	was, set state.Settings   // of both
	saved    *snapshot.Record // to become the workspace again
}

// Blueprint is what the sandbox goes back to.
func (r Return) Blueprint() string { return ref(r.set.Blueprint) }

// Number is the generation's.
func (r Return) Number() int { return r.to.Number }

// Saved is the snapshot that becomes the workspace; "" where it stays as it is.
func (r Return) Saved() string {
	if r.saved == nil {
		return ""
	}
	return r.saved.ID
}

// Rollback plans going back to generation number, or with 0 to the one before
// the active one. With workspace, what the workspace was before the active one
// was put in force comes back too. An edit of sandbox.yaml that is not in force
// yet would be lost, so it is refused. Errors: *state.Edited.
func (c Changer) Rollback(s state.Sandbox, number int, workspace bool) (Return, error) {
	if _, err := s.Load(); err != nil {
		return Return{}, fmt.Errorf("roll back: %w", err)
	}
	all, active, err := known(s)
	if err != nil {
		return Return{}, err
	}
	r := Return{place: s, from: active}
	for _, g := range all {
		if g.Number == number || number == 0 && g.Number < active.Number {
			r.to = g // in order: the last is the nearest
		}
	}
	list := fmt.Sprintf("nemoclaw %s rollback --list", s.Name())
	switch {
	case r.to.Number == 0 && number == 0:
		return Return{}, say.Failing(list, "roll back: there is no generation before %d", active.Number)
	case r.to.Number == 0:
		return Return{}, say.Failing(list, "roll back: there is no generation %d", number)
	case r.to == active:
		return Return{}, say.Failing(list, "roll back: generation %d is in force", active.Number)
	}
	if r.was, err = s.SettingsOf(active); err != nil {
		return Return{}, err
	}
	if r.set, err = s.SettingsOf(r.to); err != nil || !workspace {
		return r, err
	}
	note, err := active.Note()
	if err != nil {
		return Return{}, err
	}
	if note.Snapshot == "" {
		return Return{}, say.Failing(fmt.Sprintf("nemoclaw %s snapshot list", s.Name()), "roll back: no snapshot was taken before generation %d", active.Number)
	}
	saved, err := snapshot.Shelf{Dir: s.Snapshots()}.Find(note.Snapshot)
	r.saved = &saved
	return r, err
}

// Back does it. The generation was proved when it was put in force; should it
// not come up any more, the one that was left is started again.
func (c Changer) Back(ctx context.Context, r Return) error {
	s := r.place
	unlock, err := s.Changing(ctx, func() { c.Voice.News("%s: waiting for another change of it", s.Name()) })
	if err != nil {
		return err
	}
	defer unlock()
	if err := settle(s); err != nil {
		return err
	}
	if err := r.stands(); err != nil {
		return err
	}
	ran := running(s)
	if err := c.Driver.Stop(ctx, s, s.Wanted()); err != nil {
		return errors.Join(err, c.again(s, ran))
	}
	undo := snapshot.Record{}
	err = locked(s, func() (err error) {
		if r.saved != nil {
			undo, err = restore(ctx, s, *r.saved, fmt.Sprintf("before the rollback to generation %d", r.to.Number))
		}
		if err == nil {
			err = s.Activate(r.to)
		}
		if err == nil {
			err = write(s, moved("rollback", r.from, r.to, r.was.Blueprint, r.set.Blueprint, r.Saved()))
		}
		return err
	})
	if err == nil && ran {
		err = c.Driver.Start(ctx, s, c.Tell)
	}
	if err != nil {
		return r.advise(errors.Join(err, c.stay(r, undo, ran)))
	}
	return nil
}

// stands refuses a decision that another change has overtaken: it may have put
// another generation in force, or have forgotten the one to go back to.
func (r Return) stands() error {
	all, active, err := known(r.place)
	if err != nil {
		return err
	}
	if active != r.from {
		return fmt.Errorf("roll back: another change was quicker: generation %d is in force", active.Number)
	}
	if !slices.Contains(all, r.to) {
		return fmt.Errorf("roll back: another change was quicker: generation %d is forgotten", r.to.Number)
	}
	if r.saved != nil {
		_, err = snapshot.Shelf{Dir: r.place.Snapshots()}.Find(r.saved.ID)
	}
	return err
}

// advise names the way back that also takes away what the newer agent wrote.
func (r Return) advise(err error) error {
	note, noteErr := r.from.Note()
	if r.saved != nil || noteErr != nil || note.Snapshot == "" {
		return err
	}
	return say.Failing(fmt.Sprintf("nemoclaw %s rollback --workspace, if it cannot read what the newer one wrote", r.place.Name()), "%w", err)
}

// stay takes a rollback back.
func (c Changer) stay(r Return, undo snapshot.Record, ran bool) error {
	s, ctx := r.place, context.Background()
	err := c.Driver.Stop(ctx, s, s.Wanted())
	if err == nil {
		err = locked(s, func() error {
			if undo.ID != "" {
				if _, err := restore(ctx, s, undo, "before a rollback was taken back"); err != nil {
					return err
				}
			}
			if err := s.Activate(r.from); err != nil {
				return err
			}
			return write(s, moved("undone", r.to, r.from, r.set.Blueprint, r.was.Blueprint, undo.ID))
		})
	}
	if err == nil {
		err = c.again(s, ran)
	}
	if err == nil {
		c.Voice.News("%s: generation %d did not come up; generation %d goes on", s.Name(), r.to.Number, r.from.Number)
	}
	return err
}

// restore puts a snapshot in the workspace's place; what was there becomes one.
// The caller holds the sandbox's lock.
func restore(ctx context.Context, s state.Sandbox, r snapshot.Record, why string) (snapshot.Record, error) {
	now := snapshot.Record{Made: time.Now(), By: "restore", Why: why}
	if active, err := s.ActiveGeneration(); err == nil {
		now.Generation = active.Number
		if set, err := s.SettingsOf(active); err == nil {
			now.Blueprint = set.Blueprint.Name + "@" + set.Blueprint.Version
		}
	}
	return snapshot.Shelf{Dir: s.Snapshots()}.Restore(ctx, s.Workspace(), r, now)
}

// Restore makes the workspace what snapshot id holds; a sandbox that runs is
// stopped for it and started again.
func (c Changer) Restore(ctx context.Context, s state.Sandbox, id string) (was snapshot.Record, err error) {
	unlock, err := s.Changing(ctx, func() { c.Voice.News("%s: waiting for another change of it", s.Name()) })
	if err != nil {
		return snapshot.Record{}, err
	}
	defer unlock()
	r, err := snapshot.Shelf{Dir: s.Snapshots()}.Find(id)
	if err != nil {
		return snapshot.Record{}, err
	}
	ran := running(s)
	if err := c.Driver.Stop(ctx, s, s.Wanted()); err != nil {
		return snapshot.Record{}, errors.Join(err, c.again(s, ran))
	}
	err = locked(s, func() (err error) {
		if was, err = restore(ctx, s, r, "before the restore of "+r.ID); err != nil {
			return err
		}
		return write(s, audit.Event{Verdict: "restore", Target: r.ID, ID: was.ID, Why: "it became the workspace; what that was became the snapshot " + was.ID})
	})
	return was, errors.Join(err, c.again(s, ran))
}
