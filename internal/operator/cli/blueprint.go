package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/operator/onboard"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (a *app) blueprintCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "blueprint",
		Short: "what sandboxes are made of",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var listJSON, inspectJSON bool
	list := &cobra.Command{
		Use:   "list",
		Short: "the blueprints that there are",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return a.blueprintList(listJSON) },
	}
	list.Flags().BoolVar(&listJSON, "json", false, "print for programs")
	inspect := &cobra.Command{
		Use:   "inspect NAME@VERSION",
		Short: "what one contains; a bare version is openclaw's, a bare name the newest",
		Args:  words("NAME@VERSION"),
		RunE:  func(_ *cobra.Command, args []string) error { return a.blueprintInspect(args[0], inspectJSON) },
	}
	inspect.Flags().BoolVar(&inspectJSON, "json", false, "print for programs")
	cache := &cobra.Command{
		Use:   "cache",
		Short: "what was fetched",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cache.AddCommand(&cobra.Command{
		Use:   "prune",
		Short: "remove fetched tarballs of what is unpacked, and content that no sandbox uses",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.cachePrune(c.Context()) },
	}, &cobra.Command{
		Use:   "clear",
		Short: "forget what was fetched; content that sandboxes use stays",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.cacheClear(c.Context()) },
	})
	c.AddCommand(list, inspect, a.blueprintDiffCommand(), a.blueprintSBOMCommand(), a.blueprintBuildCommand(), a.blueprintLockCommand(), a.blueprintPullCommand(), a.blueprintPushCommand(),
		a.blueprintVerifyCommand(), a.blueprintSignCommand(), a.blueprintKeyCommand(), a.blueprintTrustCommand(), cache)
	return c
}

// blueprintShown is `blueprint list --json` and `blueprint inspect --json`.
type blueprintShown struct {
	Name     string              `json:"name"`
	Version  string              `json:"version"`
	Digest   blueprint.Digest    `json:"digest"`
	Builtin  bool                `json:"builtin"`
	Ready    bool                `json:"ready"`
	Packages int                 `json:"packages"`
	UsedBy   []string            `json:"used_by"`
	Manifest *blueprint.Manifest `json:"manifest,omitempty"`
}

func shown(i store.Info) blueprintShown {
	return blueprintShown{Name: i.Manifest.Name, Version: i.Manifest.Version, Digest: i.Digest, Builtin: i.Builtin, Ready: i.Ready, Packages: i.Packages}
}

func (a *app) blueprintList(asJSON bool) error {
	blueprints, err := store.Open(a.home.Blueprints())
	if err != nil {
		return err
	}
	all, damaged, err := blueprints.List()
	if err != nil {
		return err
	}
	users, err := a.users()
	if err != nil {
		return err
	}
	if asJSON {
		out := []blueprintShown{}
		for _, i := range all {
			one := shown(i)
			one.UsedBy = append([]string{}, users[i.Digest]...)
			out = append(out, one)
		}
		return errors.Join(a.voice.JSON(out), damaged)
	}
	w := tabwriter.NewWriter(a.voice.Out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "BLUEPRINT\tPUBLISHED\tDIGEST\tHERE\tUSED BY")
	for _, i := range all {
		_, _ = fmt.Fprintf(w, "%s@v%s\t%s\t%s…\t%s\t%s\n", say.Clean(i.Manifest.Name), say.Clean(i.Manifest.Version),
			say.Clean(i.Manifest.Published), clip(string(i.Digest), len("sha256:")+10), here(i), strings.Join(users[i.Digest], ", "))
	}
	return errors.Join(w.Flush(), damaged)
}

// users are the sandboxes that are made of each blueprint now.
func (a *app) users() (map[blueprint.Digest][]string, error) {
	names, err := a.home.List()
	if err != nil {
		return nil, err
	}
	users := map[blueprint.Digest][]string{}
	for _, n := range names {
		set, err := a.home.Sandbox(n).LoadEdited()
		if err != nil {
			continue // its own status says what is wrong with it
		}
		d := blueprint.Digest(set.Blueprint.Digest)
		users[d] = append(users[d], string(n))
	}
	return users, nil
}

