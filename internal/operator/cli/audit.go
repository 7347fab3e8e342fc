package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (t target) auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "the book of all that happened: read it, verify that it is whole, export it",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(t.auditTailCommand(), t.auditVerifyCommand(), t.auditExportCommand(), t.auditPruneCommand())
	return c
}

func (t target) auditTailCommand() *cobra.Command {
	f := bookFlags{lines: 20}
	c := &cobra.Command{
		Use:   "tail",
		Short: "the last events",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			all := func(audit.Event) bool { return true }
			return t.book(c.Context(), f, all, t.app.printEvent)
		},
	}
	f.register(c)
	return c
}

func (t target) auditVerifyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "check every event against its chain and its anchor",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return t.auditVerify(asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

func (t target) auditVerify(asJSON bool) error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	if !s.Exists() {
		return &state.NotFound{Name: s.Name()}
	}
	report, err := audit.Verify(s.AuditDir(), s.Anchor())
	if asJSON {
		if jsonErr := t.app.voice.JSON(report); jsonErr != nil {
			return jsonErr
		}
		return err
	}
	for _, p := range slices.Concat(report.Clock, report.Problems) {
		t.app.voice.Result("%s", say.Clean(p.String()))
	}
	if err != nil {
		return err
	}
	if report.Pruned > 0 {
		t.app.voice.Result("Events 1 to %d were removed by prune on %s", report.Pruned, report.PrunedAt.Local().Format(time.DateTime))
	}
	if _, runs := s.Holder(); report.Beyond() > 0 && !runs {
		t.app.voice.Result("The last %s came after its anchor: a crash, or somebody else wrote there", say.Count(int(report.Beyond()), "event"))
	}
	if report.Torn {
		t.app.voice.Result("Behind the last event stands what a crash cut short; the next start drops it")
	}
	t.app.voice.Result("The book is whole: %s in %s, head %.12s", say.Count(int(report.Events), "event"), say.Count(report.Segments, "file"), report.Head)
	return nil
}

// printEvent is one event for people, on one line.
func (a *app) printEvent(e audit.Event) {
	parts := []string{e.Time.Local().Format(time.DateTime), fmt.Sprintf("%-9s", say.Clean(string(e.Kind)))}
	for _, p := range []struct{ before, text string }{
		{"", e.Verdict}, {"", e.What()}, {"by ", e.Program}, {"wall: ", e.Wall}, {"rule: ", e.Rule}, {"", e.Why}, {"operator: ", e.By},
	} {
		if p.text != "" {
			parts = append(parts, p.before+say.Clean(p.text))
		}
	}
	if e.Count > 1 {
		parts = append(parts, fmt.Sprintf("%d×", e.Count))
	}
	if c := e.Call; c != nil {
		parts = append(parts, fmt.Sprintf("%s → %s, %d", say.Clean(c.Asked), say.Clean(c.Given), c.Status))
	}
	for _, p := range e.Proofs {
		parts = append(parts, fmt.Sprintf("%s: %s: %s", say.Clean(p.Wall), say.Clean(p.Tried), say.Clean(p.Got)))
	}
	a.voice.Result("%s", strings.Join(parts, "  "))
}
