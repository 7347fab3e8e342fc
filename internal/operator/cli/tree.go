package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/operator/quick"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/version"
)

// The groups of the help page.
const (
	groupGeneral   = "general"
	groupSandboxes = "sandboxes"
	groupVerbs     = "verbs"
)

const long = `nemoclaw keeps an AI agent behind four walls on this machine: network,
filesystem, process and inference.

  nemoclaw onboard                  set up a sandbox, with a wizard
  nemoclaw NAME connect             a shell inside
  nemoclaw NAME status              how it is, wall by wall
  nemoclaw NAME approvals           what it asks for
  nemoclaw run -- COMMAND           one command in a throw-away sandbox

With exactly one sandbox, NAME may be left out.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by policy or a wall;
exec and run pass the program's own code on, theirs are 125, 126 and 127.`

// tree builds the command line, with the sandboxes that there are.
func (a *app) tree() (*cobra.Command, error) {
	root := &cobra.Command{
		Use:           "nemoclaw",
		Short:         "An AI agent behind four walls",
		Long:          long,
		Version:       version.String,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return a.bare(c) },
	}
	root.SetVersionTemplate("nemoclaw {{.Version}}\n")
	root.SetOut(a.voice.Out)
	root.SetErr(a.voice.Err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return say.Misused(c.CommandPath()+" --help", "%s: %w", c.CommandPath(), err)
	})
	names, err := a.home.List()
	if err != nil {
		return nil, err
	}
	root.AddGroup(&cobra.Group{ID: groupGeneral, Title: "Commands:"})
	if len(names) > 0 {
		root.AddGroup(&cobra.Group{ID: groupSandboxes, Title: "Sandboxes:"})
	}
	root.AddGroup(&cobra.Group{ID: groupVerbs, Title: "What a sandbox does (nemoclaw NAME VERB; NAME may be left out when there is one):"})
	root.SetHelpCommandGroupID(groupGeneral)
	root.SetCompletionCommandGroupID(groupGeneral)
	for _, c := range []*cobra.Command{a.onboardCommand(), quick.RunCommand(a.voice, a.home, quick.Begun{}), a.listCommand(), a.doctorCommand(),
		a.versionCommand(), a.uninstallCommand(), a.blueprintCommand(), a.secretCommand()} {
		c.GroupID = groupGeneral
		root.AddCommand(c)
	}
	for _, c := range a.verbs(target{a, ""}) {
		c.GroupID = groupVerbs
		root.AddCommand(c)
	}
	for _, n := range names {
		root.AddCommand(a.sandboxCommand(n))
	}
	suggesting(root)
	return root, nil
}

// suggesting has every command find the word that was meant.
func suggesting(c *cobra.Command) {
	c.SuggestionsMinimumDistance = 2
	for _, sub := range c.Commands() {
		suggesting(sub)
	}
}

// sandboxCommand is one sandbox with its verbs.
func (a *app) sandboxCommand(n state.Name) *cobra.Command {
	c := &cobra.Command{
		Use:     string(n),
		Short:   "the sandbox " + string(n),
		GroupID: groupSandboxes,
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.verbs(target{a, n})...)
	return c
}

// verbs are the commands about one sandbox.
func (a *app) verbs(t target) []*cobra.Command {
	return []*cobra.Command{
		t.connectCommand(), t.execCommand(), t.statusCommand(), t.logsCommand(),
		t.startCommand(), t.stopCommand(), t.restartCommand(), t.destroyCommand(),
		t.upgradeCommand(), t.rollbackCommand(), t.rebuildCommand(), t.snapshotCommand(),
		t.reloadPolicyCommand(), t.policyCommand(), t.approvalsCommand(),
		t.setModelCommand(), t.setInferenceURLCommand(), t.reloadInferenceCommand(), t.inferenceCommand(),
		t.auditCommand(), t.verifyCommand(), t.gatewayURLCommand(),
	}
}

// bare is nemoclaw without a word: the wizard where there is nothing yet and
// somebody to ask, else the help page.
func (a *app) bare(c *cobra.Command) error {
	names, err := a.home.List()
	if err != nil {
		return err
	}
	if len(names) == 0 && a.voice.InTTY && a.voice.ErrTTY {
		return a.onboard(c.Context(), onboardFlags{}, c.Flags())
	}
	return c.Help()
}

// target is the sandbox that a command is about: the one that was named, or
// with an empty name the only one there is.
type target struct {
	app  *app
	name state.Name
}

// sandbox finds it.
func (t target) sandbox() (state.Sandbox, error) {
	if t.name != "" {
		return t.app.home.Sandbox(t.name), nil
	}
	names, err := t.app.home.List()
	if err != nil {
		return state.Sandbox{}, err
	}
	switch len(names) {
	case 0:
		return state.Sandbox{}, say.Failing("nemoclaw onboard", "there is no sandbox yet")
	case 1:
		return t.app.home.Sandbox(names[0]), nil
	}
	return state.Sandbox{}, say.Misused("nemoclaw "+string(names[0])+" …", "there are %d sandboxes: say which one: %s", len(names), joined(names))
}

// dial finds it and its supervisor.
func (t target) dial(ctx context.Context) (state.Sandbox, *control.Client, error) {
	s, err := t.sandbox()
	if err != nil {
		return s, nil, err
	}
	c, err := t.app.driver.Dial(ctx, s)
	return s, c, err
}