// here says what starting a sandbox of it would take.
func here(i store.Info) string {
	switch {
	case i.Ready:
		return "ready"
	case i.Download > 0:
		return say.Bytes(i.Download) + " to download"
	}
	return "built in"
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n]
}

func (a *app) blueprintInspect(text string, asJSON bool) error {
	ref, err := blueprint.ParseRef(text, "")
	if err != nil {
		return &say.Fault{Err: err, Help: "nemoclaw blueprint list", Code: say.WrongUsage}
	}
	blueprints, err := store.Open(a.home.Blueprints())
	if err != nil {
		return err
	}
	info, err := blueprints.Inspect(ref)
	if err != nil {
		return err
	}
	if asJSON {
		out := shown(info)
		out.Manifest = &info.Manifest
		return a.voice.JSON(out)
	}
	a.printBlueprint(info)
	return nil
}

// printBlueprint is the article's form, and below it what the article leaves
// out.
func (a *app) printBlueprint(i store.Info) {
	m := i.Manifest
	a.voice.Result("Blueprint v%s", say.Clean(m.Version))
	a.voice.Result("Digest %s", say.Clean(string(i.Digest)))
	a.voice.Result("Published %s", say.Clean(m.Published))
	a.voice.Result("OpenShell %s", say.Clean(m.Needs))
	if m.Kernel != nil {
		a.voice.Result("Kernel %s", say.Clean(m.Kernel.String()))
	}
	a.voice.Result("Changes:")
	for _, c := range m.Changes {
		a.voice.Result("- %s", say.Clean(c))
	}
	a.voice.Result("Name: %s", say.Clean(m.Name))
	a.voice.Result("Base: %s", say.Clean(m.Base.Describe()))
	if d := m.Debian; d != nil {
		text := fmt.Sprintf("Base packages: %d: %s to download", i.Debs, say.Bytes(i.DebBytes))
		if d.Unpacked > 0 {
			text += fmt.Sprintf(", %s on disk", say.Bytes(d.Unpacked))
		}
		a.voice.Result("%s", text)
	}
	if m.Agent != nil {
		a.voice.Result("Agent: %s (%s)", say.Clean(m.Agent.Name), say.Clean(strings.Join(m.Agent.Argv, " ")))
	} else {
		a.voice.Result("Agent: none")
	}
	for _, p := range m.Ports {
		a.voice.Result("Port: %d (%s)", p.Port, say.Clean(p.Name))
	}
	if m.Packages != nil {
		a.voice.Result("Packages: %d, each pinned by its hash: %s to download, %s on disk", i.Packages, say.Bytes(m.Packages.Download), say.Bytes(m.Packages.Unpacked))
	}
	a.voice.Result("Platforms: %s", say.Clean(strings.Join(m.Platforms, ", ")))
	if i.Bytes > 0 {
		a.voice.Result("Size: %s unpacked here, shared by all sandboxes", say.Bytes(i.Bytes))
	}
	a.printContents(i)
}

