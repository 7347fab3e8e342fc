package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

func (t target) policyDiffCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "diff FILE | diff OLD NEW",
		Short: "what a policy file newly allows and newly denies, beside the sandbox's own or another file",
		Args:  fileWords(t, "FILE", "OLD NEW"),
		RunE:  func(_ *cobra.Command, args []string) error { return t.policyDiff(args, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

// fileWords wants one file beside the sandbox's own, or two.
func fileWords(t target, one, two string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 1 || len(args) == 2 && t.name == "" {
			return nil
		}
		want := c.CommandPath() + " " + one
		if t.name == "" {
			want += ", or " + c.CommandPath() + " " + two
		}
		return say.Misused(want, "%s: %d words given", c.CommandPath(), len(args))
	}
}

// ownPolicy is the one of the sandbox, as its file says now.
func (t target) ownPolicy() (*policy.Policy, error) {
	s, err := t.sandbox()
	if err != nil {
		return nil, err
	}
	p, _, err := readPolicy(s)
	return p, err
}

// policyFile reads a policy that is a file of the operator's.
func policyFile(path string) (*policy.Policy, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return policy.Parse(filepath.Base(path), text)
}

func (t target) policyDiff(files []string, asJSON bool) error {
	var older *policy.Policy
	var err error
	if len(files) == 2 {
		older, err = policyFile(files[0])
	} else {
		older, err = t.ownPolicy()
	}
	if err != nil {
		return err
	}
	newer, err := policyFile(files[len(files)-1])
	if err != nil {
		return err
	}
	d := policy.Compare(older, newer)
	if asJSON {
		return t.app.voice.JSON(diffOf(d))
	}
	return t.printDiff(d)
}

// diffed is `policy diff --json`.
type diffed struct {
	Allowed []changed `json:"allowed"`
	Denied  []changed `json:"denied"`
	Asked   []changed `json:"asked"`
	Hold    []string  `json:"hold,omitempty"` // of the old and of the new, where they differ
}

type changed struct {
	What string `json:"what"`
	Was  string `json:"was"`
	Line int    `json:"line,omitempty"` // of the new file
}

func diffOf(d policy.Diff) diffed {
	out := diffed{Allowed: changesOf(d.Allowed), Denied: changesOf(d.Denied), Asked: changesOf(d.Asked)}
	if d.Hold[0] != d.Hold[1] {
		out.Hold = []string{d.Hold[0].String(), d.Hold[1].String()}
	}
	return out
}

func changesOf(list []policy.Change) []changed {
	out := make([]changed, len(list))
	for i, c := range list {
		out[i] = changed{c.What, c.Was, c.Line}
	}
	return out
}

func (t target) printDiff(d policy.Diff) error {
	if d.Empty() {
		t.app.voice.News("No difference: each request gets the same verdict.")
		return nil
	}
	return t.app.printChanges(d)
}

func (a *app) printChanges(d policy.Diff) error {
	w := tabwriter.NewWriter(a.voice.Out, 0, 0, 3, ' ', 0)
	for _, g := range []struct {
		sign, now string
		list      []policy.Change
	}{{"+", "allowed", d.Allowed}, {"-", "denied", d.Denied}, {"?", "asked", d.Asked}} {
		for _, c := range g.list {
			now := g.now
			if c.Line > 0 {
				now += fmt.Sprintf(" (line %d)", c.Line)
			}
			_, _ = fmt.Fprintf(w, "%s %s\t%s, was %s\n", g.sign, say.Clean(c.What), now, say.Clean(c.Was))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if d.Hold[0] != d.Hold[1] {
		a.voice.Result("  a connection waits %s for the answer, was %s", d.Hold[1], d.Hold[0])
	}
	return nil
}
