package policy

import (
	"fmt"
	"strings"
)

// Format writes the policy as a file of its own, with what it leaves to
// defaults written out: what ParseInference reads from it says the same.
// Comments and layout of the original are not in it.
func (f *Inference) Format() []byte {
	var b strings.Builder
	b.WriteString("routes:\n")
	for _, r := range f.routes {
		fmt.Fprintf(&b, "  - model: %s\n    to: %s\n", quoteYAML(r.model), flow(r.to, func(t Target) string { return quoteYAML(t.String()) }))
	}
	b.WriteString("providers:\n")
	for _, name := range f.Providers() {
		fmt.Fprintf(&b, "  %s: %s\n", quoteYAML(name), f.providers[name].format())
	}
	if len(f.prices) > 0 {
		b.WriteString("prices:\n")
		for _, p := range f.prices {
			fmt.Fprintf(&b, "  - {model: %s, in: %s, out: %s, cached: %s}\n", quoteYAML(p.model), p.In.exact(), p.Out.exact(), p.Cached.exact())
		}
	}
	f.limits.format(&b)
	word := "full"
	if f.metadata {
		word = "metadata"
	}
	fmt.Fprintf(&b, "log: %s\n", word)
	if f.fetches {
		b.WriteString("fetch: allow\n")
	}
	return []byte(b.String())
}

func (p provider) format() string {
	text := "{url: " + quoteYAML(p.url.String())
	if p.key != "" {
		text += ", key: " + quoteYAML(p.key)
	}
	return text + ", api: " + p.api + "}"
}

func (l Limits) format(b *strings.Builder) {
	b.WriteString("limits:\n")
	for _, n := range []struct {
		key   string
		value int64
	}{{"requests_per_minute", l.RequestsPerMinute}, {"tokens_per_day", l.TokensPerDay}, {"body_bytes", l.BodyBytes}} {
		if n.value > 0 {
			fmt.Fprintf(b, "  %s: %d\n", n.key, n.value)
		}
	}
	if l.HasSpend {
		fmt.Fprintf(b, "  spend_per_day: %s\n", l.SpendPerDay.exact())
	}
	fmt.Fprintf(b, "  idle: %s\n", l.Idle)
	if l.Total > 0 {
		fmt.Fprintf(b, "  total: %s\n", l.Total)
	}
}
