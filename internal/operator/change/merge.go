package change

import (
	"fmt"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Merge is what becomes of the operator's network policy: it is kept, and what
// the new version's default denies and the old one's did not is denied too.
// What the new default newly allows is only shown, unless the operator accepts
// it: a blueprint must not open anything by itself.
type Merge struct {
	Text    []byte      // of the file afterwards; nil where it stays as it is
	Diff    policy.Diff // what the merged file does otherwise than the kept one
	Offered policy.Diff // what the new version's default allows and the operator has not accepted
}

// merge works on the operator's own text and the two defaults.
func merge(own []byte, from, to blueprint.Artifact, accept bool) (Merge, error) {
	if len(from.Blobs) == 0 {
		return Merge{}, nil
	}
	older, err := defaultOf(from)
	if err != nil {
		return Merge{}, err
	}
	newer, err := defaultOf(to)
	if err != nil {
		return Merge{}, err
	}
	merged, err := add(own, added(older, newer, policy.Deny), policy.AddDeny)
	if err != nil {
		return Merge{}, err
	}
	offered, err := add(merged, added(older, newer, policy.Allow), policy.AddRule)
	switch {
	case err != nil && accept:
		return Merge{}, err
	case err != nil:
		offered = merged // not shown: it is for the operator to read and to write
	case accept:
		merged = offered
	}
	return compare(own, merged, offered)
}

func compare(own, merged, offered []byte) (m Merge, err error) {
	var all [3]*policy.Policy
	for i, text := range [][]byte{own, merged, offered} {
		if all[i], err = policy.Parse("network-policy.yaml", text); err != nil {
			return Merge{}, err
		}
	}
	m.Diff, m.Offered = policy.Compare(all[0], all[1]), policy.Compare(all[1], all[2])
	if string(merged) != string(own) {
		m.Text = merged
	}
	return m, nil
}

func defaultOf(a blueprint.Artifact) (*policy.Policy, error) {
	p, err := policy.Parse("network-policy.yaml", a.Bytes(a.Manifest.Policies.Network))
	if err != nil {
		return nil, fmt.Errorf("default policy of %s: %w", a.Manifest.Ref(), err)
	}
	return p, nil
}

// added are the rules of one kind that the newer default has and the older has
// not.
func added(older, newer *policy.Policy, kind policy.Action) (out []policy.Rule) {
	have := map[string]bool{}
	for _, r := range older.List() {
		have[r.Text()] = true
	}
	for _, r := range newer.List() {
		if r.Action == kind && !have[r.Text()] {
			out = append(out, r)
		}
	}
	return out
}

// add enters rules into a text, comments and order kept.
func add(text []byte, rules []policy.Rule, enter func([]byte, policy.Entry) ([]byte, error)) ([]byte, error) {
	var err error
	for _, r := range rules {
		ports := r.Ports
		if len(ports) == 0 {
			ports = []policy.Port{0}
		}
		for _, p := range ports {
			text, err = enter(text, policy.Entry{Host: r.Host, Port: p, Note: r.Note, Addresses: r.Addresses, Expires: r.Expires, Binaries: r.Binaries})
			if err != nil {
				return nil, fmt.Errorf("merge policy: %s: %w", r.Text(), err)
			}
			one := r
			one.Ports = r.Ports[:min(len(r.Ports), 1)]
			if len(one.Ports) > 0 {
				one.Ports = []policy.Port{p}
			}
			if err := says(text, one); err != nil {
				return nil, err
			}
		}
	}
	return text, nil
}

// says holds that a text has the rule and not a wider one: an Entry cannot say
// all that a rule can.
func says(text []byte, r policy.Rule) error {
	p, err := policy.Parse("network-policy.yaml", text)
	if err != nil {
		return err
	}
	for _, have := range p.List() {
		if have.Equal(r) {
			return nil
		}
	}
	return say.Failing("add it by hand, or upgrade without --accept-policy", "merge policy: %s: it cannot be added as it is", r.Text())
}
