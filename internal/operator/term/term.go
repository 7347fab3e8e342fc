package term

import (
	"context"
	"errors"
	"os"
	"sync"

	tea "charm.land/bubbletea/v2"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Options say what is watched, and where it is shown.
type Options struct {
	Home   state.Home
	Driver driver.Driver
	Only   state.Name // "" for every sandbox
	Voice  *say.Voice
}

// Run shows the view until the operator leaves it or ctx ends. Without a
// terminal it shows nothing and says which command does the same.
func Run(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := newView()
	v.colour = o.Voice.Colour
	v.send = answerer(ctx, func(ctx context.Context, n state.Name) (*control.Client, error) {
		return o.Driver.Dial(ctx, o.Home.Sandbox(n))
	})
	v.policy = func(n state.Name) tea.Cmd {
		line := v.lineOf()
		return func() tea.Msg { return policySheet(n, o.Home.Sandbox(n).PolicyFile(), line) }
	}
	p := tea.NewProgram(v, tea.WithContext(ctx), tea.WithInput(o.Voice.In), tea.WithOutput(o.Voice.Out), tea.WithEnvironment(os.Environ()))
	var watching sync.WaitGroup
	watching.Go(func() { eyes{o.Home, o.Driver, o.Only, p.Send}.watch(ctx) })
	_, err := p.Run()
	cancel()
	watching.Wait()
	if errors.Is(err, tea.ErrInterrupted) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// check refuses what nothing could be shown of, or on.
func (o Options) check() error {
	if o.Only != "" && !o.Home.Sandbox(o.Only).Exists() {
		return &state.NotFound{Name: o.Only}
	}
	v := o.Voice
	switch {
	case !v.InTTY || !v.OutTTY:
		return say.Misused(o.instead(), "openshell term: stdin and stdout must be a terminal")
	case os.Getenv("TERM") == "dumb":
		return say.Misused(o.instead(), "openshell term: this terminal (TERM=dumb) cannot move its cursor")
	}
	return nil
}

// instead is the command that needs no terminal.
func (o Options) instead() string {
	name := string(o.Only)
	if all, err := o.Home.List(); name == "" && err == nil && len(all) == 1 {
		name = string(all[0])
	}
	if name == "" {
		name = "NAME"
	}
	return "nemoclaw " + name + " approvals shows what it asks for, and answers it"
}
