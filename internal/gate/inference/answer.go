package inference

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// answer lets the first provider that can give the answer. A fallback is asked
// only while nothing was passed on.
func (x *exchange) answer() *refusal {
	targets, no := x.targets()
	if no != nil {
		x.call.Refused = true
		return no
	}
	for i, t := range targets {
		began := x.router.now()
		if no = x.attempt(t); no == nil {
			return nil
		}
		if i == len(targets)-1 || x.sent || x.gone() || !elsewhere(no) {
			break
		}
		x.call.Steps = append(x.call.Steps, Step{t.String(), no.status, no.Error(), milliseconds(x.router.now().Sub(began))})
		x.lose()
	}
	x.call.Refused = no.ours
	return no
}

// attempt asks one provider, unless it fails too often or costs too much.
func (x *exchange) attempt(t policy.Target) *refusal {
	x.target, x.asked = t, false
	x.call.Provider = t.Provider
	if x.endpoint.named() {
		x.call.Given = t.String()
	}
	if no := x.unaffordable(); no != nil {
		return no
	}
	x.tell(x.router.now(), true)
	done, no := x.router.breakers.of(t).enter()
	if no != nil {
		return no
	}
	x.ended = done
	how := errNeither // a panic says nothing about the provider
	defer func() { x.told(no, how) }()
	no = x.try(t)
	how = outcome(x, no)
	return no
}

// told tells the breaker how the attempt ended, once: at the first bytes of a
// stream, which shows that the provider works and may go on for an hour.
func (x *exchange) told(no *refusal, how error) {
	if x.ended != nil {
		x.ended(no, how)
		x.ended = nil
	}
}

// elsewhere says whether another provider may do better.
func elsewhere(no *refusal) bool {
	return no.status >= 500 || no.status == http.StatusTooManyRequests || no.code == "model_not_found" ||
		no.status == http.StatusUnauthorized || no.status == http.StatusForbidden
}

// targets are who may answer, the wanted one first.
func (x *exchange) targets() ([]policy.Target, *refusal) {
	if !x.endpoint.named() {
		return []policy.Target{x.policy.Default()}, nil
	}
	targets, err := x.policy.Route(x.call.Asked)
	if err != nil {
		return nil, refuse(http.StatusNotFound, "model_not_found", "model %q is not to be had in this sandbox: %v", x.call.Asked, err).
			hinted("%s set-model PROVIDER/MODEL", x.router.command())
	}
	return targets, nil
}

// command is the operator's for this sandbox.
func (r *Router) command() string {
	if r.cfg.Sandbox == "" {
		return "nemoclaw NAME"
	}
	return "nemoclaw " + r.cfg.Sandbox
}

// The ends of a call that are nobody's hanging up.
var (
	errIdle    = errors.New("nothing came for too long")
	errTooLong = errors.New("the answer is too long")
	errTotal   = errors.New("the call took too long")
)

// attempt is one exchange's try with one provider.
type attempt struct {
	*exchange
	target policy.Target
	form   form
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// try asks one provider and passes its answer on.
func (x *exchange) try(t policy.Target) *refusal {
	ctx, cancel := context.WithCancelCause(x.req.Context())
	defer cancel(nil)
	a := &attempt{exchange: x, target: t, ctx: ctx, cancel: cancel}
	q, no := a.question()
	if no != nil {
		return no
	}
	if q.own != nil {
		x.send(http.StatusOK, jsonType, q.own)
		return nil
	}
	a.form = q.form
	x.closer, _ = lastOf(q.form).(closer)
	req, no := a.router.request(ctx, t, q, a.older())
	if no != nil {
		return no
	}
	a.pass(req)
	return a.ask(req)
}

// crossing are the agent's headers that reach a provider. Credentials, cookies
// and whatever chooses an account there do not.
var crossing = []string{"Accept", "Content-Type", "User-Agent"}

func (a *attempt) pass(req *http.Request) {
	for _, h := range crossing {
		if v := a.req.Header.Get(h); v != "" && req.Header.Get(h) == "" {
			req.Header.Set(h, v)
		}
	}
}

// ask sends the request and relays the answer.
func (a *attempt) ask(req *http.Request) *refusal {
	clock := newClock(a.limits.Idle, func() { a.cancel(errIdle) })
	defer clock.stop()
	if left, bounded := a.left(); bounded {
		defer time.AfterFunc(left, func() { a.cancel(errTotal) }).Stop()
	}
	a.asked = true
	resp, err := a.router.transport.RoundTrip(req)
	if err != nil {
		return a.dead(err)
	}
	defer resp.Body.Close()
	body := &patient{body: resp.Body, clock: clock, left: a.router.answer}
	if no := a.judge(resp, body); no != nil {
		return no
	}
	if resp.StatusCode < 300 && a.stream && !isWhole(resp) {
		return a.relayStream(resp, body)
	}
	return a.relayWhole(resp, body)
}

// left is the time that the policy leaves the call, all its attempts together.
func (a *attempt) left() (time.Duration, bool) {
	return max(a.limits.Total-a.router.now().Sub(a.began), 0), a.limits.Total > 0
}

// older says whether another policy came into force since the call began.
func (x *exchange) older() bool { return x.router.cfg.Policy() != x.policy }
