package policy

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.yaml.in/yaml/v4"
)

// ParseAfter gives the very result of Parse, and gives it faster: rules that
// stand in the text that last was read from, byte for byte, are not read again,
// and where many are new, every processor reads some. What it cannot give as good
// as Parse, and every problem, it leaves to Parse.
func ParseAfter(last *Policy, file string, data []byte) (*Policy, error) {
	if p := last.after(data); p != nil {
		return p, nil
	}
	return Parse(file, data)
}

// after is the policy of data, or nil where Parse has to say.
func (p *Policy) after(data []byte) *Policy {
	text := strings.TrimPrefix(string(data), byteOrderMark)
	if len(text) > maxFile {
		return nil
	}
	laid, ok := layOut(text)
	if !ok {
		return nil
	}
	next, ok := laid.frame()
	if !ok {
		return nil
	}
	if p == nil || p.laid == nil { // nothing to use again
		p = &Policy{laid: &layout{}}
	}
	for i, s := range sections {
		rules, fresh := reuse(p.laid.lists[i].parts, p.of(s.action), laid.lists[i].parts)
		if !readAll(s.key, laid.lists[i].parts, rules, fresh) || !stillUnique(rules, fresh) {
			return nil
		}
		next.set(s.action, rules)
	}
	next.laid, next.revision = laid, revision(data)
	next.complete()
	return next
}

// frame reads the text without its rules, and says whether the rules' keys are
// where the layout has seen them.
func (l *layout) frame() (*Policy, bool) {
	d := readDocument("", "", []byte(l.rest))
	if d.root == nil || d.root.Kind != yaml.MappingNode || d.root.Style&yaml.FlowStyle != 0 {
		return nil, false
	}
	for i, s := range sections {
		key, value := find(d.root, s.key)
		if (value == nil) != (l.lists[i].head == 0) {
			return nil, false
		}
		if value != nil && (key.Line != l.lists[i].head || key.Column != 1 || !isNull(value)) {
			return nil, false
		}
	}
	p := &Policy{hold: defaultHold}
	d.policy(p)
	if len(d.found) > 0 || p.Rules() > 0 {
		return nil, false
	}
	if p.asked > 0 {
		p.asked = unlistedLine(l.lines[p.asked-1])
	}
	return p, true
}

// reuse gives the rules of parts: those of before that stand in it, and at the
// places in fresh none yet. Rules are copied, lest one that stays where it is
// keeps all that once stood with it in memory.
func reuse(before []part, had []*rule, parts []part) (rules []*rule, fresh []int) {
	if len(parts) == 0 {
		return nil, nil
	}
	made := make([]rule, len(parts))
	rules = make([]*rule, len(parts))
	for i, at := range match(before, parts) {
		rules[i] = &made[i]
		if at < 0 {
			fresh = append(fresh, i)
			continue
		}
		made[i] = *had[at]
		made[i].line += parts[i].line - before[at].line
	}
	return rules, fresh
}

// match says for each of parts which of before has its very text, each at most
// once; -1: none.
func match(before, parts []part) []int {
	from := make([]int, len(parts))
	begin, end := 0, 0
	for begin < min(len(parts), len(before)) && parts[begin].text == before[begin].text {
		from[begin] = begin
		begin++
	}
	for end < min(len(parts), len(before))-begin && parts[len(parts)-1-end].text == before[len(before)-1-end].text {
		from[len(parts)-1-end] = len(before) - 1 - end
		end++
	}
	left := map[string]int{}
	for i, p := range before[begin : len(before)-end] {
		left[p.text] = begin + i + 1
	}
	for i, p := range parts[begin : len(parts)-end] {
		from[begin+i] = left[p.text] - 1
		delete(left, p.text)
	}
	return from
}

// share is how many rules are read at a time: few enough that what the reader
// of YAML leaves behind never piles up.
const share = 200

// readAll reads those of parts that are fresh into rules, on every processor;
// false where one has a problem, or is no element by itself.
func readAll(key string, parts []part, rules []*rule, fresh []int) bool {
	var (
		shares = slices.Collect(slices.Chunk(fresh, share))
		next   atomic.Int64
		bad    atomic.Bool
		all    sync.WaitGroup
	)
	for range min(len(shares), runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(shares)) && !bad.Load(); i = next.Add(1) - 1 {
				if !readSome(key, parts, rules, shares[i]) {
					bad.Store(true)
				}
			}
		})
	}
	all.Wait()
	return !bad.Load()
}

// readSome reads those at the places in some, as a list of their own.
func readSome(key string, parts []part, rules []*rule, some []int) bool {
	var text strings.Builder
	text.WriteString(key + ":\n")
	for _, i := range some {
		text.WriteString(parts[i].ended())
	}
	d := readDocument("", "", []byte(text.String()))
	if d.root == nil || len(d.root.Content) != 2 {
		return false
	}
	p := &Policy{}
	d.policy(p)
	read := append(p.egress, p.deny...)
	if len(d.found) > 0 || len(read) != len(some) {
		return false
	}
	line := 2
	for k, i := range some {
		next := line + strings.Count(parts[i].ended(), "\n")
		if read[k].line < line || read[k].line >= next {
			return false
		}
		*rules[i] = *read[k]
		rules[i].line += parts[i].line - line
		line = next
	}
	return true
}

// stillUnique says whether no fresh rule says what another one does. The others
// were unique already.
func stillUnique(rules []*rule, fresh []int) bool {
	said := map[string]int{}
	for _, i := range fresh {
		for _, key := range rules[i].keys {
			if _, twice := said[key]; twice {
				return false
			}
			said[key] = i
		}
	}
	if len(said) == 0 {
		return true
	}
	for i, r := range rules {
		for _, key := range r.keys {
			if by, there := said[key]; there && by != i {
				return false
			}
		}
	}
	return true
}

func (p *Policy) set(action Action, rules []*rule) {
	if action == Deny {
		p.deny = rules
	} else {
		p.egress = rules
	}
}
