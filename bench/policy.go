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
	prompt  = 100 * time.Millisecond
	saves   = 50 // each to open and to close
	answers = 60
)

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
func measurePolicy(ctx context.Context, g *ground) ([]row, error) {
	e, err := g.openEnds(ctx)
	if err != nil {
		return nil, err
	}
	to := e.direct[echoServer]
	states := []struct{ expect, text string }{
		{"reached", "egress:\n" + rule(to) + "unlisted: deny\n"},
		{"refused", "egress: []\nunlisted: deny\n"},
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
	var rows []row
	for i, what := range []string{"policy file saved → allowed", "policy file saved → refused"} {
		rows = append(rows, within(what+", p50", took[i].median(), 0), within(what+", p99", took[i].p99(), prompt))
	}
	return rows, nil
}

// measureApprovals lets a connection be held, answers by the command line, and
// measures until its byte has come back.
func measureApprovals(ctx context.Context, g *ground) ([]row, error) {
	e, err := g.openEnds(ctx)
	if err != nil {
		return nil, err
	}
	c := g.control()
	defer c.Close()
	if err := save(g.sandbox().PolicyFile(), "egress: []\nunlisted: ask\nhold: 8s\n"); err != nil {
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
	const what = "`approvals allow` typed → the held connection's byte is back"
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
