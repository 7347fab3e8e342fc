package inference

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// meter counts requests and tokens against the policy's limits. It is safe for
// concurrent use. The zero meter has counted nothing.
type meter struct {
	mu     sync.Mutex
	recent []time.Time // requests of the last minute, oldest first; protected by mu
	day    string      // that spent counts, in UTC; protected by mu
	spent  int64       // tokens; protected by mu
}

// admit counts a request, or says why it must wait. Calls that run side by side
// may together pass the day's tokens by what they need themselves: what a call
// costs is known at its end.
func (m *meter) admit(now time.Time, l policy.Limits) *refusal {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	if l.TokensPerDay > 0 && m.spent >= l.TokensPerDay {
		return refuse(http.StatusTooManyRequests, "insufficient_quota",
			"the sandbox's %d tokens of today are used up (%d)", l.TokensPerDay, m.spent).
			hinted("raise tokens_per_day in inference.yaml (the day ends at midnight UTC)")
	}
	for len(m.recent) > 0 && now.Sub(m.recent[0]) >= time.Minute {
		m.recent = m.recent[1:]
	}
	if l.RequestsPerMinute > 0 && int64(len(m.recent)) >= l.RequestsPerMinute {
		no := refuse(http.StatusTooManyRequests, "rate_limit_exceeded",
			"more than %d requests a minute", l.RequestsPerMinute).
			hinted("raise requests_per_minute in inference.yaml")
		no.retry = time.Minute - now.Sub(m.recent[int64(len(m.recent))-l.RequestsPerMinute])
		return no
	}
	if l.RequestsPerMinute > 0 {
		m.recent = append(m.recent, now)
	}
	return nil
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

// spend counts the tokens of a call that ended.
func (m *meter) spend(now time.Time, tokens int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	m.spent += tokens
}

// turn begins a new day; the first one takes over what was spent before.
func (m *meter) turn(now time.Time) {
	today := now.UTC().Format(time.DateOnly)
	if m.day != "" && m.day != today {
		m.spent = 0
	}
	m.day = today
}
