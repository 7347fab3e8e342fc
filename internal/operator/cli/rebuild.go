package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/operator/change"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (t target) rebuildCommand() *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use:   "rebuild",
		Short: "build it anew from sandbox.yaml as it is now; the workspace stays",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := t.sandbox()
			if err != nil {
				return err
			}
			return t.app.rebuild(c.Context(), s, dry)
		},
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "only say what would be done")
	return c
}

// rebuild locks sandbox.yaml as it is into a new generation, tries it, and puts
// it in force. The old generation stays, and goes on where the new one does not
// come up.
func (a *app) rebuild(ctx context.Context, s state.Sandbox, dry bool) error {
	set, err := s.LoadEdited()
	if err != nil {
		return err
	}
	if err := a.checkSettings(set); err != nil {
		return fmt.Errorf("rebuild %s: %w", s.Name(), err)
	}
	ch, err := a.changer(s)
	if err != nil {
		return err
	}
	p, err := ch.Rebuild(ctx, s)
	if err != nil {
		return err
	}
	if dry {
		return a.printPlan(p)
	}
	return a.apply(ctx, ch, s, p)
}

// changer is what a change of s is made with.
func (a *app) changer(s state.Sandbox) (change.Changer, error) {
	blueprints, err := store.Open(a.home.Blueprints())
	return change.Changer{Voice: a.voice, Home: a.home, Driver: a.driver, Store: blueprints, Tell: a.step(s)}, err
}

// apply does a plan and says how the sandbox came up.
func (a *app) apply(ctx context.Context, ch change.Changer, s state.Sandbox, p change.Plan) error {
	g, err := ch.Apply(ctx, p)
	if err != nil {
		return err
	}
	a.voice.News("%s: generation %d", s.Name(), g.Number)
	return a.standing(ctx, s)
}

// printPlan says what a change would do.
func (a *app) printPlan(p change.Plan) error {
	v, m := a.voice, p.To.Manifest
	v.Result("Plan: %s %s to %s@v%s", p.Why, p.Settings.Name, say.Clean(m.Name), say.Clean(m.Version))
	v.Result("Digest %s", p.To.Digest)
	v.Result("Fetch: %s", fetched(p.To))
	v.Result("Create: a generation beside the one in force, and %s of content%s", unpacked(p.To), shared(p.To))
	v.Result("Try: started once on a copy of the workspace (%s in %s), with nothing to reach; then removed", say.Bytes(p.Workspace.OnDisk), say.Count(p.Workspace.Files, "file"))
	if len(p.Released) > 0 {
		v.Result("Snapshot: the workspace, %s at most (nothing where the file system shares blocks)", say.Bytes(p.Workspace.OnDisk))
	}
	v.Result("Keep: /sandbox, network-policy.yaml, inference.yaml, secrets, mounts, limits and ports")
	a.printPolicyMerge(p)
	a.printSeeds(p.Seeds)
	a.printReleases(p)
	return nil
}

func fetched(i store.Info) string {
	if i.Ready || i.Download == 0 {
		return "nothing: all of it is here"
	}
	return fmt.Sprintf("%s at most, %s", say.Bytes(i.Download), say.Count(i.Packages+i.Debs, "package"))
}

func unpacked(i store.Info) string {
	var size int64
	if p := i.Manifest.Packages; p != nil {
		size = p.Unpacked
	}
	if d := i.Manifest.Debian; d != nil {
		size += d.Unpacked
	}
	if size = max(size, i.Bytes); size == 0 {
		return "no files"
	}
	return say.Bytes(size)
}

// printSeeds says what becomes of the files that a blueprint lays down.
func (a *app) printSeeds(s change.Seeds) {
	for _, p := range s.New {
		a.voice.Result("File: %s is new, and laid down", say.Clean(p))
	}
	for _, p := range s.Newer {
		a.voice.Result("File: %s, which nobody has changed, becomes the new version's", say.Clean(p))
	}
	for _, k := range s.Kept {
		a.voice.Result("File: %s is yours and stays", say.Clean(k.Path))
		if k.Why != "" {
			a.voice.Result("  it could not be looked at: %s", say.Clean(k.Why))
		}
		if k.Diff != "" {
			a.voice.Result("  what the new version changed about its own:")
			a.voice.Result("%s", say.CleanLines(k.Diff))
		}
	}
}

func shared(i store.Info) string {
	if i.Ready {
		return ", which is here and shared by all sandboxes"
	}
	return ", shared by all sandboxes"
}

// printPolicyMerge says what becomes of the network policy.
func (a *app) printPolicyMerge(p change.Plan) {
	if len(p.Released) == 0 {
		return
	}
	if p.Merge.Diff.Empty() && p.Merge.Offered.Empty() {
		a.voice.Result("Policy: kept as it is; the new version's default brings nothing new")
		return
	}
	if !p.Merge.Diff.Empty() {
		a.voice.Result("Policy: kept, and merged with the new version's default:")
		_ = a.printChanges(p.Merge.Diff) // a line that cannot be printed was not asked for
	}
	if !p.Merge.Offered.Empty() {
		a.voice.Result("Policy: the new version's default also allows this; --accept-policy takes it over:")
		_ = a.printChanges(p.Merge.Offered)
	}
}

// printReleases prints the changes between the versions, the oldest first.
func (a *app) printReleases(p change.Plan) {
	for _, r := range p.Released {
		a.voice.Result("Changes in v%s (%s):", say.Clean(r.Version), say.Clean(r.Published))
		for _, c := range r.Changes {
			a.voice.Result("- %s", say.Clean(c))
		}
	}
}
