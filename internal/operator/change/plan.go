package change

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/onboard"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/snapshot"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Changer is what changes are made with.
type Changer struct {
	Voice  *say.Voice
	Home   state.Home
	Driver driver.Driver
	Store  *store.Store
	// Tell shows one step of a start.
	Tell func(string)
}

// Plan is everything that a change would do. Making it changes nothing.
type Plan struct {
	place  state.Sandbox
	active state.Generation
	was    state.Settings

	Why       string // upgrade, rebuild
	From, To  store.Info
	Settings  state.Settings // of the new generation; without Tree where it is not unpacked yet
	Workspace snapshot.Size
	Released  []Release // what is new, version by version
	Merge     Merge     // of the network policy
	Seeds     Seeds     // of the workspace
	accept    bool      // what the new default allows
	asIs      bool      // sandbox.yaml is taken byte by byte
}

// Release is what one version changed.
type Release struct {
	Version, Published string
	Changes            []string
}

// Options are what an upgrade must be told to do.
type Options struct {
	Blueprint    string // NAME@VERSION, VERSION or NAME; "" for the newest of the same name
	Downgrade    bool   // to an older version, or other bytes of the same one
	AcceptPolicy bool   // what the new version's default policy newly allows is allowed
}

// Same means that an upgrade has nothing to do.
type Same struct{ Version string }

func (e *Same) Error() string { return "upgrade: it is v" + e.Version + " already" }

// Upgrade plans the change of s to another version of its blueprint.
func (c Changer) Upgrade(ctx context.Context, s state.Sandbox, o Options) (Plan, error) {
	set, err := s.Load()
	if err != nil {
		return Plan{}, err
	}
	wanted := o.Blueprint
	if wanted == "" {
		wanted = set.Blueprint.Name
	}
	ref, err := blueprint.ParseRef(wanted, set.Blueprint.Name)
	if err != nil {
		return Plan{}, &say.Fault{Err: err, Help: "nemoclaw blueprint list", Code: say.WrongUsage}
	}
	to, err := c.Store.Inspect(ref)
	if err != nil {
		return Plan{}, err
	}
	if err := allowed(s, set.Blueprint, to, o); err != nil {
		return Plan{}, err
	}
	next := set
	next.Blueprint = state.Blueprint{Name: to.Manifest.Name, Version: to.Manifest.Version, Digest: string(to.Digest)}
	if from, err := c.Store.Inspect(blueprint.Ref{Name: set.Blueprint.Name, Version: set.Blueprint.Version, Digest: blueprint.Digest(set.Blueprint.Digest)}); err == nil {
		next.Agent = agentOf(set.Agent, from, to)
	}
	p := Plan{place: s, was: set, Why: "upgrade", To: to, Settings: next}
	return c.complete(ctx, p, o)
}

// Rebuild plans a new generation from sandbox.yaml as it is now.
func (c Changer) Rebuild(ctx context.Context, s state.Sandbox) (Plan, error) {
	set, err := s.LoadEdited()
	if err != nil {
		return Plan{}, err
	}
	ref, err := onboard.RefOf(set.Blueprint)
	if err != nil {
		return Plan{}, err
	}
	to, err := c.Store.Inspect(ref)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{place: s, Why: "rebuild", To: to, Settings: set, asIs: true}
	return c.complete(ctx, p, Options{})
}

// agentOf is what is started afterwards: what the operator chose stays, where
// there was a choice.
func agentOf(chosen string, from, to store.Info) string {
	switch {
	case to.Manifest.Agent == nil:
		return "none"
	case from.Manifest.Agent == nil:
		return to.Manifest.Name
	}
	return chosen
}

// complete looks up the rest of a plan.
func (c Changer) complete(ctx context.Context, p Plan, o Options) (Plan, error) {
	err := host.Fits(p.To.Manifest.Identity)
	if err != nil {
		return Plan{}, err
	}
	if p.active, err = p.place.ActiveGeneration(); err != nil {
		return Plan{}, err
	}
	if p.was, err = p.place.SettingsOf(p.active); err != nil {
		return Plan{}, err
	}
	p.From = p.To
	if p.was.Blueprint.Digest != p.Settings.Blueprint.Digest {
		ref, err := onboard.RefOf(p.was.Blueprint)
		if err != nil {
			return Plan{}, err
		}
		// The old one's bytes may be gone from the cache; then there is nothing
		// to compare with, and that is no reason to stay on it.
		if p.From, err = c.Store.Inspect(ref); err != nil {
			p.From = store.Info{}
		}
		if p.Released, err = c.released(p.was.Blueprint, p.To); err != nil {
			return Plan{}, err
		}
		text, err := os.ReadFile(p.place.PolicyFile())
		if err != nil {
			return Plan{}, fmt.Errorf("plan: %w", err)
		}
		p.accept = o.AcceptPolicy
		if p.Merge, err = merge(text, p.From.Artifact, p.To.Artifact, p.accept); err != nil {
			return Plan{}, err
		}
		if p.Seeds, err = seeds(p.place, p.Settings, p.From.Artifact, p.To.Artifact); err != nil {
			return Plan{}, err
		}
	}
	p.Workspace, err = snapshot.Measure(ctx, p.place.Workspace())
	return p, err
}

// allowed refuses what an upgrade must be asked for.
func allowed(s state.Sandbox, have state.Blueprint, to store.Info, o Options) error {
	m := to.Manifest
	again := fmt.Sprintf("nemoclaw %s upgrade --blueprint %s --downgrade", s.Name(), m.Ref())
	switch order := blueprint.Compare(m.Version, have.Version); {
	case m.Name != have.Name:
		return say.Misused("nemoclaw onboard --blueprint "+m.Ref().String(), "upgrade: %s is made of %s, not of %s", s.Name(), have.Name, m.Name)
	case string(to.Digest) == have.Digest:
		return &Same{have.Version}
	case o.Downgrade:
		return nil
	case order < 0:
		return say.Failing(again+"\n→ or nemoclaw "+string(s.Name())+" rollback", "upgrade: v%s is older than v%s", m.Version, have.Version)
	case order == 0:
		return say.Failing(again, "upgrade: other bytes (%s) are called v%s now than those that %s was made of", to.Digest.Short(), m.Version, s.Name())
	}
	return nil
}

// released is what changed in each version after the one that there is, up to
// the one that comes.
func (c Changer) released(have state.Blueprint, to store.Info) ([]Release, error) {
	all, _, err := c.Store.List()
	if err != nil {
		return nil, err
	}
	var out []Release
	for _, i := range all {
		m := i.Manifest
		if m.Name != have.Name || i.Digest == to.Digest ||
			blueprint.Compare(m.Version, have.Version) <= 0 || blueprint.Compare(m.Version, to.Manifest.Version) >= 0 {
			continue
		}
		out = append(out, Release{m.Version, m.Published, m.Changes})
	}
	m := to.Manifest
	return slices.Concat(out, []Release{{m.Version, m.Published, m.Changes}}), nil
}
