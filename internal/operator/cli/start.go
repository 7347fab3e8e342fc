package cli

import (
	"cmp"
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (t target) startCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "start",
		Short: "start it; returns when walls, agent and inference are checked",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if all {
				return t.app.startAll(c.Context())
			}
			s, err := t.sandbox()
			if err != nil {
				return err
			}
			return t.app.start(c.Context(), s)
		},
	}
	if t.name == "" {
		c.Flags().BoolVar(&all, "all", false, "start every sandbox that should run and does not")
	}
	return c
}

// start brings s up and says how it stands.
func (a *app) start(ctx context.Context, s state.Sandbox) error {
	if _, held := s.Holder(); held {
		a.voice.News("%s runs already", s.Name())
	}
	if err := a.driver.Start(ctx, s, a.step(s)); err != nil {
		return err
	}
	return a.standing(ctx, s)
}

// step shows one step of a start.
func (a *app) step(s state.Sandbox) func(string) {
	return func(line string) {
		if a.voice.ErrTTY {
			a.voice.Passing("%s: %s", s.Name(), say.Clean(line))
			return
		}
		a.voice.News("%s: %s", s.Name(), say.Clean(line))
	}
}

// standing says in a line or two how a sandbox came up. One that runs, but not
// as it should, is an error: it stays up, since its walls stand.
func (a *app) standing(ctx context.Context, s state.Sandbox) error {
	st, err := a.driver.Status(ctx, s)
	if err != nil {
		return err
	}
	a.voice.Result("%s %s", a.dot(st), s.Name())
	a.voice.Result("Sandbox %s", st.State)
	if st.Healthy {
		return nil
	}
	return unhealthy(st)
}

// unhealthy is the first thing that does not hold.
func unhealthy(st control.Status) error {
	see := "nemoclaw " + st.Name + " status"
	switch {
	case st.State != control.Running:
		return say.Failing("nemoclaw "+st.Name+" start", "sandbox %q is %s%s", st.Name, st.State, because(st.Why))
	case st.Why != "": // what else does not hold comes of it
		return say.Failing(cmp.Or(st.Remedy, see), "sandbox %q runs, but %s", st.Name, st.Why)
	case st.Inference.Model != "" && !st.Inference.Connected:
		hint := st.Inference.Hint
		if hint == "" {
			hint = see
		}
		return say.Failing(hint, "inference: disconnected: %s%s", st.Inference.Model, because(st.Inference.Why))
	case !st.Agent.Healthy && st.Agent.Why != "":
		return say.Failing("nemoclaw "+st.Name+" logs", "agent %s is not well: %s", st.Agent.Name, st.Agent.Why)
	case st.NetworkPolicy.Error != "":
		return say.Failing("mend the file, then nemoclaw "+st.Name+" reload-policy", "network policy: the last good one is in force: %s", st.NetworkPolicy.Error)
	}
	return say.Failing(see, "sandbox %q is not as it should be", st.Name)
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// startAll brings back what should run. One that fails does not keep the
// others down.
func (a *app) startAll(ctx context.Context) error {
	names, err := a.home.List()
	if err != nil {
		return err
	}
	var failed error
	for _, n := range names {
		s := a.home.Sandbox(n)
		if !s.Wanted() {
			continue
		}
		err := a.start(ctx, s)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			say.Fail(a.voice.Err, err)
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return say.Exit(say.Failed)
	}
	return nil
}
