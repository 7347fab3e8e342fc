package inference

import (
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Used is what a sandbox used of its limits before this router began.
type Used struct {
	Tokens int64        // of this day, in UTC
	Money  policy.Money // the same
	Recent []time.Time  // requests of the last minute, oldest first
}

// Usage is what a sandbox used of its limits until now.
type Usage struct {
	Tokens int64        // of this day, in UTC
	Money  policy.Money // the same
	Limits policy.Limits
}

// Notice says that a limit is near, or reached.
type Notice struct {
	Limit   string // its key in inference.yaml
	Program string // inside, whose call it was
	Reached bool   // else it is near
	Text    string // for the operator: how much of how much
}

// meter counts requests, tokens and money against the policy's limits. It is
// safe for concurrent use. The zero meter has counted nothing.
type meter struct {
	mu     sync.Mutex
	recent []time.Time   // requests of the last minute, oldest first; protected by mu
	day    string        // that used counts, in UTC; protected by mu
	used   Usage         // without its limits; protected by mu
	other  dayUsage      // the day that was counted before; protected by mu
	flying int64         // tokens that calls in flight have sent, roughly; protected by mu
	told   map[told]bool // what was warned of; protected by mu
}

// told is one warning: another limit, another day, another warning.
type told struct {
	limit   string
	most    int64
	when    string
	reached bool
}

// admission is a call that was let in: what it sends counts until it is over.
type admission struct {
	meter  *meter
	tokens int64
}

// near is when the operator is warned, in parts of a hundred.
const near = 80

// admit counts a request that sends about so many tokens, or says why it must
// wait. Calls that run side by side may together pass the day's limits by what
// is answered to them: what a call costs is known at its end.
func (m *meter) admit(now time.Time, l policy.Limits, tokens int64) (*admission, []Notice, *refusal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	no := m.today(l)
	if no == nil {
		no = m.minute(now, l)
	}
	notices := m.notices(now, l)
	if no != nil {
		return nil, notices, no
	}
	m.flying += tokens
	return &admission{m, tokens}, notices, nil
}

// today is why no call is let in before the day ends.
func (m *meter) today(l policy.Limits) *refusal {
	switch {
	case l.TokensPerDay > 0 && m.used.Tokens >= l.TokensPerDay:
		return refuse(http.StatusTooManyRequests, "insufficient_quota",
			"the sandbox's %d tokens of today are used up (%d)", l.TokensPerDay, m.used.Tokens).
			hinted("raise tokens_per_day in inference.yaml (the day ends at midnight UTC)")
	case l.TokensPerDay > 0 && m.flying > 0 && m.used.Tokens+m.flying >= l.TokensPerDay:
		no := refuse(http.StatusTooManyRequests, "rate_limit_exceeded",
			"the rest of the sandbox's %d tokens of today is in use by calls that still run", l.TokensPerDay)
		no.retry = time.Second
		return no
	}
	return nil
}

// broke is why nothing that costs money is asked before the day ends. What costs
// nothing still is.
func (m *meter) broke(now time.Time, l policy.Limits) *refusal {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	if !l.HasSpend || m.used.Money < l.SpendPerDay {
		return nil
	}
	no := refuse(http.StatusTooManyRequests, "insufficient_quota",
		"the sandbox's budget of %s for today is used up (%s)", l.SpendPerDay, m.used.Money).
		hinted("raise spend_per_day in inference.yaml (the day ends at midnight UTC)")
	no.ours = true
	return no
}

// minute is why a call must wait some seconds.
func (m *meter) minute(now time.Time, l policy.Limits) *refusal {
	if l.RequestsPerMinute == 0 {
		return nil
	}
	for len(m.recent) > 0 && now.Sub(m.recent[0]) >= time.Minute {
		m.recent = m.recent[1:]
	}
	if int64(len(m.recent)) >= l.RequestsPerMinute {
		no := refuse(http.StatusTooManyRequests, "rate_limit_exceeded",
			"more than %d requests a minute", l.RequestsPerMinute).
			hinted("raise requests_per_minute in inference.yaml")
		no.retry = time.Minute - now.Sub(m.recent[int64(len(m.recent))-l.RequestsPerMinute])
		return no
	}
	m.recent = append(m.recent, now)
	return nil
}

// notices are what the operator has not been told yet.
func (m *meter) notices(now time.Time, l policy.Limits) []Notice {
	today, hour := m.day, now.UTC().Format("2006-01-02T15")
	var all []Notice
	if n := l.TokensPerDay; n > 0 {
		all = m.notice(all, "tokens_per_day", today, m.used.Tokens, n, fmt.Sprintf("%d of %d tokens of today", m.used.Tokens, n))
	}
	if n := l.SpendPerDay; l.HasSpend && (n > 0 || m.used.Money > 0) {
		all = m.notice(all, "spend_per_day", today, int64(m.used.Money), int64(n), fmt.Sprintf("%s of %s for today", m.used.Money, n))
	}
	if n := l.RequestsPerMinute; n > 0 {
		all = m.notice(all, "requests_per_minute", hour, int64(len(m.recent)), n, fmt.Sprintf("%d of %d requests of this minute", len(m.recent), n))
	}
	return all
}

// notice adds one, where that much of the most is used for the first time.
func (m *meter) notice(all []Notice, limit, when string, used, most int64, text string) []Notice {
	if !isNear(used, most) {
		return all
	}
	key := told{limit, most, when, used >= most}
	if m.told[key] {
		return all
	}
	if m.told == nil || len(m.told) > mostTold {
		m.told = map[told]bool{}
	}
	m.told[key] = true
	return append(all, Notice{Limit: limit, Reached: key.reached, Text: text})
}

// mostTold bounds what is remembered of warnings; then it is forgotten.
const mostTold = 64

// isNear divides, since a product could be more than there is.
func isNear(used, most int64) bool {
	return float64(used) >= float64(most)*near/100
}

// large is the notice of a body that is near its limit, or over it.
func (m *meter) large(now time.Time, size, most int64) []Notice {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.notice(nil, "body_bytes", now.UTC().Format("2006-01-02T15"), size, most, fmt.Sprintf("a request of %d of %d bytes", size, most))
}

// settle counts what the call used, and lets go of what it was let in with.
func (a *admission) settle(now time.Time, l policy.Limits, tokens int64, cost policy.Money) []Notice {
	m := a.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flying -= a.tokens
	m.turn(now)
	m.used.Tokens = sum(m.used.Tokens, tokens)
	m.used.Money = policy.Money(sum(int64(m.used.Money), int64(cost)))
	return m.notices(now, l)
}

// sum is a+b, or the most that there is: a provider may say any figure.
func sum(a, b int64) int64 {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + max(b, 0)
}

// dayUsage is what was used of one day.
type dayUsage struct {
	day  string
	used Usage
}

// turn begins a new day; the first one takes over what was used before. A clock
// that is set back comes to a day of which something was used already: that still
// counts.
func (m *meter) turn(now time.Time) {
	today := now.UTC().Format(time.DateOnly)
	if m.day == today {
		return
	}
	if m.day == "" {
		m.day = today
		return
	}
	was := m.other
	m.other = dayUsage{m.day, m.used}
	m.day, m.used = today, Usage{}
	if was.day == today {
		m.used = was.used
	}
}

// now is what was used until now.
func (m *meter) now(now time.Time, l policy.Limits) Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	u := m.used
	u.Limits = l
	return u
}

// memory bounds what the bodies of all calls take together. It is safe for
// concurrent use.
type memory struct{ taken atomic.Int64 }

// take reserves bytes, up to a bound for all; false when that would be passed.
func (m *memory) take(bytes, bound int64) bool {
	if m.taken.Add(bytes) <= bound {
		return true
	}
	m.taken.Add(-bytes)
	return false
}

func (m *memory) give(bytes int64) { m.taken.Add(-bytes) }
