package cli

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (t target) approvalsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "approvals",
		Short: "what it asks for, and your answers",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return t.approvals(c.Context(), false) },
	}
	var asJSON bool
	list := &cobra.Command{
		Use:   "list",
		Short: "the questions, newest last",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return t.approvals(c.Context(), asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	c.AddCommand(list, t.allowCommand(), t.denyCommand())
	return c
}

func (t target) allowCommand() *cobra.Command {
	var once, always bool
	var span time.Duration
	c := &cobra.Command{
		Use:   "allow ID",
		Short: "let it through: once, for a time, or always (a rule in the policy file)",
		Args:  words("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			answer := control.Answer{Verdict: "allow", Scope: "once"}
			switch {
			case always:
				answer.Scope = "always"
			case c.Flags().Changed("for"):
				if span < time.Second {
					return say.Misused("--for 1h", "allow: --for %s: at least a second", span)
				}
				answer.Scope, answer.Seconds = "for", int64(span/time.Second)
			}
			return t.answer(c.Context(), args[0], answer)
		},
		ValidArgsFunction: t.completeQuestions,
	}
	c.Flags().BoolVar(&once, "once", false, "one connection (default)")
	c.Flags().DurationVar(&span, "for", 0, "as long as this: 30m, 1h")
	c.Flags().BoolVar(&always, "always", false, "from now on: adds a rule to network-policy.yaml")
	c.MarkFlagsMutuallyExclusive("once", "for", "always")
	return c
}

func (t target) denyCommand() *cobra.Command {
	var always bool
	c := &cobra.Command{
		Use:   "deny ID",
		Short: "refuse it: now, or always (a rule in the policy file)",
		Args:  words("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			answer := control.Answer{Verdict: "deny", Scope: "once"}
			if always {
				answer.Scope = "always"
			}
			return t.answer(c.Context(), args[0], answer)
		},
		ValidArgsFunction: t.completeQuestions,
	}
	c.Flags().BoolVar(&always, "always", false, "from now on: adds a deny rule to network-policy.yaml")
	return c
}

func (t target) approvals(ctx context.Context, asJSON bool) error {
	_, client, err := t.dial(ctx)
	if err != nil {
		return err
	}
	all, err := client.Approvals(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		if all == nil {
			all = []control.Approval{}
		}
		return t.app.voice.JSON(all)
	}
	if len(all) == 0 {
		t.app.voice.News("Nothing was asked.")
		return nil
	}
	w := tabwriter.NewWriter(t.app.voice.Out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "ID\tSTATE\tTO\tFROM\tTIME\tASKED")
	for _, q := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d×\n", say.Clean(q.ID), questionState(q), destination(q),
			say.Clean(q.Program), q.Time.Local().Format(time.TimeOnly), max(q.Count, 1))
	}
	return w.Flush()
}

func questionState(q control.Approval) string {
	switch {
	case q.Held > 0:
		return fmt.Sprintf("%s (%d waiting)", say.Clean(q.State), q.Held)
	case q.State == "until":
		return "until " + q.Until.Local().Format(time.TimeOnly)
	}
	return say.Clean(q.State)
}

func destination(q control.Approval) string {
	to := say.Clean(net.JoinHostPort(q.Host, strconv.Itoa(q.Port)))
	if q.Address != "" {
		to += " at " + say.Clean(q.Address)
	}
	return to
}

func (t target) answer(ctx context.Context, id string, answer control.Answer) error {
	_, client, err := t.dial(ctx)
	if err != nil {
		return err
	}
	q, err := client.Answer(ctx, id, answer)
	if err != nil {
		return err
	}
	t.app.voice.Result("%s %s: %s", say.Clean(q.ID), destination(q), questionState(q))
	return nil
}

// completeQuestions offers the questions that wait.
func (t target) completeQuestions(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	_, client, err := t.dial(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, err := client.Approvals(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, q := range all {
		if q.State == "pending" || q.State == "expired" {
			ids = append(ids, say.Clean(q.ID)+"\t"+destination(q))
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
