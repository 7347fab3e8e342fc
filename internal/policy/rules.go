package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Rule is one rule of a policy, for showing; changing it changes nothing.
type Rule struct {
	Action     Action
	Host       string // canonical, with its stars; an address or a CIDR
	Ports      []Port // none: every port
	Binaries   []string
	Addresses  []netip.Prefix
	Expires    time.Time  // zero: never
	HTTP       []Requests // none: connections, whatever flows
	Credential Credential
	Note       string
	Line       int
}

// List gives the rules, the denials first, since they win; each kind in the
// order of the file.
func (p *Policy) List() []Rule {
	if p == nil {
		return nil
	}
	out := make([]Rule, 0, p.Rules())
	for _, rules := range [][]*rule{p.deny, p.egress} {
		for _, r := range rules {
			out = append(out, r.shown())
		}
	}
	return out
}

func (r *rule) shown() Rule {
	return Rule{
		Action: r.action, Host: r.host.text, Ports: slices.Clone(r.ports), Binaries: slices.Clone(r.binaries),
		Addresses: slices.Clone(r.addresses), Expires: r.expires, HTTP: shownHTTP(r.http), Credential: r.cred, Note: r.note, Line: r.line,
	}
}

// Unlisted is what becomes of what no rule lists: Ask or Deny; Allow where the
// wall is off.
func (p *Policy) Unlisted() Action {
	if p == nil {
		return Deny
	}
	return p.unlisted
}

// Off says whether the operator switched the wall off.
func (p *Policy) Off() bool { return p != nil && p.off }

// Text is the rule on one line, without its note: "allow api.github.com:443
// for /usr/bin/git, at 10.0.0.0/8, until 2026-12-31T00:00:00Z".
func (r Rule) Text() string {
	text := (&rule{action: r.Action, host: pattern{text: r.Host}, ports: r.Ports, binaries: r.Binaries}).describe()
	if len(r.Ports) == 0 {
		text += ", every port"
	}
	if len(r.Addresses) > 0 {
		shown := make([]string, len(r.Addresses))
		for i, p := range r.Addresses {
			shown[i] = address(p)
		}
		text += ", at " + list(shown)
	}
	if !r.Expires.IsZero() {
		text += ", until " + r.Expires.Format(time.RFC3339)
	}
	if len(r.HTTP) > 0 {
		text += ", only " + httpText(r.HTTP)
	}
	if !r.Credential.isZero() {
		text += ", with credential " + r.Credential.String()
	}
	return text
}

func (r Rule) String() string {
	if r.Note == "" {
		return r.Text()
	}
	return fmt.Sprintf("%s (%s)", r.Text(), r.Note)
}

// address shows one address without its length.
func address(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// Equal compares what two rules say, not where they stand.
func (r Rule) Equal(o Rule) bool {
	return r.Action == o.Action && r.Host == o.Host && slices.Equal(r.Ports, o.Ports) &&
		slices.Equal(r.Binaries, o.Binaries) && slices.Equal(r.Addresses, o.Addresses) &&
		r.Expires.Equal(o.Expires) && r.Note == o.Note && r.Credential == o.Credential &&
		slices.EqualFunc(r.HTTP, o.HTTP, Requests.equal)
}

// ParseDestination reads HOST[:PORT] as an operator writes it for a rule: a
// name, one with stars, an address or a CIDR; IPv6 in brackets where a port
// follows. The port is 0 where none is given. The host is checked by the edit
// that it is for.
func ParseDestination(text string) (host string, port Port, err error) {
	host, portText := text, ""
	switch inner, after, bracketed := strings.Cut(strings.TrimPrefix(text, "["), "]"); {
	case strings.Contains(text, "://"): // the host's parser says what is wrong with it
	case strings.HasPrefix(text, "[") && bracketed && (after == "" || after[0] == ':'):
		host, portText = inner, after
	case strings.Count(text, ":") == 1:
		at := strings.IndexByte(text, ':')
		host, portText = text[:at], text[at:]
	}
	if portText == "" {
		return host, 0, nil
	}
	port, err = ParsePort(portText[1:])
	if err != nil {
		return "", 0, err
	}
	return host, port, nil
}
