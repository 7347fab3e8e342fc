package change

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/operator/onboard"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/snapshot"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// kept is how many generations there are at most, the active one included.
const kept = 3

// Apply does what p says: a generation beside the old one, tried, and then put
// in force. Whatever fails, and when ctx ends, the old one goes on.
func (c Changer) Apply(ctx context.Context, p Plan) (state.Generation, error) {
	s := p.place
	unlock, err := s.Changing(ctx, func() { c.Voice.News("%s: waiting for another change of it", s.Name()) })
	if err != nil {
		return state.Generation{}, err
	}
	defer unlock()
	if err := settle(s); err != nil {
		return state.Generation{}, err
	}
	if now, err := s.ActiveGeneration(); err != nil || now != p.active {
		return state.Generation{}, errors.Join(err, fmt.Errorf("%s: another change was quicker: generation %d is in force", p.Why, now.Number))
	}
	ref, err := onboard.RefOf(p.Settings.Blueprint)
	if err != nil {
		return state.Generation{}, err
	}
	content, err := onboard.Prepare(ctx, c.Voice, c.Store, ref)
	if err != nil {
		return state.Generation{}, err
	}
	next, err := p.generation(string(content.Tree))
	if err != nil {
		return state.Generation{}, err
	}
	if err := c.try(ctx, s, next, p.Seeds); err != nil {
		return state.Generation{}, errors.Join(c.undone(s, p.active, err), s.Forget(next))
	}
	if err := c.switchTo(ctx, p, next); err != nil {
		return state.Generation{}, err
	}
	if err := c.prune(s); err != nil {
		c.Voice.News("%s: an old generation could not be forgotten: %v", s.Name(), err)
	}
	return next, nil
}

// generation locks the new settings.
func (p Plan) generation(tree string) (state.Generation, error) {
	note := state.Note{Made: time.Now().UTC(), Why: p.Why, Untried: true}
	set := p.Settings
	if p.asIs {
		now, err := p.place.LoadEdited()
		if err == nil && !reflect.DeepEqual(now, set) {
			err = say.Failing(fmt.Sprintf("nemoclaw %s %s", p.place.Name(), p.Why), "%s: sandbox.yaml was edited meanwhile", p.Why)
		}
		if err != nil {
			return state.Generation{}, err
		}
	}
	if p.asIs && set.Blueprint.Tree == tree {
		return p.place.NewGeneration(note)
	}
	set.Blueprint.Tree = tree
	return p.place.NewGenerationOf(set, note)
}

func (c Changer) undone(s state.Sandbox, old state.Generation, why error) error {
	c.Voice.News("%s: the new generation did not come up; nothing was changed, generation %d stays in force", s.Name(), old.Number)
	return why
}

// darkness is the network policy of a trial: an agent that is started a second
// time on a copy must not answer messages, or use up keys, of the first.
const darkness = "# A trial reaches nothing.\nunlisted: deny\n"

// try starts the generation once, beside what runs: on a copy of the workspace,
// with the host's folders read-only and nothing to reach. What the driver calls
// up is proved and healthy.
func (c Changer) try(ctx context.Context, s state.Sandbox, g state.Generation, more Seeds) (err error) {
	trial := s.Trial()
	if err := c.clear(ctx, trial); err != nil { // of a command that was killed
		return err
	}
	set, err := s.SettingsOf(g)
	if err != nil {
		return err
	}
	set.Ports.Gateway = 0
	set.Walls.NetworkOff = false
	for i := range set.Mounts {
		set.Mounts[i].ReadOnly = true
	}
	inference, err := os.ReadFile(s.InferenceFile())
	if err != nil {
		return fmt.Errorf("try generation %d: %w", g.Number, err)
	}
	defer func() { err = errors.Join(err, c.clear(context.WithoutCancel(ctx), trial)) }()
	err = c.Driver.Create(ctx, trial, set, state.File{Path: "network-policy.yaml", Data: []byte(darkness)}, state.File{Path: "inference.yaml", Data: inference})
	if err == nil {
		err = (snapshot.Shelf{Dir: s.Snapshots()}).Room(ctx, s.Workspace())
	}
	if err == nil {
		_, err = snapshot.Copy(ctx, s.Workspace(), trial.Workspace())
	}
	if err == nil {
		err = more.lay(trial.Workspace())
	}
	if err != nil {
		return fmt.Errorf("try generation %d: %w", g.Number, err)
	}
	err = c.Driver.Try(ctx, s, func(line string) { c.Tell("trying generation " + fmt.Sprint(g.Number) + ": " + line) })
	if err == nil || ctx.Err() != nil {
		return err
	}
	// What the trial's agent said is all there is to go by.
	kept := filepath.Join(s.RunDir(), "trial.log")
	if os.Rename(trial.AgentLog(), kept) == nil {
		err = say.Failing("see "+kept, "%w", err)
	}
	return err
}

