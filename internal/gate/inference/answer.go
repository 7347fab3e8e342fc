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
		x.step(no, began)
	}
	x.call.Refused = no.ours
	return no
}

// step notes that a provider could not answer, before another is asked.
func (x *exchange) step(no *refusal, began time.Time) {
	x.call.Steps = append(x.call.Steps, Step{x.target.String(), no.status, no.Error(), milliseconds(x.router.now().Sub(began))})
	x.lose()
}

// attempt asks one provider, unless it fails too often or costs too much.
func (x *exchange) attempt(t policy.Target) *refusal {
	if no := x.turnTo(t); no != nil {
		return no
	}
	how := errNeither // a panic says nothing about the provider
	var no *refusal
	defer func() { x.told(no, how) }()
	no = x.try()
	how = outcome(x, no)
	return no
}

// turnTo makes t the provider that is asked.
func (x *exchange) turnTo(t policy.Target) (no *refusal) {
	x.target, x.asked = t, false
	x.call.Provider = t.Provider
	if x.endpoint.named() {
		x.call.Given = t.String()
	}
	if no := x.unaffordable(); no != nil {
		return no
	}
	x.tell(x.router.now(), true)
	x.ended, no = x.router.breakers.of(t).enter()
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
	form   form
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// try asks the provider whose turn it is, and passes its answer on.
func (x *exchange) try() *refusal {
	ctx, cancel := context.WithCancelCause(x.req.Context())
	defer cancel(nil)
	a := &attempt{exchange: x, ctx: ctx, cancel: cancel}
	req, no := a.request()
	if req == nil {
		return no
	}
	return a.ask(req)
}

// request is what the provider is asked; nil with no refusal where it need not
// be, since the answer was sent.
func (a *attempt) request() (*http.Request, *refusal) {
	q, no := a.question()
	if no != nil {
		return nil, no
	}
	if q.own != nil {
		a.send(http.StatusOK, jsonType, q.own)
		return nil, nil
	}
	if !a.stream {
		a.put = q.body
	}
	a.form = q.form
	a.closer, _ = lastOf(q.form).(closer)
	req, no := a.router.request(a.ctx, a.target, q, a.older())
	if no == nil {
		a.pass(req)
	}
	return req, no
}

// crossing are the agent's headers that reach a provider. Credentials, cookies
// and whatever chooses an account there do not.
// The body's type does not either: what was read as JSON in UTF-8 must not be read
// in another alphabet there.
var crossing = []string{"Accept", "User-Agent"}

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
