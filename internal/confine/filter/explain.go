package filter

import (
	"fmt"
	"strings"
)

// Explanation is what the filter does with one call, for people.
type Explanation struct {
	Name string `json:"name"`
	// Verdict is what becomes of a call of which no Case decides: allow, refuse
	// (EPERM, and an event), kill, or the name of an error number.
	Verdict string   `json:"verdict"`
	Cases   []string `json:"cases,omitempty"` // what its arguments change, in order
	Why     string   `json:"why"`
}

// Explain says what becomes of the call called name. A call that the table has
// no row for does not exist behind the filter.
func Explain(name string) Explanation { return Choice{}.Explain(name) }

// Explain is the same for a sandbox whose operator chose c. Audit changes no answer.
func (c Choice) Explain(name string) Explanation {
	for _, r := range (Choice{Allow: c.Allow}).Of(Table()) {
		if r.Name != name {
			continue
		}
		e := Explanation{Name: name, Verdict: r.Action.String(), Why: r.Reason()}
		for _, c := range r.Cases {
			e.Cases = append(e.Cases, c.text())
		}
		return e
	}
	return Explanation{Name: name, Verdict: Absent.String(), Why: "the list does not have it; libraries take it for an older kernel's answer, and fall back"}
}

// Names lists every call that the table has a row for, by number.
func Names() []string {
	var out []string
	for _, r := range Table() {
		out = append(out, r.Name)
	}
	return out
}

func (c Case) text() string {
	var parts []string
	for _, t := range c.Tests {
		parts = append(parts, t.text())
	}
	return c.Action.String() + " where " + strings.Join(parts, " and ")
}

func (t Test) text() string {
	var any []string
	for _, v := range t.Any {
		any = append(any, fmt.Sprintf("%#x", v))
	}
	of := fmt.Sprintf("argument %d", t.Arg+1)
	if t.Mask != word && t.Mask != ^uint64(0) {
		of += fmt.Sprintf(" & %#x", t.Mask)
	}
	if len(any) > 8 {
		any = append(any[:8], fmt.Sprintf("%d more", len(t.Any)-8))
	}
	return of + " is " + strings.Join(any, ", ")
}
