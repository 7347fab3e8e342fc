package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/session"
)

// inside is what the keeper needs of a started sandbox.
type inside interface {
	Run(ctx context.Context, c spec.Command) (session.Process, error)
	Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error)
}

// program is what a blueprint starts and how one knows that it is well.
type program struct {
	name    string
	command spec.Command
	health  netip.AddrPort // inside; zero for a program without one
	path    string         // asked there; any 2xx is healthy
	patient time.Duration  // how long a start may take
	lives   int            // how often it may end before it was healthy; then the start has failed
}

// agent keeps the blueprint's program running. Safe for concurrent use.
type agent struct {
	program
	box    inside
	log    *agentLog
	record func(audit.Event)

	mu      sync.Mutex
	running bool   // protected by mu
	ends    int    // protected by mu: since the keeper began
	why     string // protected by mu: of the last end
}

// Restarts wait first a second, then twice as long each time, at most this.
const longestPause = time.Minute

// keep starts the program and starts it again whenever it ends, until ctx
// ends.
func (a *agent) keep(ctx context.Context) {
	pause := time.Second
	for ctx.Err() == nil {
		began := time.Now()
		err := a.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > longestPause {
			pause = time.Second // it had come up
		}
		a.log.Say("%s ended: %v; starting it again in %s", a.name, err, pause)
		a.record(audit.Event{Kind: audit.Agent, Verdict: "ended", Program: a.name, Why: err.Error()})
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// once runs the program to its end; the error says how it ended.
func (a *agent) once(ctx context.Context) error {
	p, err := a.box.Run(ctx, a.command)
	if err != nil {
		err = fmt.Errorf("start %s: %w", a.name, err)
		a.ended(err)
		return err
	}
	a.mu.Lock()
	a.running, a.why = true, ""
	a.mu.Unlock()
	a.record(audit.Event{Kind: audit.Agent, Verdict: "started", Program: a.name})
	p.Stdin().Close()
	var out sync.WaitGroup
	for _, r := range []io.Reader{p.Stdout(), p.Stderr()} {
		if r != nil {
			out.Go(func() { _, _ = io.Copy(a.log, r) }) // the log never fails, and the end of r is the program's
		}
	}
	code, sig, err := p.Wait()
	out.Wait()
	switch {
	case err != nil:
	case sig != 0:
		err = fmt.Errorf("killed by %s", sig)
	default:
		err = fmt.Errorf("exit code %d", code)
	}
	a.ended(err)
	return err
}

func (a *agent) ended(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running, a.why = false, err.Error()
	a.ends++
}

// spent says how the program ended for the last time that it may before it was
// healthy once; nil while it has another try.
func (a *agent) spent() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ends < a.lives {
		return nil
	}
	return fmt.Errorf("%s did not come up: it ended %s: %s", a.name, times(a.ends), a.why)
}

func times(n int) string {
	if n == 1 {
		return "at once"
	}
	return fmt.Sprintf("%d times", n)
}

// check asks the program's health address, along a connection made inside.
func (a *agent) check(ctx context.Context) error {
	a.mu.Lock()
	running, why := a.running, a.why
	a.mu.Unlock()
	if !running {
		return fmt.Errorf("%s is not running: %s", a.name, why)
	}
	if !a.health.IsValid() {
		return nil
	}
	return get(ctx, a.box, a.health, a.path)
}

// get asks for path at an address inside, and wants a 2xx.
func get(ctx context.Context, box inside, at netip.AddrPort, path string) error {
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return box.Dial(ctx, at)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.String()+path, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return errors.Unwrap(err)
	}
	res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return nil
}

// await returns when the program is healthy, or why it did not become so.
func (a *agent) await(ctx context.Context, progress func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, a.patient)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for told := 0; ; {
		one, cancelOne := context.WithTimeout(ctx, 5*time.Second)
		err := a.check(one)
		cancelOne()
		if err == nil {
			a.record(audit.Event{Kind: audit.Agent, Verdict: "healthy", Program: a.name})
			return nil
		}
		if over := a.spent(); over != nil {
			return over
		}
		if s := int(time.Since(began).Seconds()); s/5 > told {
			told = s / 5
			progress(fmt.Sprintf("waiting for %s to come up (%d s)", a.name, s))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not become healthy within %s: %w", a.name, a.patient, err)
		case <-tick.C:
		}
	}
}

// status is what `status` shows of the program.
func (a *agent) status(ctx context.Context) control.AgentStatus {
	s := control.AgentStatus{Name: a.name, Running: true, Healthy: true}
	if err := a.check(ctx); err != nil {
		s.Healthy, s.Why = false, err.Error()
		a.mu.Lock()
		s.Running = a.running
		a.mu.Unlock()
	}
	return s
}
