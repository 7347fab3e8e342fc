package egress

import (
	"context"
	"errors"
	"net/netip"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// errReload: the policy changed while the connection was held.
var errReload = errors.New("the policy changed")

// judge asks the policy, and the operator where the policy says so.
func (f *flow) judge(ctx context.Context) policy.Verdict {
	for {
		v := f.decide()
		if v.Action != policy.Ask {
			return v
		}
		r := f.ask()
		v, err := f.hold(ctx, v, Question{Host: r.Host, Addr: r.Addr, Port: r.Port, Program: r.Program})
		if !errors.Is(err, errReload) {
			return v
		}
	}
}

// decide asks the policy first without the program, since finding out who asks
// takes longer than all the rest: a rule for some programs alone never fits an
// unknown one, so what is allowed now is allowed whoever asks.
func (f *flow) decide() policy.Verdict {
	p := f.g.policy()
	f.mu.Lock()
	f.request.Time = f.g.cfg.Now()
	r := f.request
	f.mu.Unlock()
	v := p.Decide(r)
	if v.Action != policy.Allow || p.Reads(r) {
		r.Program, _ = f.who()
		f.mu.Lock()
		f.request.Program = r.Program
		f.mu.Unlock()
		v = p.Decide(r)
	}
	if v.Action == policy.Ask && r.Host == "" { // the operator is not asked what cannot be
		if w := p.DecideAddr(r, r.Addr, f.g.cfg.Own()); w.Action == policy.Deny {
			return w
		}
	}
	if v.Action == policy.Allow {
		f.granted(byRule)
	}
	return v
}

func (f *flow) granted(by grant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.grant = by
}

// hold keeps the connection while the operator is asked. With errReload the
// policy must be asked again; any other end is a verdict.
func (f *flow) hold(ctx context.Context, asked policy.Verdict, q Question) (policy.Verdict, error) {
	watched, release := f.g.watch.hold(ctx, f.in)
	defer release()
	held, retry := context.WithCancelCause(watched)
	defer retry(nil)
	f.mu.Lock()
	f.retry = func() { retry(errReload) }
	over := f.over
	f.mu.Unlock()
	if over {
		return policy.Verdict{Why: "the gate is closing"}, nil
	}
	allow, why, done := f.g.cfg.Ask.Ask(held, q)
	if done != nil {
		f.grants = append(f.grants, done)
	}
	f.mu.Lock()
	f.retry = nil
	f.mu.Unlock()
	switch {
	case errors.Is(context.Cause(watched), errLeft):
		return policy.Verdict{Action: policy.Ask, Rule: asked.Rule, Line: asked.Line, Why: "the program gave up while the operator was asked"}, nil
	case !allow && errors.Is(context.Cause(held), errReload):
		return policy.Verdict{}, errReload
	case !allow:
		return policy.Verdict{Rule: asked.Rule, Line: asked.Line, Why: why}, nil
	}
	if v, denied := f.g.policy().Denies(f.ask()); denied { // a rule that came meanwhile
		return v, nil
	}
	f.granted(byOperator)
	return policy.Verdict{Action: policy.Allow, Rule: asked.Rule, Line: asked.Line, Why: why}, nil
}

// recheck judges a flow again after a reload and says whether it was cut.
func (f *flow) recheck(own []netip.Addr) bool {
	f.mu.Lock()
	held := f.retry
	f.mu.Unlock()
	if held != nil {
		f.recheckHeld(held)
		return false
	}
	p := f.g.policy()
	why := f.revoked(p, own)
	if why == "" {
		return f.recheckRequests(p) > 0
	}
	f.mu.Lock()
	live := f.out != nil && !f.over
	f.mu.Unlock()
	if !live {
		return false // join looks again
	}
	f.record(policy.Verdict{Why: why})
	f.cut()
	return true
}

// recheckHeld lets a held flow ask the policy again where its answer is no
// longer "ask".
func (f *flow) recheckHeld(retry func()) {
	r := f.ask()
	r.Time = f.g.cfg.Now()
	if f.g.policy().Decide(r).Action != policy.Ask {
		retry()
	}
}

// revoked says why the flow may not go on under p, or "".
func (f *flow) revoked(p *policy.Policy, own []netip.Addr) string {
	f.mu.Lock()
	r, by, dialled := f.request, f.grant, f.dialled
	f.mu.Unlock()
	r.Time = f.g.cfg.Now()
	switch by {
	case byRouter:
		if v, denied := p.Denies(r); denied {
			return v.Why
		}
	case byOperator:
		if v, denied := p.Denies(r); denied {
			return v.Why
		}
		if v := p.DecideAddr(r, dialled, own); dialled.IsValid() && v.Action == policy.Deny {
			return v.Why
		}
		if p.Reads(r) && !f.reads.Load() && f.decideAgain(p, r).Reads {
			return notRead
		}
	case byRule:
		v := f.decideAgain(p, r)
		if v.Action != policy.Allow {
			return "no rule allows it any more: " + v.Why
		}
		if v.Reads && !f.reads.Load() {
			return notRead
		}
		if v := p.DecideAddr(r, dialled, own); dialled.IsValid() && v.Action != policy.Allow {
			return v.Why
		}
	}
	return ""
}

const notRead = "its requests are to be judged now, and they cannot be seen in it"

// decideAgain asks p, with the program where that may count: the rule that
// allowed the flow spoke of every program, and one that is left may speak of
// this one.
func (f *flow) decideAgain(p *policy.Policy, r policy.Request) policy.Verdict {
	v := p.Decide(r)
	if (v.Action != policy.Allow || p.Reads(r)) && !r.Program.Known {
		r.Program, _ = f.who()
		v = p.Decide(r)
	}
	return v
}
