package cli

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (a *app) listCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "the sandboxes and how they are",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.list(c.Context(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

func (a *app) list(ctx context.Context, asJSON bool) error {
	names, err := a.home.List()
	if err != nil {
		return err
	}
	all := []control.Status{}
	for _, n := range names {
		st, err := a.driver.Status(ctx, a.home.Sandbox(n))
		if err != nil {
			st = control.Status{Name: string(n), State: control.Failed, Why: err.Error()}
		}
		all = append(all, st)
	}
	if asJSON {
		return a.voice.JSON(all)
	}
	if len(all) == 0 {
		a.voice.News("There is no sandbox yet.")
		a.voice.News("→ nemoclaw onboard")
		return nil
	}
	w := tabwriter.NewWriter(a.voice.Out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tSTATE\tBLUEPRINT\tMODEL\tGATEWAY")
	for _, st := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", st.Name, st.State, say.Clean(st.Blueprint.Name+"@"+st.Blueprint.Version), dash(say.Clean(st.Inference.Model)), port(st.GatewayPort))
	}
	return w.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func port(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}
