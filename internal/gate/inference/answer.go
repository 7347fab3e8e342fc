package inference

import (
	"context"
	"errors"
	"net/http"

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
		if no = x.try(t); no == nil || x.sent || x.gone() || !elsewhere(no) {
			return no
		}
		if i < len(targets)-1 {
			x.tally = tally{}
		}
	}
	x.call.Refused = no.ours
	return no
}

// elsewhere says whether another provider may do better.
func elsewhere(no *refusal) bool {
	return no.status >= 500 || no.status == http.StatusTooManyRequests ||
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
	x.call.Provider = t.Provider
	if x.endpoint.named() {
		x.call.Given = t.Provider + "/" + t.Model
	}
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
	req, no := a.router.request(ctx, t, q)
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
	clock := newClock(a.router.idle, func() { a.cancel(errIdle) })
	defer clock.stop()
	resp, err := a.router.transport.RoundTrip(req)
	if err != nil {
		return a.router.dead(a.ctx, a.target, err)
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
