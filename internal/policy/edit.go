package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// Entry is a rule that an operator adds or removes.
type Entry struct {
	Host      string
	Port      Port // 0: every port (AddDeny, RemoveRule, RemoveDeny)
	Note      string
	Addresses []netip.Prefix // that the name may have, AddRule alone
	Expires   time.Time      // AddRule alone
	Binaries  []string       // AddRule alone; none: any program

	http []requests // see Narrow; or of a preset's rule
	cred Credential // likewise
}

// CannotEdit is a file whose layout an edit would not leave as it is, or an
// edit that has no place in it. The file is unchanged.
type CannotEdit struct {
	Why  string
	Want string
}

func (e *CannotEdit) Error() string { return "edit policy: " + e.Why }

// Hint says what to do by hand.
func (e *CannotEdit) Hint() string { return e.Want }

// AddRule adds an egress rule to the text of network-policy.yaml and leaves all
// else, comments and order included, as it was. A rule that stands there
// already is not added again; one that lacks an address gets it. The result is
// checked: it says what the text said and the rule, or there is an error.
func AddRule(data []byte, e Entry) ([]byte, error) { return addRule(data, Allow, e) }

// AddDeny adds a deny rule, as AddRule does.
func AddDeny(data []byte, e Entry) ([]byte, error) { return addRule(data, Deny, e) }

// RemoveRule takes out the egress rules for the host and port (port 0: for the
// host). Comments on lines of their own stay. No such rule is an error.
func RemoveRule(data []byte, e Entry) ([]byte, error) { return removeRule(data, Allow, e) }

// RemoveDeny takes out deny rules, as RemoveRule does.
func RemoveDeny(data []byte, e Entry) ([]byte, error) { return removeRule(data, Deny, e) }

func (e Entry) rule(action Action) (*rule, error) {
	host, err := parsePattern(e.Host)
	if err != nil {
		return nil, err
	}
	r := &rule{action: action, host: host, note: oneLine(e.Note)}
	if e.Port != 0 {
		r.ports = []Port{e.Port}
	} else if action == Allow {
		return nil, &BadPort{"0"}
	}
	if action == Allow {
		r.binaries, r.addresses, r.expires = e.Binaries, e.Addresses, e.Expires
		r.http, r.cred = e.http, e.cred
	}
	for _, exe := range r.binaries {
		if !isProgram(exe) || strings.ContainsFunc(exe, func(c rune) bool { return !unicode.IsPrint(c) }) {
			return nil, &BadProgram{exe}
		}
	}
	r.text = r.describe()
	return r, nil
}

// BadProgram is a text that names no program inside the sandbox.
type BadProgram struct{ Text string }

func (e *BadProgram) Error() string { return fmt.Sprintf("program %q: not a path", e.Text) }

// Hint says what to write instead.
func (e *BadProgram) Hint() string { return wantProgram }

// maxNote bounds a note: the path of a program, which the agent chooses, may
// stand in it.
const maxNote = 200

// oneLine makes a note of any text.
func oneLine(text string) string {
	shown := []rune(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text))
	if len(shown) > maxNote {
		shown = append(shown[:maxNote], '…')
	}
	return strings.TrimSpace(string(shown))
}

func addRule(data []byte, action Action, e Entry) ([]byte, error) {
	before, err := Parse("network-policy.yaml", data)
	if err != nil {
		return nil, err
	}
	added, err := e.rule(action)
	if err != nil {
		return nil, err
	}
	if twin := twinOf(added, before.of(action)); twin != nil {
		return renew(data, before, twin, added)
	}
	t := newText(data)
	if len(before.egress)+len(before.deny) == 0 && before.asked == 0 {
		t.addKey("unlisted: " + before.unlisted.String()) // else this rule would change it
	}
	t.addItem(section(action), added.fields())
	return t.finish(before.with(added), added)
}

func section(action Action) string {
	if action == Deny {
		return "deny"
	}
	return "egress"
}

func (p *Policy) of(action Action) []*rule {
	if action == Deny {
		return p.deny
	}
	return p.egress
}

// twinOf is a rule that says all that the new one says, but for addresses and
// the note.
func twinOf(added *rule, rules []*rule) *rule {
	for _, r := range rules {
		binaries := slices.Equal(slices.Sorted(slices.Values(r.binaries)), slices.Sorted(slices.Values(added.binaries)))
		ports := len(r.ports) == 0 || len(added.ports) > 0 && slices.Contains(r.ports, added.ports[0])
		if r.host == added.host && ports && binaries && r.sameHTTP(added) {
			return r
		}
	}
	return nil
}

// with is what the policy has to say after the edit.
func (p *Policy) with(added *rule) *Policy {
	after := *p
	if added.action == Deny {
		after.deny = append(slices.Clone(p.deny), added)
	} else {
		after.egress = append(slices.Clone(p.egress), added)
	}
	return &after
}

// same compares what two policies say; the order of rules does not matter to
// what is allowed, and an edit of a list on one line may change it.
func (p *Policy) same(o *Policy) bool {
	return p.unlisted == o.unlisted && p.hold == o.hold && sameRules(p.egress, o.egress) && sameRules(p.deny, o.deny)
}

