package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/change"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (t target) rollbackCommand() *cobra.Command {
	var to int
	var list, workspace, dry, asJSON bool
	c := &cobra.Command{
		Use:   "rollback",
		Short: "go back to the generation before; the workspace stays as it is",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if list {
				return t.generations(asJSON)
			}
			return t.rollback(c.Context(), to, workspace, dry)
		},
	}
	c.Flags().IntVar(&to, "to", 0, "the number of another generation")
	c.Flags().BoolVar(&workspace, "workspace", false, "bring back the workspace too, as it was before the upgrade")
	c.Flags().BoolVar(&dry, "dry-run", false, "only say what would be done")
	c.Flags().BoolVar(&list, "list", false, "list the generations")
	c.Flags().BoolVar(&asJSON, "json", false, "with --list: print for programs")
	return c
}

func (t target) rollback(ctx context.Context, to int, workspace, dry bool) error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	ch, err := t.app.changer(s)
	if err != nil {
		return err
	}
	r, err := ch.Rollback(s, to, workspace)
	if err != nil {
		return err
	}
	what := "the workspace stays as it is"
	if r.Saved() != "" {
		what = "the workspace becomes snapshot " + r.Saved()
	}
	if dry {
		t.app.voice.Result("Plan: roll %s back to generation %d (%s); %s", s.Name(), r.Number(), say.Clean(r.Blueprint()), what)
		return nil
	}
	_, ran := s.Holder()
	if err := ch.Back(ctx, r); err != nil {
		return err
	}
	t.app.voice.News("%s: generation %d (%s) is in force again; %s", s.Name(), r.Number(), say.Clean(r.Blueprint()), what)
	if !ran {
		return nil
	}
	return t.app.standing(ctx, s)
}

func (t target) generations(asJSON bool) error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	all, err := change.Generations(s)
	if err != nil {
		return err
	}
	if asJSON {
		return t.app.voice.JSON(all)
	}
	w := tabwriter.NewWriter(t.app.voice.Out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "GENERATION\tBLUEPRINT\tMADE\tBY\tSNAPSHOT")
	for _, g := range all {
		sign := ""
		if g.Active {
			sign = " *"
		}
		_, _ = fmt.Fprintf(w, "%d%s\t%s\t%s\t%s\t%s\n", g.Number, sign, say.Clean(g.Blueprint), when(g.Made), say.Clean(g.Why), say.Clean(g.Snapshot))
	}
	return w.Flush()
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}