// clear removes a trial and whatever of it still runs.
func (c Changer) clear(ctx context.Context, trial state.Sandbox) error {
	err := c.Driver.Remove(ctx, trial)
	if errors.As(err, new(*state.NotFound)) {
		return nil
	}
	return err
}

// switchTo stops the old generation, keeps its workspace, puts g in force and
// starts it. A start that fails is taken back, the workspace with it.
func (c Changer) switchTo(ctx context.Context, p Plan, g state.Generation) error {
	s := p.place
	ran := running(s)
	if err := c.Driver.Stop(ctx, s, s.Wanted()); err != nil {
		return errors.Join(err, s.Forget(g), c.again(s, ran))
	}
	saved, err := c.save(ctx, p, g)
	if err != nil {
		return errors.Join(err, s.Forget(g), c.again(s, ran))
	}
	text, err := c.force(p, g, saved)
	if err == nil {
		err = c.Driver.Start(ctx, s, c.Tell)
	}
	if err != nil {
		err = errors.Join(err, c.back(p, g, saved, text, ran), s.Forget(g))
		return c.undone(s, p.active, err)
	}
	return nil
}

// force puts g in force while nobody keeps the sandbox: its policy, the
// generation, its seeds, and the line in the book. The policy comes first, since
// the new agent must not be without what is denied to it; the seeds last: a newer
// agent lives with the files of an older one, as it does where somebody has
// changed them, and an older one may not know what to do with newer ones.
func (c Changer) force(p Plan, g state.Generation, saved snapshot.Record) (text policyText, err error) {
	s := p.place
	err = locked(s, func() error {
		if text, err = p.mergeInto(s); err != nil {
			return err
		}
		fresh, err := p.freshSeeds()
		if err != nil {
			return err
		}
		if err := s.Activate(g); err != nil {
			return err
		}
		if err := fresh.lay(s.Workspace()); err != nil {
			return err
		}
		return write(s, moved(p.Why, p.active, g, p.was.Blueprint, p.Settings.Blueprint, saved.ID))
	})
	return text, err
}

// policyText is the operator's network policy before a change and after it; nil
// where it stays.
type policyText struct{ was, is []byte }

// mergeInto merges the policy as it is now: the operator may have edited or
// answered since the plan, and may at this moment.
func (p Plan) mergeInto(s state.Sandbox) (text policyText, err error) {
	if len(p.Released) == 0 {
		return text, nil
	}
	err = state.EditDurable(s.PolicyFile(), 0o600, func(own []byte) ([]byte, error) {
		m, err := merge(own, p.From.Artifact, p.To.Artifact, p.accept)
		if err != nil || m.Text == nil {
			return own, err
		}
		text = policyText{own, m.Text}
		return m.Text, nil
	})
	return text, err
}

// takeBack makes the policy what it was, unless somebody has edited it since.
func (t policyText) takeBack(s state.Sandbox) error {
	if t.is == nil {
		return nil
	}
	return state.EditDurable(s.PolicyFile(), 0o600, func(now []byte) ([]byte, error) {
		if bytes.Equal(now, t.is) {
			return t.was, nil
		}
		return now, nil
	})
}

