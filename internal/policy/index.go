package policy

import (
	"net/netip"
	"slices"
	"strings"
)

// index finds the rules for a destination without looking at the others: a
// policy of ten thousand rules decides as fast as one of ten. Every list is in
// the order of the file.
type index struct {
	rules    []*rule
	exact    placed
	oneLabel placed
	deep     placed
	nets     map[net][]int
	bits4    []int // the lengths that occur in nets
	bits6    []int
	loopback map[Port][]int
	denies   bool  // a wildcard that covers a name of the host's loopback denies it, and never allows it
	portless bool  // some rule is for every port
	spare    []int // while the index is made: room for the first rule of a list
}

type placed map[place][]int

// place and net are what rules are listed under. Port 0 has those for every
// port, for which no request ever is.
type place struct {
	name Host
	port Port
}

type net struct {
	prefix netip.Prefix
	port   Port
}

func makeIndex(rules []*rule) index {
	x := index{
		rules: rules, exact: make(placed, len(rules)), oneLabel: placed{}, deep: placed{}, nets: map[net][]int{}, loopback: map[Port][]int{},
		denies: len(rules) > 0 && rules[0].action == Deny,
	}
	x.spare = make([]int, len(rules))
	for i, r := range rules {
		if len(r.ports) == 0 {
			x.add(i, r.host, 0)
			x.portless = true
		}
		for _, port := range r.ports {
			x.add(i, r.host, port)
		}
	}
	x.spare = nil
	return x
}

// with adds a rule to a list. Most lists have one: its room is in a piece that
// was made for all of them.
func (x *index) with(list []int, i int) []int {
	if list != nil || len(x.spare) == 0 {
		return append(list, i)
	}
	list, x.spare = x.spare[:1:1], x.spare[1:]
	list[0] = i
	return list
}

func (x *index) add(i int, h pattern, port Port) {
	switch h.shape {
	case exact:
		x.exact[place{h.name, port}] = x.with(x.exact[place{h.name, port}], i)
	case oneLabel:
		x.oneLabel[place{h.name, port}] = x.with(x.oneLabel[place{h.name, port}], i)
	case deep:
		x.deep[place{h.name, port}] = x.with(x.deep[place{h.name, port}], i)
	case loopback:
		x.loopback[port] = x.with(x.loopback[port], i)
	case network:
		at := net{h.prefix, port}
		x.nets[at] = x.with(x.nets[at], i)
		bits := &x.bits4
		if h.prefix.Addr().Is6() {
			bits = &x.bits6
		}
		if !slices.Contains(*bits, h.prefix.Bits()) {
			*bits = append(*bits, h.prefix.Bits())
		}
	}
}

// first gives the first rule for the destination, host and port, of which ok is
// true. Refused ones are told to ok in no particular order.
func (x *index) first(r Request, ok func(*rule) bool) *rule {
	if len(x.rules) == 0 {
		return nil
	}
	best := -1
	see := func(list []int) {
		for _, i := range list {
			if best >= 0 && i >= best {
				return
			}
			if ok(x.rules[i]) {
				best = i
				return
			}
		}
	}
	x.each(r, r.Port, see)
	if x.portless {
		x.each(r, 0, see)
	}
	if best < 0 {
		return nil
	}
	return x.rules[best]
}

// each hands out the lists of rules that speak of the destination.
func (x *index) each(r Request, port Port, see func([]int)) {
	if r.Host == "" {
		x.eachNet(reached(r.Addr), port, see)
		return
	}
	if r.Host.isLoopback() {
		see(x.loopback[port])
		if !x.denies {
			return
		}
	}
	see(x.exact[place{r.Host, port}])
	if len(x.oneLabel)+len(x.deep) == 0 {
		return
	}
	rest, depth := string(r.Host), 0
	for {
		_, after, found := strings.Cut(rest, ".")
		if !found {
			return
		}
		rest, depth = after, depth+1
		if depth == 1 {
			see(x.oneLabel[place{Host(rest), port}])
		}
		see(x.deep[place{Host(rest), port}])
	}
}

func (x *index) eachNet(a netip.Addr, port Port, see func([]int)) {
	if a == hostLoopback {
		see(x.loopback[port])
	}
	lengths := x.bits4
	if a.Is6() {
		lengths = x.bits6
	}
	for _, bits := range lengths {
		if p, err := a.Prefix(bits); err == nil {
			see(x.nets[net{p, port}])
		}
	}
}