func sameRules(a, b []*rule) bool {
	return slices.EqualFunc(a, b, func(x, y *rule) bool { return x.equal(y) })
}

// renew brings an existing rule up to the new one: more addresses, another end.
// All else of it is the operator's.
func renew(data []byte, before *Policy, twin, added *rule) ([]byte, error) {
	at := slices.Index(before.of(added.action), twin)
	wanted, t := *twin, newText(data)
	for _, p := range added.addresses {
		if !slices.Contains(wanted.addresses, p) {
			wanted.addresses = append(slices.Clone(wanted.addresses), p)
		}
	}
	if len(wanted.addresses) != len(twin.addresses) {
		t.setField(section(twin.action), at, "addresses", flow(wanted.addresses, func(p netip.Prefix) string { return quoteYAML(p.String()) }))
	}
	wanted.expires = added.expires
	if len(twin.ports) > 1 && !twin.expires.IsZero() && !twin.expires.Equal(added.expires) {
		return nil, twin.forMore() // the other ports would get the new end too
	}
	switch {
	case twin.expires.Equal(added.expires):
	case added.expires.IsZero():
		t.dropField(section(twin.action), at, "expires")
	case twin.expires.IsZero(): // it has no end, and is not given one
		wanted.expires = twin.expires
	default:
		t.setField(section(twin.action), at, "expires", added.expires.Format(time.RFC3339Nano))
	}
	return t.finish(before.replacing(twin, &wanted), &wanted)
}

// replacing is the policy with one rule changed.
func (p *Policy) replacing(old, changed *rule) *Policy {
	after := *p
	after.egress, after.deny = slices.Clone(p.egress), slices.Clone(p.deny)
	rules := after.of(old.action)
	rules[slices.Index(rules, old)] = changed
	return &after
}

func removeRule(data []byte, action Action, e Entry) ([]byte, error) {
	before, err := Parse("network-policy.yaml", data)
	if err != nil {
		return nil, err
	}
	host, err := parsePattern(e.Host)
	if err != nil {
		return nil, err
	}
	gone, err := picked(before.of(action), host, e.Port)
	if err != nil {
		return nil, err
	}
	if len(gone) == 0 {
		return nil, before.notThere(action, host, e)
	}
	t := newText(data)
	if len(gone) == before.Rules() && before.asked == 0 {
		t.addKey("unlisted: " + before.unlisted.String()) // the last rule must not take the questions with it
	}
	after := *before
	keep := slices.Clone(before.of(action))
	for _, i := range slices.Backward(gone) {
		t.removeItem(section(action), i)
		keep = slices.Delete(keep, i, i+1)
	}
	if action == Deny {
		after.deny = keep
	} else {
		after.egress = keep
	}
	return t.finish(&after, nil)
}

// notThere tells the operator where to look.
func (p *Policy) notThere(action Action, host pattern, e Entry) error {
	bad := &CannotEdit{fmt.Sprintf("no %s rule for %s", section(action), e.describe()), "nemoclaw NAME policy show lists the rules"}
	if action == Deny {
		return bad
	}
	if denied, err := picked(p.deny, host, e.Port); err == nil && len(denied) > 0 {
		bad.Want = fmt.Sprintf("line %d denies it: nemoclaw NAME policy remove --deny %s", p.deny[denied[0]].line, e.describe())
	}
	return bad
}

func (e Entry) describe() string {
	if e.Port == 0 {
		return e.Host
	}
	return fmt.Sprintf("%s:%d", e.Host, e.Port)
}

// picked are the places of the rules for host and port. A rule for more ports
// than the one is not taken apart.
func picked(rules []*rule, host pattern, port Port) ([]int, error) {
	var places []int
	for i, r := range rules {
		switch {
		case r.host != host:
		case port == 0 || len(r.ports) == 1 && r.ports[0] == port:
			places = append(places, i)
		case r.hasPort(port):
			return nil, r.forMore()
		}
	}
	return places, nil
}

func (r *rule) forMore() error {
	return &CannotEdit{
		fmt.Sprintf("the rule in line %d is for other ports too: %s", r.line, r.text),
		fmt.Sprintf("change line %d, or remove %s without a port", r.line, r.host.text),
	}
}

// finish gives the text, if it says what it should.
func (t *text) finish(want *Policy, added *rule) ([]byte, error) {
	if t.err == nil {
		got, err := Parse("network-policy.yaml", t.bytes())
		if err == nil && got.same(want) {
			return t.bytes(), nil
		}
	}
	lines := "the change, in an editor"
	if added != nil {
		lines = "add by hand: {" + strings.Join(added.fields(), ", ") + "}"
	}
	return nil, &CannotEdit{"the layout of the file is not one that can be changed safely", lines}
}

// find gives the value of a root key in a parsed text.
func find(root *yaml.Node, name string) (key, value *yaml.Node) {
	for k, v := range pairs(root) {
		if k.Value == name {
			return k, v
		}
	}
	return nil, nil
}
