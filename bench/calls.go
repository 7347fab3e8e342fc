package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"time"
)

// callRounds are turns inside and outside, one after the other: what disturbs
// the machine disturbs both.
const callRounds = 3

// inOrder are the calls that the probe measures.
var inOrder = []string{"getppid", "read", "stat", "open+close", "connect"}

// measureCalls compares what system calls cost inside and outside. The two look
// at different file systems (/tmp is memory inside), of which these calls know
// little.
func measureCalls(ctx context.Context, g *ground) ([]row, error) {
	if err := g.ready(ctx); err != nil {
		return nil, err
	}
	in, out := map[string]float64{}, map[string]float64{}
	for range callRounds {
		if err := g.calls(g.command(ctx, box, "exec", "--", "/sandbox/probe/probe", "calls"), in); err != nil {
			return nil, err
		}
		if err := g.calls(exec.CommandContext(ctx, g.probe, "calls"), out); err != nil {
			return nil, err
		}
	}
	var rows []row
	for _, name := range inOrder {
		rows = append(rows, beside("system call: "+name, time.Duration(in[name]), "outside", time.Duration(out[name]), 0))
	}
	return rows, nil
}

// calls runs the probe and keeps the least of each figure.
func (g *ground) calls(c *exec.Cmd, least map[string]float64) error {
	b, err := c.Output()
	if err != nil {
		return fmt.Errorf("measure calls: %w", err)
	}
	var got map[string]float64
	if err := json.Unmarshal(b, &got); err != nil {
		return fmt.Errorf("measure calls: %w", err)
	}
	for name, v := range got {
		if was, ok := least[name]; !ok || v < was {
			least[name] = v
		}
	}
	return nil
}
