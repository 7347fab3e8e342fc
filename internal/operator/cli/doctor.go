package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/supervisor"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON, all bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "what this machine has and lacks for a sandbox",
		Args:  noArgs,
		Long: `doctor says what this machine has and lacks for a sandbox, and what each lack
costs. Where nothing is missing it makes a sandbox with nothing in it, tries the
harmless escapes there as verify does, and takes it away again. It says how many were
refused at each wall, and names what was not; --tries names every one.`,
		RunE: func(c *cobra.Command, _ []string) error { return a.doctor(c.Context(), asJSON, all) },
	}
	c.Flags().BoolVar(&all, "tries", false, "name every escape that was tried, and what it met")
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

// diagnosis is `doctor --json`.
type diagnosis struct {
	Facts   host.Facts  `json:"facts"`
	Missing []host.Lack `json:"missing"`
	Costs   []host.Cost `json:"costs"`
	// Tries are the escapes; nothing was tried where a wall cannot stand.
	Tries []control.Tried `json:"tries"`
	Error string          `json:"error,omitempty"` // why they could not be tried
}

func (a *app) doctor(ctx context.Context, asJSON, all bool) error {
	facts := host.Look()
	lacks := facts.Missing()
	var v control.Verified
	verdict := verdictOn(lacks)
	var failed error
	if verdict == nil {
		v, failed = verifyHost(ctx)
	}
	if asJSON {
		d := diagnosis{Facts: facts, Missing: append([]host.Lack{}, lacks...), Costs: append([]host.Cost{}, facts.Costs()...), Tries: append([]control.Tried{}, v.Tries...)}
		if failed != nil {
			d.Error = failed.Error()
		}
		if err := a.voice.JSON(d); err != nil {
			return err
		}
		return cmp.Or(verdict, failed, verdictOf(v))
	}
	a.printFacts(facts)
	for _, l := range lacks {
		mark := a.voice.Paint("31", "✗")
		if l.Advice {
			mark = a.voice.Paint("33", "!")
		}
		a.voice.Result("%s %s", mark, say.CleanLines(l.Error()))
		a.voice.Result("  → %s", say.CleanLines(l.Remedy))
	}
	for _, c := range facts.Costs() {
		a.voice.Result("! without %s: %s", say.Clean(c.Without), say.Clean(c.Lost))
		if c.Remedy != "" {
			a.voice.Result("  → %s", say.Clean(c.Remedy))
		}
	}
	if err := cmp.Or(verdict, failed); err != nil {
		return err
	}
	a.printTries(v, func(t control.Tried) bool { return all || !t.Refused && t.Left == "" })
	a.printVerdict(v)
	if err := verdictOf(v); err != nil {
		return err
	}
	a.voice.Result("%s all four walls can stand on this machine", a.voice.Paint("32", "✓"))
	return nil
}

// verifyHost tries the escapes in a sandbox that is there for nothing else.
func verifyHost(ctx context.Context) (control.Verified, error) {
	v, err := supervisor.VerifyHost(ctx)
	if err != nil {
		return v, err
	}
	return v, controls(ctx, v)
}

// verdictOn is an error where something that a sandbox cannot do without is
// missing.
func verdictOn(lacks []host.Lack) error {
	for _, l := range lacks {
		if !l.Advice {
			return say.Exit(say.Failed)
		}
	}
	return nil
}

func (a *app) printFacts(f host.Facts) {
	a.voice.Result("System      %s, kernel %s, %s", cmp.Or(say.Clean(f.Distro), "unknown"), say.Clean(f.Release), f.Arch)
	a.voice.Result("Landlock    ABI %d", f.Landlock.ABI)
	a.voice.Result("Namespaces  %s", yesOr(f.Namespaces.Works, say.Clean(f.Namespaces.Why)))
	a.voice.Result("Capture     nf_tables %s, TPROXY %s", f.Capture.Tables, f.Capture.TProxy)
	a.voice.Result("Limits      %s", cgroupLine(f.Cgroup))
	a.voice.Result("Memory      %s of %s usable, swap %s", say.Bytes(int64(f.Memory.Usable())), say.Bytes(int64(f.Memory.Total)), say.Bytes(int64(f.Memory.Swap)))
	a.voice.Result("Disk        %s free at %s", say.Bytes(int64(f.Disk.Free)), say.Clean(f.Disk.Path))
}

func yesOr(works bool, why string) string {
	if works {
		return "work"
	}
	return "do not work" + because(why)
}

func cgroupLine(c host.Cgroup) string {
	if c.Version == 0 {
		return "no control group of our own: by rlimits"
	}
	return fmt.Sprintf("control groups v%d", c.Version)
}
