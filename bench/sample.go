package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// sample is how long one thing took, again and again.
type sample []time.Duration

// quantile gives the value below which q (0 to 1) of the sample lies.
func (s sample) quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (s sample) median() time.Duration { return s.quantile(0.5) }
func (s sample) p99() time.Duration    { return s.quantile(0.99) }

// contender is one that takes part in a race.
type contender struct {
	name  string
	every int // takes part in each round that this divides; 0 is each
	once  func(context.Context) (time.Duration, error)
	took  sample
	out   error // why it takes no further part
}

// race lets all contenders take turns, in another order each round, so that
// none always follows the same one. Who fails takes no further part.
func race(ctx context.Context, rounds int, all []*contender) {
	for i := range rounds {
		for j := range all {
			c := all[(i+j)%len(all)]
			if c.out != nil || c.every > 1 && i%c.every != 0 {
				continue
			}
			if ctx.Err() != nil {
				return
			}
			took, err := c.once(ctx)
			if err != nil {
				c.out = fmt.Errorf("round %d: %w", i+1, err)
				continue
			}
			c.took = append(c.took, took)
		}
	}
}
