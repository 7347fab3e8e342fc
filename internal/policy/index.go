package policy

import (
	"net/netip"
	"slices"
	"strings"
)

// index finds the rules for a destination without looking at the others: a
// policy of a thousand rules decides as fast as one of ten. Every list is in
// the order of the file.
type index struct {
	rules    []*rule
	exact    map[Host][]int
	oneLabel map[Host][]int
	deep     map[Host][]int
	nets     map[netip.Prefix][]int
	bits4    []int // the lengths that occur in nets
	bits6    []int
	loopback []int
	denies   bool // a wildcard that covers a name of the host's loopback denies it, and never allows it
}

func makeIndex(rules []*rule) index {
	x := index{
		rules: rules, exact: map[Host][]int{}, oneLabel: map[Host][]int{},
		deep: map[Host][]int{}, nets: map[netip.Prefix][]int{},
		denies: len(rules) > 0 && rules[0].action == Deny,
	}
	for i, r := range rules {
		x.add(i, r.host)
	}
	return x
}

func (x *index) add(i int, h pattern) {
	switch h.shape {
	case exact:
		x.exact[h.name] = append(x.exact[h.name], i)
	case oneLabel:
		x.oneLabel[h.name] = append(x.oneLabel[h.name], i)
	case deep:
		x.deep[h.name] = append(x.deep[h.name], i)
	case loopback:
		x.loopback = append(x.loopback, i)
	case network:
		x.nets[h.prefix] = append(x.nets[h.prefix], i)
		bits := &x.bits4
		if h.prefix.Addr().Is6() {
			bits = &x.bits6
		}
		if !slices.Contains(*bits, h.prefix.Bits()) {
			*bits = append(*bits, h.prefix.Bits())
		}
	}
}

// first gives the first rule for the destination of which ok is true. Refused
// ones are told to ok in no particular order.
func (x *index) first(r Request, ok func(*rule) bool) *rule {
	best := -1
	x.each(r, func(list []int) {
		for _, i := range list {
			if best >= 0 && i >= best {
				return
			}
			if ok(x.rules[i]) {
				best = i
				return
			}
		}
	})
	if best < 0 {
		return nil
	}
	return x.rules[best]
}

// each hands out the lists of rules that speak of the destination.
func (x *index) each(r Request, see func([]int)) {
	if r.Host == "" {
		x.eachNet(reached(r.Addr), see)
		return
	}
	if r.Host.isLoopback() {
		see(x.loopback)
		if !x.denies {
			return
		}
	}
	see(x.exact[r.Host])
	rest, depth := string(r.Host), 0
	for {
		_, after, found := strings.Cut(rest, ".")
		if !found {
			return
		}
		rest, depth = after, depth+1
		if depth == 1 {
			see(x.oneLabel[Host(rest)])
		}
		see(x.deep[Host(rest)])
	}
}

func (x *index) eachNet(a netip.Addr, see func([]int)) {
	if a == hostLoopback {
		see(x.loopback)
	}
	lengths := x.bits4
	if a.Is6() {
		lengths = x.bits6
	}
	for _, bits := range lengths {
		if p, err := a.Prefix(bits); err == nil {
			see(x.nets[p])
		}
	}
}
