package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (t target) policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "the network policy: show, change, compare and test it, or explain a verdict",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(t.policyShowCommand(), t.policyExplainCommand(),
		t.policyAddCommand(), t.policyRemoveCommand(), t.policyDenyCommand(),
		t.policyPresetsCommand(), t.policyDiffCommand(), t.policyTestCommand(), t.policyLearnCommand())
	return c
}

func (t target) policyShowCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show",
		Short: "the file, and whether it is in form",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return t.policyShow(asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

// policyShown is `policy show --json`.
type policyShown struct {
	File     string `json:"file"`
	Rules    int    `json:"rules"`
	Revision string `json:"revision"`
	Text     string `json:"text"`
}

func (t target) policyShow(asJSON bool) error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	p, text, err := readPolicy(s)
	if err != nil {
		return err
	}
	if asJSON {
		return t.app.voice.JSON(policyShown{s.PolicyFile(), p.Rules(), p.Revision(), string(text)})
	}
	t.app.voice.News("%s: %s, revision %s", s.PolicyFile(), say.Count(p.Rules(), "rule"), p.Revision())
	t.app.voice.Result("%s", say.CleanLines(string(text)))
	return nil
}

// readPolicy reads the network policy's file as it is on disk.
func readPolicy(s state.Sandbox) (*policy.Policy, []byte, error) {
	if !s.Exists() {
		return nil, nil, &state.NotFound{Name: s.Name()}
	}
	text, err := os.ReadFile(s.PolicyFile())
	if err != nil {
		return nil, nil, err
	}
	p, err := policy.Parse(s.PolicyFile(), text)
	return p, text, err
}

func (t target) reloadPolicyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload-policy",
		Short: "put network-policy.yaml in force, without a restart",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return t.reloadPolicy(c.Context()) },
	}
}

func (t target) reloadPolicy(ctx context.Context) error {
	s, client, err := t.dial(ctx)
	if errors.As(err, new(*driver.NotRunning)) {
		p, _, err := readPolicy(s)
		if err != nil {
			return err
		}
		t.app.voice.Result("Network policy valid (%s); %s is not running: it takes effect at its start", say.Count(p.Rules(), "rule"), s.Name())
		return nil
	}
	if err != nil {
		return err
	}
	now, err := client.ReloadPolicy(ctx)
	if err != nil {
		return err
	}
	t.app.voice.Result("Network policy active (%s)", say.Count(now.Rules, "rule"))
	if now.Cut > 0 {
		t.app.voice.News("%s that it does not allow ended", say.Count(now.Cut, "connection"))
	}
	return nil
}
