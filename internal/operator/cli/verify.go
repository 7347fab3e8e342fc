package cli

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/tries"
)

func (t target) verifyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "try to escape from inside this very sandbox, wall by wall",
		Long: `verify runs the harmless escapes inside this sandbox, as the agent would, and
says of each what the wall answered. Each is tried outside the walls as well, in
namespaces that are thrown away: what this kernel refuses to everybody is marked,
since it proves nothing of a wall. The numbers are those of docs/threat-model.md.
Exit code 1 when anything got through.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.verify(c.Context(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

func (t target) verify(ctx context.Context, asJSON bool) error {
	_, client, err := t.dial(ctx)
	if err != nil {
		return err
	}
	v, err := client.Verify(ctx)
	if err != nil {
		return err
	}
	controlled := controls(ctx, v)
	if asJSON {
		if err := t.app.voice.JSON(v); err != nil {
			return err
		}
		return verdictOf(v)
	}
	if controlled != nil {
		t.app.voice.News("outside the walls nothing could be tried: %s", say.Clean(controlled.Error()))
	}
	t.app.printTries(v, func(control.Tried) bool { return true })
	t.app.printVerdict(v)
	return verdictOf(v)
}

// controls tries the same outside the walls, and writes into v what was refused
// there too.
func controls(ctx context.Context, v control.Verified) error {
	program := launch.LoadTries()
	defer program.Close()
	said, err := launch.Outside(ctx, program, "nemoclaw-tries", "outside")
	if err != nil {
		return err
	}
	all, err := tries.Read(bytes.NewReader(said))
	if err != nil {
		return err
	}
	for i := range v.Tries {
		if r, ok := all[v.Tries[i].ID]; ok && r.Refused {
			v.Tries[i].Control = r.Got
		}
	}
	return nil
}

func verdictOf(v control.Verified) error {
	if v.Through() > 0 {
		return say.Exit(say.Failed)
	}
	return nil
}

// tally is what came of one wall.
type tally struct{ tried, refused, left, alike int }

func tallyOf(v control.Verified, wall string) tally {
	var n tally
	for _, t := range v.Tries {
		switch {
		case t.Wall != wall:
		case t.Left != "":
			n.left++
		default:
			n.tried++
			if t.Refused {
				n.refused++
			}
			if t.Control != "" {
				n.alike++
			}
		}
	}
	return n
}

var fourWalls = []string{"network", "filesystem", "process", "inference"}

// printTries is a line a wall, and one an escape that which picks.
func (a *app) printTries(v control.Verified, which func(control.Tried) bool) {
	for _, wall := range fourWalls {
		a.printTally(v, wall)
		for _, t := range v.Tries {
			if t.Wall == wall && which(t) {
				a.printTry(t)
			}
		}
	}
}

// printTally is the line of one wall. What is tried where a wall is off is refused by
// the others, or is not tried.
func (a *app) printTally(v control.Verified, wall string) {
	n := tallyOf(v, wall)
	if i := slices.IndexFunc(v.Tries, func(t control.Tried) bool { return t.Wall == wall }); n.tried == 0 && i >= 0 {
		a.voice.Result("%s: not tried: %s", wall, say.Clean(v.Tries[i].Left))
		return
	}
	if slices.Contains(v.Off, wall) {
		a.voice.Result("%s: off (operator); without it %d tried, %d refused", wall, n.tried, n.refused)
		return
	}
	a.voice.Result("%s: %d tried, %d refused", wall, n.tried, n.refused)
}

func (a *app) printTry(t control.Tried) {
	mark, got := a.voice.Paint("32", "✓"), say.Clean(t.Got)
	switch {
	case t.Left != "":
		mark, got = "–", "not tried: "+say.Clean(t.Left)
	case !t.Refused:
		mark, got = a.voice.Paint("31", "✗"), "NOT REFUSED: "+got
	case t.Control != "":
		got += " (outside the walls too, on this kernel)"
	}
	a.voice.Result("  %s %-16s %-40s %s", mark, say.Clean(t.ID), say.Clean(t.What), got)
}

// printVerdict is one line about all.
func (a *app) printVerdict(v control.Verified) {
	var all tally
	for _, wall := range fourWalls {
		n := tallyOf(v, wall)
		all.tried, all.refused, all.alike = all.tried+n.tried, all.refused+n.refused, all.alike+n.alike
	}
	for _, wall := range v.Off {
		a.voice.Result("%s the %s wall is off (operator): nothing here says that it holds", a.voice.Paint("33", "!"), say.Clean(wall))
	}
	text := fmt.Sprintf("%d escapes tried inside: %d refused, %d got through; %d of them work outside the walls",
		all.tried, all.refused, v.Through(), all.tried-all.alike)
	if v.Through() > 0 {
		a.voice.Result("%s %s", a.voice.Paint("31", "✗"), text)
		return
	}
	a.voice.Result("%s %s", a.voice.Paint("32", "✓"), text)
}
