package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (t target) statusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "full health overview; exit code 0 only when all holds",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return t.status(c.Context(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

func (t target) status(ctx context.Context, asJSON bool) error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	st, err := t.app.driver.Status(ctx, s)
	if err != nil {
		return err
	}
	if asJSON {
		err = t.app.voice.JSON(st)
	} else {
		t.app.printStatus(st)
	}
	if err != nil {
		return err
	}
	if !st.Healthy {
		return say.Exit(say.Failed)
	}
	return nil
}

// printStatus is the article's form, and below it a line a wall with its
// proof.
func (a *app) printStatus(st control.Status) {
	a.voice.Result("%s %s", a.dot(st), say.Clean(st.Name))
	a.voice.Result("Sandbox %s", st.State)
	a.voice.Result("Blueprint %s", blueprintLine(st.Blueprint))
	if st.State == control.Running {
		a.printInference(st.Inference)
		a.printPolicy(st)
		a.voice.Result("Uptime %s", say.Span(time.Duration(st.UptimeSeconds)*time.Second))
		a.printWalls(st.Walls)
		a.printSupervisor(st.Supervisor)
		a.printAgent(st.Agent)
	}
	a.printContent(st.Blueprint)
	if st.GatewayPort != 0 {
		a.voice.Result("Gateway 127.0.0.1:%d", st.GatewayPort)
	}
	a.printList("Limits", st.Limits)
	a.printList("Mounts", st.Mounts)
	a.printList("Notes", st.Notes)
	if st.Why != "" {
		a.voice.Result("Why %s", say.Clean(st.Why))
	}
	if st.Remedy != "" {
		a.voice.Result("→ %s", say.Clean(st.Remedy))
	}
	if st.State != control.Running {
		a.voice.News("→ nemoclaw %s %s", say.Clean(st.Name), revive(st))
	}
}

// revive is the verb that brings back a sandbox which does not run.
func revive(st control.Status) string {
	if st.SupervisorPID != 0 {
		return "stop"
	}
	return "start"
}

func (a *app) dot(st control.Status) string {
	switch {
	case st.Healthy:
		return a.voice.Paint("32", "●")
	case st.State == control.Stopped:
		return "○"
	}
	return a.voice.Paint("31", "●")
}

func blueprintLine(b control.BlueprintStatus) string {
	line := "v" + say.Clean(b.Version)
	if b.Verified {
		line += " (verified)"
	}
	return line
}

// printContent says what exactly is inside.
func (a *app) printContent(b control.BlueprintStatus) {
	if b.Digest != "" {
		a.voice.Result("Content %s@%s %s", say.Clean(b.Name), say.Clean(b.Version), say.Clean(b.Digest))
	}
	if b.Base != "" {
		a.voice.Result("Base: %s", say.Clean(b.Base))
	}
}

func (a *app) printInference(i control.InferenceStatus) {
	defer a.printRest(i)
	model := cmp.Or(say.Clean(i.Model), "none")
	if i.Connected {
		a.voice.Result("Inference %s ← connected", model)
		return
	}
	a.voice.Result("Inference %s ← %s", model, a.voice.Paint("31", "disconnected"))
	if i.Why != "" {
		a.voice.Result("  %s", say.Clean(i.Why))
	}
	if i.Hint != "" {
		a.voice.Result("  → %s", say.Clean(i.Hint))
	}
}

// printRest is what there is of a policy with more than one target, or with a
// limit for the day.
func (a *app) printRest(i control.InferenceStatus) {
	for _, o := range i.Others {
		state := "connected"
		switch {
		case o.Resting:
			state = a.voice.Paint("31", "resting") + because(say.Clean(o.Why))
		case !o.Connected:
			state = a.voice.Paint("31", "disconnected") + because(say.Clean(o.Why))
		}
		a.voice.Result("  also %s ← %s", say.Clean(o.Model), state)
	}
	if u := i.Usage; u.TokensMost > 0 {
		a.voice.Result("  today %d of %d tokens", u.Tokens, u.TokensMost)
	}
	if u := i.Usage; u.HasSpend {
		a.voice.Result("  today %s of %s spent", money(u.Spend), money(u.SpendMost))
	}
}

func (a *app) printPolicy(st control.Status) {
	p := st.NetworkPolicy
	if !p.Active {
		a.voice.Result("Network policy off (operator)")
		return
	}
	a.voice.Result("Network policy active (%s)", say.Count(p.Rules, "rule"))
	if p.Error != "" {
		a.voice.Result("  the file on disk is not in force: %s", say.CleanLines(p.Error))
		a.voice.Result("  → mend it: it is taken at once, or by nemoclaw %s reload-policy", say.Clean(st.Name))
	}
}

func (a *app) printWalls(w control.Walls) {
	a.voice.Result("Walls")
	for _, wall := range []struct {
		name string
		control.Wall
	}{{"network", w.Network}, {"filesystem", w.Filesystem}, {"process", w.Process}, {"inference", w.Inference}} {
		state := a.voice.Paint("32", "enforced")
		proof := say.Clean(wall.Proof)
		if !wall.Enforced {
			state, proof = a.voice.Paint("31", cmp.Or(proof, "not enforced")), ""
		}
		a.voice.Result("%s", trimmed(fmt.Sprintf("  %-10s %s  %s", wall.name, state, proof)))
	}
}

// printSupervisor says what the keeper of the walls took from itself.
func (a *app) printSupervisor(w control.Wall) {
	if !w.Enforced {
		a.voice.Result("Supervisor %s", a.voice.Paint("31", cmp.Or(say.Clean(w.Proof), "not confined")))
		return
	}
	a.voice.Result("Supervisor confined  %s", say.Clean(w.Proof))
}

func trimmed(s string) string {
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

func (a *app) printAgent(g control.AgentStatus) {
	switch {
	case g.Name == "" || g.Name == "none":
		a.voice.Result("Agent none")
	case g.Healthy:
		a.voice.Result("Agent %s healthy", say.Clean(g.Name))
	case g.Running:
		a.voice.Result("Agent %s %s%s", say.Clean(g.Name), a.voice.Paint("31", "not healthy"), because(say.Clean(g.Why)))
	default:
		a.voice.Result("Agent %s %s%s", say.Clean(g.Name), a.voice.Paint("31", "not running"), because(say.Clean(g.Why)))
	}
}

func (a *app) printList(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	a.voice.Result("%s", title)
	for _, l := range lines {
		a.voice.Result("  %s", say.Clean(l))
	}
}
