package inference

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// A provider that failed so often in a row is left alone for a while; then one
// call tries it.
const (
	failures = 5
	restTime = 10 * time.Second
)

// breakers keep calls from providers that fail. They are safe for concurrent
// use.
type breakers struct {
	mu sync.Mutex
	by map[string]*breaker // by provider and address; protected by mu
}

// breaker is one provider's.
type breaker struct {
	gate *gobreaker.TwoStepCircuitBreaker[struct{}]

	mu     sync.Mutex
	opened time.Time // protected by mu
	last   *refusal  // the last failure; protected by mu
}

// The ends of a call as the breaker counts them.
var (
	errFailed  = errors.New("the provider failed")
	errNeither = errors.New("nothing is known about the provider")
)

// of is the breaker of a provider. Another address is another provider.
func (b *breakers) of(t policy.Target) *breaker {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one, known := b.by[addressOf(t)]; known {
		return one
	}
	if b.by == nil || len(b.by) >= mostBreakers {
		b.by = map[string]*breaker{}
	}
	one := &breaker{}
	one.gate = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:     restTime,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failures },
		IsExcluded:  func(err error) bool { return errors.Is(err, errNeither) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				one.open()
			}
		},
	})
	b.by[addressOf(t)] = one
	return one
}

// mostBreakers bounds what is remembered of addresses that policies had.
const mostBreakers = 256

func addressOf(t policy.Target) string { return t.Provider + " " + t.URL.String() }

// heal forgets the failures of a provider that was seen to answer.
func (b *breakers) heal(t policy.Target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.by, addressOf(t))
}

func (b *breaker) open() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened = time.Now()
}

// enter lets a call through, or says why not. done takes how it ended.
func (b *breaker) enter() (done func(*refusal, error), no *refusal) {
	end, err := b.gate.Allow()
	if err != nil {
		return nil, b.resting()
	}
	return func(no *refusal, how error) {
		if no != nil && how != nil {
			b.mu.Lock()
			b.last = no
			b.mu.Unlock()
		}
		end(how)
	}, nil
}

// resting is the last failure again, without asking.
func (b *breaker) resting() *refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	no := refuse(http.StatusServiceUnavailable, "provider_down", "the provider failed")
	if b.last != nil {
		*no = *b.last
	}
	no.retry = max(restTime-time.Since(b.opened), time.Second).Round(time.Second)
	no.text += " (it failed so often that it is not asked again for " + no.retry.String() + ")"
	return no
}

// isOpen says whether calls are kept away.
func (b *breaker) isOpen() bool { return b.gate.State() == gobreaker.StateOpen }

// outcome is what a call's end says about its provider. What it refuses by its
// own rules (a bad request, a rate, a key) shows that it is there.
func outcome(x *exchange, no *refusal) error {
	switch {
	case no == nil:
		return nil
	case x.gone(), !x.asked, no.ours, no.status == http.StatusTooManyRequests:
		return errNeither
	case no.code == "tool_call_malformed":
		return nil
	case no.status >= 500:
		return errFailed
	}
	return nil
}
