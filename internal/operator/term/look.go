package term

import (
	"context"
	"os"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// poke asks for a look at what the events may have changed; nil for both.
func poke(all []audit.Event, questions, status chan<- struct{}) {
	q, s := all == nil, all == nil
	for _, e := range all {
		switch e.Kind {
		case audit.Approval, audit.Network, audit.Names:
			q = true
		case audit.Agent, audit.Damage:
			s = true
		case audit.Start, audit.Stop, audit.Reload, audit.Change, audit.Gap:
			q, s = true, true
		case audit.Inference:
			s = s || e.Call != nil && e.Call.Error != ""
		}
	}
	for due, c := range map[chan<- struct{}]bool{questions: q, status: s} {
		if !c {
			continue
		}
		poked(due)
	}
}

// looks calls look when it is due, not more often than once a breath.
func looks(ctx context.Context, due <-chan struct{}, look func()) {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rest.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-due:
			look()
			rest.Reset(breath)
		}
	}
}

func (a *attendant) lookAtQuestions(ctx context.Context, client *control.Client) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if all, err := client.Approvals(ctx); err == nil { // one that does not answer shows in its status
		a.send(asked{a.name, all})
	}
}

func (a *attendant) lookAtStatus(ctx context.Context, client *control.Client) {
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	st, err := client.Status(short)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		st = control.Status{Name: string(a.name), State: control.Failed, Why: errSilent.Error()}
	}
	a.send(standing{a.name, st, a.holdOf(st.NetworkPolicy.Revision)})
}

// holdOf is how long the policy in force holds a connection, read from the
// file as long as that is the one in force.
func (a *attendant) holdOf(revision string) time.Duration {
	if revision == "" || revision == a.parsed {
		return a.hold
	}
	a.parsed, a.hold = revision, 0
	b, err := os.ReadFile(a.sandbox.PolicyFile())
	if err != nil {
		return 0
	}
	p, err := policy.Parse(a.sandbox.PolicyFile(), b)
	if err == nil && p.Revision() == revision {
		a.hold = p.Hold()
	}
	return a.hold
}
