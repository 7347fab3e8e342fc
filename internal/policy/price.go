package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Money is an amount in millionths of a millionth of the currency that the
// operator writes prices in. A price for a million tokens with six decimals is
// a whole number of it for one token, so that sums are exact; it holds nine
// million.
type Money int64

const (
	million = 1_000_000
	// One is one unit of the currency.
	One Money = million * million

	mostMoney = million // units that a price or a limit may say
	decimals  = 6       // that they may have
)

// String is the amount in units, with the decimals that a person wants to see:
// two, or up to six where it is less than one unit.
func (m Money) String() string {
	if m >= One {
		cents := (m + One/200) / (One / 100)
		return fmt.Sprintf("%d.%02d", cents/100, cents%100)
	}
	text := m.exact()
	return text + "0.00"[min(len(text), 4):]
}

// exact is the amount to the millionth, without zeros at its end.
func (m Money) exact() string {
	text := fmt.Sprintf("%d.%06d", m/One, m%One/million)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// Units is the amount in the currency, for views.
func (m Money) Units() float64 { return float64(m) / float64(One) }

// Price is what the tokens of a model cost, for a million of them.
type Price struct {
	In     Money
	Out    Money
	Cached Money // of those in, what the provider had kept from before
}

// Usage is what a call used.
type Usage struct {
	In     int64 // tokens, with those that were cached
	Out    int64 // tokens
	Cached int64 // tokens of In
}

// Of is the price of what was used.
func (p Price) Of(u Usage) Money {
	cached := min(max(u.Cached, 0), u.In)
	return tokens(u.In-cached, p.In) + tokens(cached, p.Cached) + tokens(u.Out, p.Out)
}

// tokens is n times the price of one. A provider may say any figure: the most
// that there can be stands for what does not fit.
func tokens(n int64, each Money) Money {
	one := each / million
	if n <= 0 || one == 0 {
		return 0
	}
	if most := (mostMoney * One) / one; n > int64(most) {
		return mostMoney * One
	}
	return Money(n) * one
}

// price is one line of the table.
type price struct {
	model string // provider/model, a pattern
	Price
	line int
}

// Price is what a target costs; false where the table has no line for it.
func (f *Inference) Price(t Target) (Price, bool) {
	for _, p := range f.prices {
		if matches(p.model, t.String()) {
			return p.Price, true
		}
	}
	return Price{}, false
}

const (
	wantPrice = `a price for a million tokens, such as 0.15 (0 for a model of your own)`
	wantLine  = `{model: "nvidia/*", in: 0.15, out: 0.60}`
)

func (d *document) prices(n *yaml.Node, f *Inference) {
	d.items(n, "prices such as "+wantLine, func(item *yaml.Node) { d.price(item, f) })
}

func (d *document) price(n *yaml.Node, f *Inference) {
	p := price{line: n.Line}
	seen := map[string]bool{}
	amount := func(key string, m *Money) func(*yaml.Node) {
		return func(n *yaml.Node) { seen[key], *m = true, d.money(n, wantPrice) }
	}
	known := d.fields(n, readers{
		"model": func(n *yaml.Node) {
			seen["model"] = true
			p.model = d.model(n, `provider/model, or a pattern such as "nvidia/*"`)
			d.priced(n, p.model, f)
		},
		"in": amount("in", &p.In), "out": amount("out", &p.Out), "cached": amount("cached", &p.Cached),
	})
	if known && !(seen["model"] && seen["in"] && seen["out"]) {
		d.at(n, wantLine, "a price needs model, in and out")
	}
	if !seen["cached"] {
		p.Cached = p.In
	}
	f.prices = append(f.prices, p)
}

// priced refuses a line that is for no provider, or never reached.
func (d *document) priced(n *yaml.Node, model string, f *Inference) {
	if model == "" {
		return
	}
	name, _, _ := strings.Cut(model, "/")
	_, known := f.providers[name]
	before := slices.IndexFunc(f.prices, func(p price) bool { return p.model == model || p.model == "*" })
	switch {
	case before >= 0:
		d.at(n, "each model once, wider patterns last", "a price that is never used: line %d speaks of it already", f.prices[before].line)
	case !known && !strings.Contains(name, "*"):
		d.bad(n, f.noProvider(model, name))
	}
}

// unpriced refuses a limit on spend that could not be held, since a model that
// a route leads to has no price.
func (d *document) unpriced(f *Inference, limit *yaml.Node) {
	for _, r := range f.routes {
		for _, t := range r.to {
			if _, ok := f.Price(t); !ok {
				d.at(limit, fmt.Sprintf("a line for it under prices, such as {model: %q, in: 0.15, out: 0.60}", t), "spend_per_day: %s has no price", t)
				return
			}
		}
	}
}

// money reads an amount of 0 up to a million units.
func (d *document) money(n *yaml.Node, want string) Money {
	if n.Kind == yaml.ScalarNode {
		if m, ok := parseMoney(n.Value); ok {
			return m
		}
	}
	d.wrong(n, want)
	return 0
}

// parseMoney reads digits with up to six decimals, and nothing else: floating
// point would let 0.1 be something else.
func parseMoney(text string) (Money, bool) {
	whole, part, dotted := strings.Cut(text, ".")
	if !digits(whole) || dotted && !digits(part) || len(part) > decimals || len(whole) > 1 && whole[0] == '0' {
		return 0, false
	}
	units, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || units > mostMoney {
		return 0, false
	}
	small, err := strconv.ParseInt((part + "000000")[:decimals], 10, 64)
	if err != nil {
		return 0, false
	}
	return Money(units)*One + Money(small)*million, true
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
