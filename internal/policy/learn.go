package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Seen is what was asked for, any number of times.
type Seen struct {
	Request Request // Time is the last
	Count   int
}

// Left is what a learned policy does not allow, and why it must not.
type Left struct {
	Seen
	Why string
}

// Learned is the outcome of Learn.
type Learned struct {
	Text []byte // a policy file, for review
	Left []Left
}

// Learn writes the smallest policy that would have allowed what was seen: the
// very hosts, ports and programs, what p denies denied, and the rest as in p.
// Where a rule of p allowed it, the rule's other limits stay. What no operator
// could have allowed by an answer (a denied host, a model API, a private
// address that no rule lists) is left out. Of a program that is unknown, or
// that the agent can change, nothing can be said, and the rule is for any.
func Learn(p *Policy, seen []Seen, now time.Time) (Learned, error) {
	var out Learned
	var rules []*rule
	groups := map[string]*lesson{}
	for _, s := range seen {
		s.Request.Time = now
		from, why := p.lessonOf(s.Request)
		if why != "" {
			out.Left = append(out.Left, Left{s, why})
			continue
		}
		host, err := parsePattern(hostText(s.Request))
		if err != nil {
			out.Left = append(out.Left, Left{s, err.Error()})
			continue
		}
		key := fmt.Sprintf("%s\x00%p", host.text, from)
		if groups[key] == nil {
			groups[key] = &lesson{host: host, from: from, ports: map[Port]*asked{}}
		}
		groups[key].add(s)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		rules = append(rules, groups[key].rules(now)...)
	}
	next := &Policy{egress: rules, deny: p.deny, asked: p.asked, unlisted: p.unlisted, hold: p.hold, held: p.held}
	out.Text = next.Format()
	return out, out.check(seen, now)
}

// blank asks about all that a rule is not needed for.
var blank = &Policy{unlisted: Ask, asked: 1}

// lessonOf is the rule of p that allows r, nil where an answer could, or why
// neither may.
func (p *Policy) lessonOf(r Request) (from *rule, why string) {
	if v, denied := p.Denies(r); denied {
		return nil, v.Why
	}
	if from, _ = p.allowing(r); from != nil {
		return from, ""
	}
	if v := blank.Judge(r, nil); v.Action != Ask {
		return nil, v.Why
	}
	return nil, ""
}

func hostText(r Request) string {
	if r.Host != "" {
		return string(r.Host)
	}
	return r.Addr.String()
}

// lesson is one host, under one rule or none.
type lesson struct {
	host  pattern
	from  *rule
	ports map[Port]*asked
}

// asked is who asked for a port.
type asked struct {
	programs map[string]bool
	any      bool // one of them has no right of its own
	count    int
}

func (l *lesson) add(s Seen) {
	a := l.ports[s.Request.Port]
	if a == nil {
		a = &asked{programs: map[string]bool{}}
		l.ports[s.Request.Port] = a
	}
	a.count += max(1, s.Count)
	who := s.Request.Program
	if !who.Known || who.Writable || !isProgram(who.Exe) {
		a.any = true
		return
	}
	a.programs[who.Exe] = true
}

// binaries are those that a rule for the port is for; none: any program.
func (a *asked) binaries() []string {
	if a.any {
		return nil
	}
	return slices.Sorted(maps.Keys(a.programs))
}

// rules is one for the ports that the same programs asked for.
func (l *lesson) rules(now time.Time) (out []*rule) {
	counts := map[*rule]int{}
	for _, port := range slices.Sorted(maps.Keys(l.ports)) {
		a := l.ports[port]
		i := slices.IndexFunc(out, func(r *rule) bool { return slices.Equal(r.binaries, a.binaries()) })
		if i < 0 {
			r := &rule{}
			if l.from != nil { // its other limits, whatever they are
				*r = *l.from
			}
			r.action, r.host, r.ports, r.list, r.binaries = Allow, l.host, nil, false, a.binaries()
			out, i = append(out, r), len(out)
		}
		out[i].ports = append(out[i].ports, port)
		out[i].list = len(out[i].ports) > 1
		counts[out[i]] += a.count
	}
	for _, r := range out {
		r.note = l.note(counts[r], now)
	}
	return out
}

func (l *lesson) note(count int, now time.Time) string {
	times := "once"
	if count > 1 {
		times = fmt.Sprintf("%d times", count)
	}
	note := fmt.Sprintf("learned %s: asked for %s", now.UTC().Format(time.DateOnly), times)
	if l.from != nil {
		note += fmt.Sprintf(", line %d allowed it", l.from.line)
		if l.from.note != "" {
			note += ": " + l.from.note
		}
	}
	return note
}

// check holds the text to its promise, by the evaluator of the gate.
func (l Learned) check(seen []Seen, now time.Time) error {
	p, err := Parse("learned", l.Text)
	if err != nil {
		return fmt.Errorf("learn: %w", err)
	}
	for _, s := range seen {
		s.Request.Time = now
		left := slices.ContainsFunc(l.Left, func(o Left) bool { return o.Request.same(s.Request) })
		if v := p.Decide(s.Request); !left && v.Action != Allow {
			return fmt.Errorf("learn: %s: the policy that was written does not allow it: %s", s.Request.Target(), v.Why)
		}
	}
	return nil
}

// same compares two requests but for their time.
func (r Request) same(o Request) bool {
	return r.Host == o.Host && r.Addr == o.Addr && r.Port == o.Port && r.Program.Exe == o.Program.Exe && r.Program.Known == o.Program.Known
}

// SortSeen puts what was seen in an order that does not depend on time.
func SortSeen(all []Seen) {
	slices.SortFunc(all, func(a, b Seen) int {
		return cmp.Or(cmp.Compare(hostText(a.Request), hostText(b.Request)), cmp.Compare(a.Request.Port, b.Request.Port),
			cmp.Compare(a.Request.Program.Exe, b.Request.Program.Exe))
	})
}
