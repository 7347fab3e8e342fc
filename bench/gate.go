package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How much is measured: connections a turn and turns of the latency, bytes a
// turn and turns of the throughput.
const (
	connectsATurn = 20
	connectTurns  = 300
	bulk          = 96 << 20
	bulkTurns     = 25
)

// measureGate compares the road through the gate with a plain proxy outside,
// and with no proxy at all.
func measureGate(ctx context.Context, g *ground) ([]row, error) {
	e, err := g.openEnds(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.allow(ctx, g); err != nil {
		return nil, err
	}
	rows, err := e.latency(ctx, g)
	if err != nil {
		return rows, err
	}
	more, err := e.besideSRT(ctx, g)
	rows = append(rows, more...)
	if err != nil {
		return rows, err
	}
	for _, way := range []string{"down", "up"} {
		r, err := e.throughput(way)
		if err != nil {
			return rows, err
		}
		rows = append(rows, r...)
	}
	return rows, nil
}

// allow puts a policy in force that lets the sandbox reach the three servers.
func (e *ends) allow(ctx context.Context, g *ground) error {
	text := "egress:\n"
	for _, a := range e.direct {
		text += rule(a)
	}
	if err := save(g.sandbox().PolicyFile(), text+"unlisted: deny\n"); err != nil {
		return err
	}
	c := g.control()
	defer c.Close()
	_, err := c.ReloadPolicy(ctx)
	return err
}

// roads are the three ways to a server, in turns.
func (e *ends) roads(server int) []road {
	return []road{
		{e.inside, fromInside(e.direct[server])},
		{e.outside, e.proxied[server]},
		{e.outside, e.direct[server]},
	}
}

type road struct {
	client *client
	to     string
}

func (e *ends) latency(ctx context.Context, g *ground) ([]row, error) {
	took := make([]sample, 3)
	spent, err := e.meter(ctx, g)
	if err != nil {
		return nil, err
	}
	for turn := range connectTurns + 1 {
		for i, r := range e.roads(echoServer) {
			a, err := r.client.ask(request{Do: "echo", To: r.to, N: connectsATurn})
			if err != nil {
				return nil, fmt.Errorf("connect to %s: %w", r.to, err)
			}
			if turn > 0 { // the first turn warms up
				took[i] = append(took[i], a.Took...)
			}
		}
	}
	if err := g.settle(ctx); err != nil { // what the gate does later counts too
		return nil, err
	}
	ours, theirs, err := spent()
	if err != nil {
		return nil, err
	}
	const what = "gate: connect and 1 byte echoed, "
	return []row{
		beside(what+"p50", took[0].median(), "plain Go TCP proxy, no sandbox", took[1].median(), 1),
		beside(what+"p99", took[0].p99(), "plain Go TCP proxy, no sandbox", took[1].p99(), 1),
		beside(what+"p50", took[0].median(), "no proxy at all", took[2].median(), 0),
		beside("gate: CPU time of a connection, supervisor + init", ours, "plain Go TCP proxy, no sandbox", theirs, 0),
	}, nil
}

// meter begins to count CPU time; spent says how much a connection took since.
func (e *ends) meter(ctx context.Context, g *ground) (spent func() (ours, theirs time.Duration, err error), err error) {
	family, err := g.keepers(ctx)
	if err != nil {
		return nil, err
	}
	ours, err1 := processorTime(family...)
	theirs, err2 := processorTime(e.proxy)
	return func() (time.Duration, time.Duration, error) {
		const n = connectsATurn * (connectTurns + 1)
		a, err1 := processorTime(family...)
		b, err2 := processorTime(e.proxy)
		return (a - ours) / n, (b - theirs) / n, errors.Join(err1, err2)
	}, errors.Join(err1, err2)
}

func (e *ends) throughput(way string) ([]row, error) {
	server := map[string]int{"down": sourceServer, "up": sinkServer}[way]
	took := make([]sample, 3)
	for range bulkTurns {
		for i, r := range e.roads(server) {
			a, err := r.client.ask(request{Do: way, To: r.to, N: bulk})
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", way, r.to, err)
			}
			took[i] = append(took[i], a.Took...)
		}
	}
	what := map[string]string{"down": "gate: bulk into the sandbox", "up": "gate: bulk out of the sandbox"}[way]
	return []row{
		faster(what, rate(took[0]), "plain Go TCP proxy, no sandbox", rate(took[1]), 1, "MB/s"),
		faster(what, rate(took[0]), "no proxy at all", rate(took[2]), 0, "MB/s"),
	}, nil
}

// rate is megabytes a second.
func rate(s sample) float64 { return bulk / 1e6 / (float64(s.median()) / float64(time.Second)) }
