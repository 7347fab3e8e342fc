package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/control"
)

// The promise for both, and how often it is tried.
const (
	prompt  = 50 * time.Millisecond
	saves   = 50 // each to open and to close
	answers = 60
)

// sizes are how many rules a policy has when it is saved, or when a question is
// answered.
var sizes = []int{100, 10000}

// others are n rules for hosts that nobody asks for.
func others(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  - {host: other%d.example.com, port: 443}\n", i)
	}
	return b.String()
}

// rule is a line of a policy that lets the sandbox reach address on the host.
func rule(address string) string {
	_, port, _ := strings.Cut(address, ":")
	return fmt.Sprintf("  - {host: %s, port: %s}\n", hostName, port)
}

// save replaces a file as an editor does: written beside it, then renamed.
func save(path, text string) error {
	if err := os.WriteFile(path+"~", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+"~", path)
}

// measurePolicy saves the policy file, and measures until a connection that
// was refused gets through, and the reverse.
func measurePolicy(ctx context.Context, g *ground) (rows []row, err error) {
	e, err := g.openEnds(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range sizes {
		more, err := e.saved(ctx, g, n)
		rows = append(rows, more...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// saved measures with a policy of n rules.
func (e *ends) saved(ctx context.Context, g *ground, n int) (rows []row, err error) {
	to := e.direct[echoServer]
	states := []struct{ what, expect, text string }{
		{"allowed", "reached", "egress:\n" + others(n-1) + rule(to) + "unlisted: deny\n"},
		{"refused", "refused", "egress:\n" + others(n) + "unlisted: deny\n"},
	}
	took := make([]sample, len(states))
	for range saves {
		for i, s := range states {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			changed := e.inside.later(request{Do: s.expect, To: fromInside(to)})
			began := time.Now()
			if err := save(g.sandbox().PolicyFile(), s.text); err != nil {
				return nil, err
			}
			o := <-changed
			if o.err != nil {
				return nil, fmt.Errorf("wait until %s: %w", s.expect, o.err)
			}
			took[i] = append(took[i], time.Unix(0, o.At).Sub(began))
		}
	}
	for i, s := range states {
		what := fmt.Sprintf("policy file of %d rules saved → %s", n, s.what)
		rows = append(rows, within(what+", p50", took[i].median(), 0), within(what+", p99", took[i].p99(), prompt))
	}
	return rows, nil
}

// measureApprovals lets a connection be held, answers by the command line, and
// measures until its byte has come back.
func measureApprovals(ctx context.Context, g *ground) (rows []row, err error) {
	e, err := g.openEnds(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range sizes {
		more, err := e.answered(ctx, g, n)
		rows = append(rows, more...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// answered measures with a policy of n rules.
func (e *ends) answered(ctx context.Context, g *ground, n int) ([]row, error) {
	c := g.control()
	defer c.Close()
	if err := save(g.sandbox().PolicyFile(), "egress:\n"+others(n)+"unlisted: ask\nhold: 8s\n"); err != nil {
		return nil, err
	}
	if _, err := c.ReloadPolicy(ctx); err != nil {
		return nil, err
	}
	to := fromInside(e.direct[echoServer])
	var took sample
	for range answers {
		through := e.inside.later(request{Do: "reached", To: to})
		id, err := held(ctx, c)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if _, err := timed(g.command(ctx, box, "approvals", "allow", id)); err != nil {
			return nil, err
		}
		o := <-through
		if o.err != nil {
			return nil, fmt.Errorf("the held connection: %w", o.err)
		}
		took = append(took, time.Unix(0, o.At).Sub(began))
	}
	what := fmt.Sprintf("`approvals allow` typed → the held connection's byte is back, %d rules", n)
	return []row{within(what+", p50", took.median(), 0), within(what+", p99", took.p99(), prompt)}, nil
}

// held waits until a connection is held, and gives the question's id.
func held(ctx context.Context, c *control.Client) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		list, err := c.Approvals(ctx)
		if err != nil {
			return "", fmt.Errorf("wait for a question: %w", err)
		}
		for _, a := range list {
			if a.State == "pending" && a.Held > 0 {
				return a.ID, nil
			}
		}
		<-tick.C
	}
}
