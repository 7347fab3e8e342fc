package policy

import (
	"time"

	"go.yaml.in/yaml/v4"
)

// Limits bound what the agent may spend. Zero is no limit, but for Body and
// Idle, which are never zero.
type Limits struct {
	RequestsPerMinute int64
	TokensPerDay      int64
	SpendPerDay       Money // by the price table; HasSpend says whether there is one
	HasSpend          bool
	BodyBytes         int64         // of one request
	Idle              time.Duration // without a byte from the provider
	Total             time.Duration // of one call, from its first byte to its last
}

const (
	defaultBody = 32 << 20 // a long conversation with some pictures in it
	defaultIdle = 5 * time.Minute
)

// Limits are those of the file; without body_bytes 32 MiB, without idle five
// minutes.
func (f *Inference) Limits() Limits { return f.limits }

func (d *document) limits(n *yaml.Node, f *Inference) {
	l := &f.limits
	d.fields(n, readers{
		"requests_per_minute": func(n *yaml.Node) { l.RequestsPerMinute = d.count(n) },
		"tokens_per_day":      func(n *yaml.Node) { l.TokensPerDay = d.count(n) },
		"spend_per_day": func(n *yaml.Node) {
			l.SpendPerDay, l.HasSpend = d.money(n, "an amount in the currency of the prices, such as 2.50 (without the key: no limit)"), true
			d.unpriced(f, n)
		},
		"body_bytes": func(n *yaml.Node) { l.BodyBytes = d.count(n) },
		"idle":       func(n *yaml.Node) { l.Idle = d.duration(n, 100*time.Millisecond, time.Hour) },
		"total":      func(n *yaml.Node) { l.Total = d.duration(n, 100*time.Millisecond, 24*time.Hour) },
	})
}