// freshSeeds looks at the workspace again: what the agent or the operator has
// changed since the plan stays.
func (p Plan) freshSeeds() (Seeds, error) {
	if len(p.Released) == 0 {
		return Seeds{}, nil
	}
	return seeds(p.place, p.Settings, p.From.Artifact, p.To.Artifact)
}

func running(s state.Sandbox) bool {
	_, held := s.Holder()
	return held
}

// save copies the workspace before another version of the agent writes to it,
// and notes the copy in g.
func (c Changer) save(ctx context.Context, p Plan, g state.Generation) (snapshot.Record, error) {
	if p.was.Blueprint.Digest == p.Settings.Blueprint.Digest {
		return snapshot.Record{}, nil
	}
	c.Tell("keeping a snapshot of the workspace")
	shelf := snapshot.Shelf{Dir: p.place.Snapshots()}
	var r snapshot.Record
	err := locked(p.place, func() (err error) {
		r, err = shelf.Create(ctx, p.place.Workspace(), snapshot.Record{
			Made: time.Now(), By: p.Why, Generation: p.active.Number,
			Why:       "before the upgrade to " + p.To.Manifest.Ref().String(),
			Blueprint: p.was.Blueprint.Name + "@" + p.was.Blueprint.Version,
		})
		return err
	})
	if err != nil {
		return r, err
	}
	note, err := g.Note()
	if err == nil {
		note.Snapshot = r.ID
		err = g.SetNote(note)
	}
	return r, err
}

// back puts the old generation in force again instead of g, with the workspace
// and the policy as they were, whatever has become of the caller's context.
func (c Changer) back(p Plan, g state.Generation, saved snapshot.Record, text policyText, ran bool) error {
	s, ctx := p.place, context.Background()
	if err := c.Driver.Stop(ctx, s, s.Wanted()); err != nil {
		return err
	}
	err := locked(s, func() error {
		if saved.ID != "" {
			shelf := snapshot.Shelf{Dir: s.Snapshots()}
			_, err := shelf.Restore(ctx, s.Workspace(), saved, snapshot.Record{
				Made: time.Now(), By: p.Why, Why: "what " + p.To.Manifest.Ref().String() + " left, which did not come up", Blueprint: p.To.Manifest.Ref().String(),
			})
			if err != nil {
				return err
			}
		}
		if err := text.takeBack(s); err != nil {
			return err
		}
		if err := s.Activate(p.active); err != nil {
			return err
		}
		return write(s, moved("undone", g, p.active, p.Settings.Blueprint, p.was.Blueprint, saved.ID))
	})
	if err == nil {
		err = c.again(s, ran)
	}
	if err != nil {
		return fmt.Errorf("go back to generation %d: %w", p.active.Number, err)
	}
	return nil
}

// again starts what ran before.
func (c Changer) again(s state.Sandbox, ran bool) error {
	if !ran {
		return nil
	}
	return c.Driver.Start(context.Background(), s, c.Tell)
}

// locked does act while nobody else keeps the sandbox.
func locked(s state.Sandbox, act func() error) error {
	unlock, err := s.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	return act()
}

// prune forgets all generations but the last three, and the snapshots that were
// taken for them. The operator's own snapshots stay.
func (c Changer) prune(s state.Sandbox) error {
	if err := settle(s); err != nil {
		return err
	}
	all, active, err := known(s)
	if err != nil {
		return err
	}
	for i, g := range all {
		if i >= len(all)-kept || g == active {
			continue
		}
		if err := forget(s, g); err != nil {
			return err
		}
		c.Voice.News("%s: generation %d is forgotten; the last %d are kept", s.Name(), g.Number, kept)
	}
	return nil
}

// ref is a generation's blueprint for people.
func ref(b state.Blueprint) string { return strings.Join([]string{b.Name, "@v", b.Version}, "") }
