package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Format writes the policy as a file of its own: what Parse reads from it says
// the same. Comments and layout of the original are not in a Policy.
func (p *Policy) Format() []byte {
	var b strings.Builder
	formatRules(&b, "egress", p.egress)
	if len(p.deny) > 0 {
		formatRules(&b, "deny", p.deny)
	}
	if p.asked > 0 {
		fmt.Fprintf(&b, "unlisted: %s\n", p.unlisted)
	}
	if p.held {
		fmt.Fprintf(&b, "hold: %s\n", p.hold)
	}
	return []byte(b.String())
}

func formatRules(b *strings.Builder, key string, rules []*rule) {
	if len(rules) == 0 {
		fmt.Fprintf(b, "%s: []\n", key)
		return
	}
	fmt.Fprintf(b, "%s:\n", key)
	for _, r := range rules {
		for i, field := range r.fields() {
			fmt.Fprintf(b, "  %s %s\n", separator(i, "-", " "), field)
		}
	}
}

// fields are the lines of a rule: `host: "api.github.com"`, `port: 443` …
func (r *rule) fields() []string {
	lines := []string{"host: " + quoteYAML(r.host.text)}
	switch {
	case r.list:
		lines = append(lines, "ports: "+flow(r.ports, func(p Port) string { return strconv.Itoa(int(p)) }))
	case len(r.ports) > 0:
		lines = append(lines, fmt.Sprintf("port: %d", r.ports[0]))
	}
	if len(r.binaries) > 0 {
		lines = append(lines, "binaries: "+flow(r.binaries, quoteYAML))
	}
	if len(r.addresses) > 0 {
		lines = append(lines, "addresses: "+flow(r.addresses, func(p netip.Prefix) string { return quoteYAML(p.String()) }))
	}
	if !r.expires.IsZero() {
		lines = append(lines, "expires: "+r.expires.Format(time.RFC3339Nano))
	}
	if len(r.http) > 0 {
		lines = append(lines, httpField(r.http))
	}
	if !r.cred.isZero() {
		lines = append(lines, r.cred.field())
	}
	if r.note != "" {
		lines = append(lines, "note: "+quoteYAML(r.note))
	}
	return lines
}

func flow[T any](items []T, show func(T) string) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = show(item)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// quoteYAML writes a double-quoted scalar. The escapes that strconv uses are
// among those of YAML 1.2, 5.7.
func quoteYAML(text string) string { return strconv.Quote(text) }
