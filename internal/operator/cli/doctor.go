package cli

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "what this machine has and lacks for a sandbox",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return a.doctor(asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

// diagnosis is `doctor --json`.
type diagnosis struct {
	Facts   host.Facts  `json:"facts"`
	Missing []host.Lack `json:"missing"`
}

func (a *app) doctor(asJSON bool) error {
	facts := host.Look()
	lacks := facts.Missing()
	if asJSON {
		if err := a.voice.JSON(diagnosis{facts, append([]host.Lack{}, lacks...)}); err != nil {
			return err
		}
		return verdictOn(lacks)
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
	if err := verdictOn(lacks); err != nil {
		return err
	}
	a.voice.Result("%s all four walls can stand on this machine", a.voice.Paint("32", "✓"))
	return nil
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
