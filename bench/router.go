package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// What the calls ask of the model. Tokens come at their own pace, as from a
// real one: a server that answers at once would measure the machine's cores.
var (
	talk   = script{Think: 50 * time.Millisecond, Tokens: 20, Pace: 20 * time.Millisecond}
	fast   = script{Think: 10 * time.Millisecond, Tokens: 3000, Pace: time.Millisecond}
	patter = script{Think: 10 * time.Millisecond, Tokens: 12, Pace: time.Second}
)

const (
	atOnce     = 50
	callTurns  = 3
	callsATurn = 4 // of each of those at once
	fastTurns  = 3
	manyCalls  = 2000
	longestGap = 3 * time.Second // of a token a second; more is a stall
)

// routerAddress is where an agent finds its model server.
const routerAddress = "127.0.0.1:11434"

// models are the ways to one model server.
type models struct {
	inside, outside *client
	direct          string
	reversed        string // behind the plain reverse proxy
	proxy           int    // its PID
	bare            string // behind a router without a sandbox around it
	router          int    // PID of the supervisor
}

// measureRouter compares calls through the router with the same calls past it,
// and with a plain reverse proxy.
func measureRouter(ctx context.Context, g *ground) ([]row, error) {
	m, err := g.openModels(ctx)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, measure := range []func(context.Context, *ground) ([]row, error){m.first, m.work, m.many} {
		r, err := measure(ctx, g)
		rows = append(rows, r...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

func (g *ground) openModels(ctx context.Context) (*models, error) {
	if err := g.ready(ctx); err != nil {
		return nil, err
	}
	var m models
	var direct, reversed [1]string
	if _, err := g.offered(exec.Command(g.probe, "model"), direct[:]); err != nil {
		return nil, err
	}
	pid, err := g.offered(exec.Command(g.probe, "reverse", direct[0]), reversed[:])
	if err != nil {
		return nil, err
	}
	m.direct, m.reversed, m.proxy = direct[0], reversed[0], pid
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var bare [1]string
	if _, err := g.offered(exec.Command(self, bareWord, direct[0]), bare[:]); err != nil {
		return nil, err
	}
	m.bare = bare[0]
	if m.outside, err = g.client(exec.Command(g.probe, "ask")); err != nil {
		return nil, err
	}
	if m.inside, err = g.client(g.command(ctx, box, "exec", "-T", "--", "/sandbox/probe/probe", "ask")); err != nil {
		return nil, err
	}
	family, err := g.keepers(ctx)
	if err != nil {
		return nil, err
	}
	m.router = family[0]
	return &m, m.route(ctx, g)
}

// route leads the sandbox's calls to the probe's model.
func (m *models) route(ctx context.Context, g *ground) error {
	text := fmt.Sprintf("routes: [{model: \"*\", to: ollama/tiny}]\nproviders: {ollama: {url: \"http://%s\"}}\nlog: full\n", m.direct)
	if err := save(g.sandbox().InferenceFile(), text); err != nil {
		return err
	}
	c := g.control()
	defer c.Close()
	_, err := c.ReloadInference(ctx)
	return err
}

// ways are through the router, through the plain proxy, straight, and through a
// router whose client is outside like those of the two others.
func (m *models) ways() []road {
	return []road{{m.inside, routerAddress}, {m.outside, m.reversed}, {m.outside, m.direct}, {m.outside, m.bare}}
}

// first measures the time to the first token while many calls stream.
func (m *models) first(ctx context.Context, g *ground) ([]row, error) {
	took := make([]sample, 4)
	for turn := range callTurns + 1 {
		for j := range took {
			i := (turn + j) % len(took) // none always follows the same one
			w := m.ways()[i]
			a, err := w.client.ask(request{Do: "first", To: w.to, N: atOnce, Often: callsATurn, Script: talk})
			if err != nil {
				return nil, fmt.Errorf("call %s: %w", w.to, err)
			}
			if turn > 0 { // the first turn warms up
				took[i] = append(took[i], a.Took...)
			}
		}
	}
	if err := g.settle(ctx); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("router: added time to the first token, %d calls at once, ", atOnce)
	return []row{
		added(what+"p50", took[0].median(), took[2].median(), took[1].median(), 500*time.Microsecond),
		added(what+"p99", took[0].p99(), took[2].p99(), took[1].p99(), 3*time.Millisecond),
		added("the same without a sandbox, p50", took[3].median(), took[2].median(), took[1].median(), 0),
		added("the same without a sandbox, p99", took[3].p99(), took[2].p99(), took[1].p99(), 0),
	}, nil
}

// added is what a way adds to the straight one, beside what the plain proxy
// adds.
func added(what string, ours, straight, proxied, goal time.Duration) row {
	r := within(what, max(ours-straight, 0), goal)
	r.peer, r.theirs = "plain reverse proxy of the standard library", span(max(proxied-straight, 0))
	return r
}

// work measures what a fast stream costs.
func (m *models) work(ctx context.Context, g *ground) ([]row, error) {
	var ours, theirs time.Duration
	for range fastTurns {
		for i, w := range m.ways()[:2] {
			pid := []int{m.router, m.proxy}[i]
			before, err := timeOnCores(pid)
			if err != nil {
				return nil, err
			}
			if _, err := w.client.ask(request{Do: "first", To: w.to, N: 1, Often: 1, Script: fast}); err != nil {
				return nil, err
			}
			if err := g.settle(ctx); err != nil { // writing it down counts too
				return nil, err
			}
			after, err := timeOnCores(pid)
			if err != nil {
				return nil, err
			}
			*[]*time.Duration{&ours, &theirs}[i] += after - before
		}
	}
	n := time.Duration(fastTurns * fast.Tokens)
	return []row{beside("router: CPU time of a token, 1000 a second", ours/n, "plain reverse proxy of the standard library", theirs/n, 1.05)}, nil
}

// many holds many streams open, and looks for what they take and for stalls.
func (m *models) many(ctx context.Context, g *ground) ([]row, error) {
	before, err := kilobytes(m.router, "status", "VmRSS")
	if err != nil {
		return nil, err
	}
	done := m.inside.later(request{Do: "gaps", To: routerAddress, N: manyCalls, Often: 1, Script: patter})
	most := before
	for look := time.NewTicker(250 * time.Millisecond); ; {
		select {
		case o := <-done:
			look.Stop()
			if o.err != nil {
				return nil, o.err
			}
			return manyRows(most-before, sample(o.Took)), nil
		case <-look.C:
			now, err := kilobytes(m.router, "status", "VmRSS")
			if err != nil {
				return nil, err
			}
			most = max(most, now)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func manyRows(grown int64, gaps sample) []row {
	each := float64(grown) / manyCalls
	stalled := 0
	for _, g := range gaps {
		if g > longestGap {
			stalled++
		}
	}
	return []row{
		{
			what: fmt.Sprintf("router: memory of each of %d open streams, at most", manyCalls), ours: fmt.Sprintf("%.1f KB", each),
			goal: "≤ 64 KB", met: each <= 64,
		},
		{
			what: fmt.Sprintf("router: streams of %d that stalled", manyCalls), ours: fmt.Sprintf("%d (longest pause of a token a second: %s)", stalled, span(gaps.quantile(1))),
			goal: "none", met: stalled == 0,
		},
	}
}

// timeOnCores is the CPU time of all threads that a process has now, in
// nanoseconds where /proc/PID/stat has ticks. See proc(5), schedstat.
func timeOnCores(pid int) (sum time.Duration, err error) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, t := range tasks {
		b, err := os.ReadFile(dir + "/" + t.Name() + "/schedstat")
		if errors.Is(err, os.ErrNotExist) {
			continue // it ended meanwhile
		}
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(b), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}
