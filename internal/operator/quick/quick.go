package quick

import (
	"context"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/early"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/session"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/throwaway"
)

// Not a registration: what package early has begun goes on here, as soon as
// what it needs is initialised. The build has packages initialised in the order
// in which a run needs them (scripts/inits), and what comes behind this one takes
// as long as all before: a run is 1 ms shorter by it. The main goroutine is
// kept, so that main never begins.
func init() {
	fd, asked := early.Exec()
	if !asked && early.Init() == nil {
		return
	}
	go func() {
		if asked {
			os.Exit(say.Fail(say.Standard().Err, execBegun(fd)))
		}
		os.Exit(runBegun(os.Args[2:], takeOver()))
	}()
	select {}
}

// Begun is what was begun of a run before it was read: its sandbox is being
// raised, or waits as an init for what it shall be.
type Begun struct {
	Init    *launch.Expected
	Sandbox *throwaway.Sandbox
	Signals <-chan os.Signal
}

func takeOver() Begun {
	if s := throwaway.Begun(); s != nil {
		return Begun{Sandbox: s, Signals: s.Signals}
	}
	return Begun{Init: launch.Take(early.Init()), Signals: Signals()}
}

// runBegun is the rest of a run whose init is on its way. A command line that
// turns out wrong ends this process, and so what was begun.
func runBegun(args []string, begun Begun) int {
	voice := say.Standard()
	home, err := state.Find()
	if err == nil {
		err = Alone(RunCommand(voice, home, begun), args)
	}
	if begun.Sandbox != nil {
		begun.Sandbox.Drop()
	}
	return say.Fail(voice.Err, err)
}

// execBegun is the rest of an exec that package early has asked for on fd.
func execBegun(fd int) error {
	got := Signals()
	conn, err := control.Answered(fd)
	if err != nil {
		return CannotStart(err)
	}
	return Ended(session.ExecHere(context.Background(), conn, got, os.Stdin, os.Stdout, os.Stderr))
}

// Alone runs one command outside the tree: nemoclaw, the words of path, c and
// args. It stands where it stands in the tree, so that its errors are the same,
// and that no argument is taken for one of the words that a root has
// ("completion").
func Alone(c *cobra.Command, args []string, path ...string) error {
	root := &cobra.Command{Use: "nemoclaw", SilenceErrors: true, SilenceUsage: true}
	above := root
	for _, word := range path {
		next := &cobra.Command{Use: word}
		above.AddCommand(next)
		above = next
	}
	above.AddCommand(c)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return say.Misused(c.CommandPath()+" --help", "%s: %w", c.CommandPath(), err)
	})
	root.SetArgs(slices.Concat(path, []string{c.Name()}, args))
	return Usage(root.ExecuteContext(context.Background()))
}
