package inference

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// bytesAToken is what a token is taken for where nobody counted.
const bytesAToken = 4

// usage is what the attempt that is being made has used until now: the
// provider's figures or, for what it gave none of (an answer cut short, a
// stream without figures), an estimate.
func (x *exchange) usage() policy.Usage {
	if !x.asked || x.body == nil {
		return policy.Usage{}
	}
	t := &x.tally
	u := policy.Usage{In: int64(t.in), Out: int64(t.out), Cached: int64(t.cached)}
	if x.endpoint.act == count {
		return u // nothing was said, and who only counts has used nothing
	}
	if x.sent || t.done || u.In+u.Out > 0 || x.gone() { // else it was refused before anything was said
		u = guessed(u, int64(len(x.body.raw)), int64(t.size), t.done)
	}
	if !x.stream && !x.sent && x.gone() && x.endpoint.act != embed { // the provider has begun, and no figures will come
		u.Out = max(u.Out, mostOf(x.put))
	}
	return u
}

// unnamed is what an answer is taken for, in tokens, of which nobody said how long
// it may be.
const unnamed = 4096

// mostOf is how long an answer to a request may be, in tokens: who leaves before it
// comes has had it made, and must not have it for nothing.
func mostOf(request []byte) int64 {
	var in struct {
		MaxTokens     *int64 `json:"max_tokens"`
		MaxCompletion *int64 `json:"max_completion_tokens"`
		MaxOutput     *int64 `json:"max_output_tokens"`
		Options       struct {
			NumPredict *int64 `json:"num_predict"`
		} `json:"options"`
	}
	_ = json.Unmarshal(request, &in) // a limit of another form is none
	for _, most := range []*int64{in.MaxTokens, in.MaxCompletion, in.MaxOutput, in.Options.NumPredict} {
		if most != nil && *most > 0 {
			return *most
		}
	}
	return unnamed
}

// guessed fills in what nobody counted. The figures of an answer that was cut
// short are of its beginning.
func guessed(u policy.Usage, sent, said int64, done bool) policy.Usage {
	counted := u.In+u.Out > 0
	if !counted {
		u.In = sent / bytesAToken
	}
	if !counted || !done {
		u.Out = max(u.Out, said/bytesAToken)
	}
	return u
}

func plus(a, b policy.Usage) policy.Usage {
	return policy.Usage{In: sum(a.In, b.In), Out: sum(a.Out, b.Out), Cached: sum(a.Cached, b.Cached)}
}

// unaffordable is why a target that costs money is not asked today.
func (x *exchange) unaffordable() *refusal {
	price, ok := x.policy.Price(x.target)
	if !x.endpoint.metered() || ok && price == (policy.Price{}) {
		return nil
	}
	return x.router.meter.broke(x.router.now(), x.limits)
}

// settle counts what the call used.
func (x *exchange) settle(now time.Time) {
	if x.admitted == nil {
		return
	}
	u := x.usage()
	price, _ := x.policy.Price(x.target)
	cost := policy.Money(sum(int64(x.spent), int64(price.Of(u))))
	all := plus(x.lost, u)
	tokens := sum(all.In, all.Out)
	if tokens != int64(x.call.TokensIn)+int64(x.call.TokensOut) {
		x.call.Counted = tokens
	}
	x.call.Cost = cost.Units()
	x.warn(x.admitted.settle(now, x.limits, tokens, cost))
}

// lose adds what an attempt used that came to nothing: its provider counts it
// all the same.
func (x *exchange) lose() {
	u := x.usage()
	price, _ := x.policy.Price(x.target)
	x.lost = plus(x.lost, u)
	x.spent = policy.Money(sum(int64(x.spent), int64(price.Of(u))))
	x.tally = tally{}
}

// record hands the finished call to the book and the log. Masking and writing
// are not on the road of the agent's bytes.
func (x *exchange) record() {
	r := x.router
	x.call.Error += x.fault
	x.tally.fill(&x.call)
	now := r.now()
	if !x.toldAt.IsZero() {
		r.cfg.Underway(func() Underway { u := x.underway(now); u.Ended = true; return u })
	}
	x.call.Duration = milliseconds(now.Sub(x.began))
	x.settle(now)
	full := x.policy != nil && x.policy.LogFull()
	call, holds, ctx := x.call, x.holds, x.req.Context()
	x.holds = 0
	r.writing.put(call.size(), func() {
		defer r.memory.give(holds)
		call.Program = program(ctx)
		r.write(call.clean(full, r.secrets.mask))
	})
}

// write gives a call to the book, and then to the agent's log: a log that is
// slow keeps nothing from the book.
func (r *Router) write(c Call) {
	if r.cfg.Record != nil {
		r.cfg.Record(c)
	}
	if r.cfg.Log == nil {
		return
	}
	if !r.logging.offer(c.size(), func() { r.log(c) }) {
		r.skipped.Add(1)
	}
}

// log writes a line, and before it how many are missing. A log that cannot be
// written is no reason to refuse calls: the book has them.
func (r *Router) log(c Call) {
	if n := r.skipped.Swap(0); n > 0 {
		_, _ = r.cfg.Log.Write(fmt.Appendf(nil, "{\"time\":%q,\"error\":\"%d calls are missing here: the disk was too slow; the operator's book has them\"}\n", r.now().UTC().Format(time.RFC3339Nano), n))
	}
	if _, err := r.cfg.Log.Write(c.line()); err != nil {
		// A call too long for the log is there at least by its outline.
		_, _ = r.cfg.Log.Write(c.clean(false, r.secrets.mask).line())
	}
}

// Drain returns when every call that was answered is handed to Record and
// written to Log.
func (r *Router) Drain() {
	r.writing.wait()
	r.logging.wait()
}

// Used is what was used of the limits until now.
func (r *Router) Used() Usage {
	u := Usage{}
	if p := r.cfg.Policy(); p != nil {
		u = r.meter.now(r.now(), p.Limits())
	}
	return u
}

// Learn asks for the keys that a policy names, so that they are masked in
// records before they are used for the first time.
func (r *Router) Learn(p *policy.Inference) {
	for _, name := range p.Providers() {
		if t, _ := p.Provider(name); t.Key != "" {
			_, _ = r.key(t, false) // a key that is missing is told at the call that needs it
		}
	}
}