// printContents says what is laid into a sandbox, and what it may reach by
// default.
func (a *app) printContents(i store.Info) {
	m := i.Manifest
	a.voice.Result("Contents:")
	for _, s := range m.Seeds {
		a.voice.Result("- %s (%s, %s), where it is missing", say.Clean(s.Path), say.Clean(s.Mode), say.Bytes(s.File.Size))
	}
	if m.Packages != nil {
		lock, err := i.Artifact.Lock()
		for _, p := range lock.Packages {
			if err == nil && p.Direct {
				a.voice.Result("- package %s", say.Clean(p.String()))
			}
		}
		for _, f := range m.Packages.Additions {
			a.voice.Result("- %s (%s), added", say.Clean(f.Path), say.Bytes(f.File.Size))
		}
		for _, moved := range m.Packages.Moves {
			a.voice.Result("- %s, laid at %s", say.Clean(moved.From), say.Clean(moved.To))
		}
		for _, f := range m.Packages.Removals {
			a.voice.Result("- %s, left out", say.Clean(f))
		}
	}
	a.voice.Result("Policies:")
	p, err := policy.Parse(m.Ref().String(), i.Artifact.Bytes(m.Policies.Network))
	if err != nil {
		a.voice.Result("- network: not in form: %s", say.Clean(err.Error()))
		return
	}
	for _, r := range p.List() {
		a.voice.Result("- network: %s", say.Clean(r.Text()))
	}
	a.voice.Result("- network: everything else: %s", p.Unlisted())
	if inf, err := policy.ParseInference(m.Ref().String(), i.Artifact.Bytes(m.Policies.Inference)); err == nil {
		a.voice.Result("- inference: %s", say.Clean(inf.Default().String()))
	}
}

// living are the blueprints of all generations of all sandboxes.
func (a *app) living() (store.Keep, error) {
	keep := store.Keep{Waiting: func() { a.voice.News("waiting for another nemoclaw that works with the cache") }}
	names, err := a.home.List()
	if err != nil {
		return keep, err
	}
	for _, n := range names {
		s := a.home.Sandbox(n)
		used, err := usedBy(s)
		if err != nil {
			return keep, fmt.Errorf("clear cache: %w", err) // what it uses is not known, so nothing is removed
		}
		keep.Used = append(keep.Used, used...)
		if _, held := s.Holder(); held {
			keep.Running = append(keep.Running, used...)
		}
	}
	return keep, nil
}

// makeRoom has the store do what it is asked, but for what living sandboxes use.
func (a *app) makeRoom(act func(*store.Store, store.Keep) (store.Cleared, error)) (store.Cleared, error) {
	blueprints, err := store.Open(a.home.Blueprints())
	if err != nil {
		return store.Cleared{}, err
	}
	keep, err := a.living()
	if err != nil {
		return store.Cleared{}, err
	}
	return act(blueprints, keep)
}

// cachePrune makes room, and forgets no blueprint.
func (a *app) cachePrune(ctx context.Context) error {
	done, err := a.makeRoom(func(s *store.Store, keep store.Keep) (store.Cleared, error) { return s.Prune(ctx, keep) })
	if err != nil {
		return err
	}
	a.voice.Result("Removed %s in %s", say.Bytes(done.Bytes), say.Count(done.Files, "file"))
	return nil
}

// cacheClear keeps what living sandboxes were made of.
func (a *app) cacheClear(ctx context.Context) error {
	done, err := a.makeRoom(func(s *store.Store, keep store.Keep) (store.Cleared, error) { return s.Clear(ctx, keep) })
	if err != nil {
		return err
	}
	a.voice.Result("Cleared %s in %s", say.Bytes(done.Bytes), say.Count(done.Files, "file"))
	for _, k := range done.Kept {
		a.voice.News("kept: %s, which a sandbox uses", say.Clean(k))
	}
	for _, d := range done.Damaged {
		a.voice.News("put aside: %s is damaged; nemoclaw NAME rebuild makes it anew", say.Clean(d))
	}
	return nil
}

// usedBy are the blueprints of all generations of s, and what its sandbox.yaml
// asks for now.
func usedBy(s state.Sandbox) ([]blueprint.Digest, error) {
	set, err := s.LoadEdited()
	if err != nil {
		return nil, err
	}
	all := []state.Blueprint{set.Blueprint}
	generations, err := s.Generations()
	if err != nil {
		return nil, err
	}
	for _, g := range generations {
		if set, err = s.SettingsOf(g); err != nil {
			return nil, err
		}
		all = append(all, set.Blueprint)
	}
	var used []blueprint.Digest
	for _, b := range all {
		if ref, err := onboard.RefOf(b); err == nil && !slices.Contains(used, ref.Digest) {
			used = append(used, ref.Digest)
		}
	}
	return used, nil
}
