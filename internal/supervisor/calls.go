package supervisor

import (
	"cmp"
	"context"
	"math"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// routerConfig is what the model gate needs of this sandbox.
func (k *keeper) routerConfig(log *inference.Log) inference.Config {
	return inference.Config{
		Policy:      k.policies.inference.Load,
		Key:         k.clerk.Key,
		Record:      k.call,
		Warn:        k.warn,
		Who:         k.callerName,
		Underway:    k.speaking.tell,
		Log:         log,
		Blocked:     k.blocked,
		Ready:       k.book.Err,
		Sandbox:     k.settings.Name,
		Proxy:       k.upstream.forRouter(),
		Leaf:        k.ca.Leaf,
		Connections: k.portions.calls,
		Used:        usedBefore(k.place.AuditDir(), time.Now()),
	}
}

// callerName is the program at the other end of a model call.
func (k *keeper) callerName(c net.Conn) string {
	local, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return "unknown"
	}
	remote, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return "unknown"
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookFor)
	defer cancel()
	p, _ := k.holder(ctx, local, remote)
	return programName(p)
}

// call writes one model call down. What asked for no model and was not refused
// (a list of models, a health check) is none.
func (k *keeper) call(c inference.Call) {
	if c.Asked != "" || c.Refused || c.Error != "" {
		k.record.Event(callRecord(c))
	}
}

func callRecord(c inference.Call) audit.Event {
	verdict := "allow"
	if c.Refused {
		verdict = "deny"
	}
	return audit.Event{
		Kind: audit.Inference, Wall: string(spec.InferenceWall), Verdict: verdict, Program: c.Program,
		Target: cmp.Or(c.Given, c.Path), Why: c.Error, // what was refused has no provider
		Call: &audit.Call{
			API: c.API, Path: c.Path, Asked: c.Asked, Given: c.Given, Status: c.Status, Stream: c.Stream,
			Prompt: c.Prompt, Extra: c.Extra, Answer: c.Answer, Tools: c.Tools, TokensIn: c.TokensIn, TokensOut: c.TokensOut,
			Cached: c.Cached, Counted: c.Counted, Cost: c.Cost, Steps: stepsRecord(c.Steps),
			FirstToken: c.FirstToken, Duration: c.Duration, Error: c.Error,
		},
	}
}

func stepsRecord(steps []inference.Step) []audit.Step {
	var out []audit.Step
	for _, s := range steps {
		out = append(out, audit.Step(s))
	}
	return out
}

// warn writes down that a limit is near or reached, once for each.
func (k *keeper) warn(n inference.Notice) {
	e := noticeRecord(n)
	k.record.Event(e)
	k.log.Say("%s: %s", e.Target, e.Why)
}

func noticeRecord(n inference.Notice) audit.Event {
	why := "near its limit: " + n.Text
	if n.Reached {
		why = "reached its limit: " + n.Text
	}
	return audit.Event{Kind: audit.Limit, Wall: string(spec.InferenceWall), Program: n.Program, Target: n.Limit, Why: why}
}

// usedBefore is what the book has of this day (UTC) and this minute, so that a
// restart is no way round a limit. Of a book that cannot be read to its end, it
// is what comes before; Open has said so already.
func usedBefore(dir string, now time.Time) inference.Used {
	var u inference.Used
	day := now.UTC().Truncate(24 * time.Hour)
	minute := now.Add(-time.Minute)
	from := day
	if minute.Before(day) {
		from = minute
	}
	_ = audit.Since(dir, from, func(e audit.Event) error {
		if e.Kind != audit.Inference || e.Call == nil || e.Verdict == "deny" {
			return nil
		}
		c := e.Call
		if began := e.Time.Add(-time.Duration(c.Duration * float64(time.Millisecond))); began.After(minute) {
			u.Recent = append(u.Recent, began)
		}
		if !e.Time.Before(day) {
			u.Tokens += cmp.Or(c.Counted, int64(c.TokensIn)+int64(c.TokensOut))
			u.Money += policy.Money(math.Round(c.Cost * float64(policy.One)))
		}
		return nil
	})
	slices.SortFunc(u.Recent, time.Time.Compare) // the book has them by their ends
	return u
}
