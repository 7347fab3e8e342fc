package escape

import (
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// aloneFile is the measured table: a line a case, its id and what refuses it
// with every other layer taken away.
const aloneFile = "testdata/alone.txt"

//go:embed testdata/alone.txt
var aloneText string

// rest is what is never taken away: namespaces, no capability, and who owns a
// file. A case that it refuses needs no layer, but most have some.
const rest = "rest"

// measured is one row: whether each layer refuses the case by itself.
type measured struct {
	id    string
	held  []string // layers, and rest
	known bool     // false: it has no control on the machine that measured
}

// columns are the layers in the order of the table.
func columns() []string {
	var out []string
	for _, l := range layers {
		out = append(out, l.name)
	}
	return append(out, rest)
}

// only takes every layer away but one; rest keeps none.
func only(name string) func(*spec.Spec, *world) {
	return func(s *spec.Spec, w *world) {
		for _, l := range layers {
			if l.name != name {
				l.drop(s, w)
			}
		}
	}
}

// Each layer with all others taken away: what the table says that it refuses
// alone, it does. With -update the table is measured anew.
func TestEveryLayerAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: who owns the files of the control may change them")
	}
	written := alone()
	found := map[string]measured{}
	for _, c := range cases() {
		found[c.id] = measured{id: c.id, known: control(t, c).Escaped || c.residue != ""}
	}
	for _, name := range columns() {
		t.Run(name+" only", func(t *testing.T) {
			s := start(t, outside(t), only(name))
			for _, c := range cases() {
				o := s.attack(t, c)
				was := slices.Contains(written[c.id].held, name)
				switch {
				case o.Needs != "":
				case !o.Escaped:
					m := found[c.id]
					m.held = append(m.held, name)
					found[c.id] = m
				case was && !*update:
					t.Errorf("%s: %s: %s alone does not refuse it any more", c.id, c.name, name)
				}
			}
		})
	}
	if *update {
		check(t, os.MkdirAll("testdata", 0o755))
		check(t, os.WriteFile(aloneFile, []byte(format(found)), 0o644))
	}
}

func format(found map[string]measured) string {
	var b strings.Builder
	for _, c := range cases() {
		m := found[c.id]
		held := strings.Join(m.held, ",")
		if !m.known {
			held = "?"
		}
		fmt.Fprintf(&b, "%s\t%s\n", c.id, held)
	}
	return b.String()
}

// alone reads the table.
func alone() map[string]measured {
	out := map[string]measured{}
	for l := range strings.Lines(aloneText) {
		id, held, _ := strings.Cut(strings.TrimSuffix(l, "\n"), "\t")
		m := measured{id: id, known: held != "?"}
		if m.known && held != "" {
			m.held = strings.Split(held, ",")
		}
		out[id] = m
	}
	return out
}

// Every case has its row, and no row is of a case that is gone.
func TestAloneIsWhole(t *testing.T) {
	written := alone()
	for _, c := range cases() {
		if _, ok := written[c.id]; !ok {
			t.Errorf("%s has no row: go test ./test/escape -run 'EveryLayerAlone|ThreatModel' -update", c.id)
		}
		delete(written, c.id)
	}
	for id := range written {
		t.Errorf("%s is no case", id)
	}
}

// shows says whether the table has a dot for name. What the rest refuses is
// refused whatever else stands there; then only an event tells that a layer did.
func (m measured) shows(c attackCase, name string) bool {
	if !slices.Contains(m.held, rest) || name == rest {
		return slices.Contains(m.held, name)
	}
	kind, _, _ := strings.Cut(c.event, " ")
	switch kind {
	case "syscall":
		return name == "seccomp"
	case "tcp", "udp", "name":
		return name == "capture"
	}
	return false
}

// aloneTable is the table of the threat model, case by layer.
func aloneTable() string {
	var b strings.Builder
	b.WriteString("| case | what is tried | " + strings.Join(columns(), " | ") + " |\n|---|---|" + strings.Repeat("---|", len(columns())) + "\n")
	written := alone()
	for _, c := range cases() {
		m := written[c.id]
		if !m.known {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s |", c.id, c.name)
		for _, name := range columns() {
			mark := " |"
			if m.shows(c, name) {
				mark = " ● |"
			}
			b.WriteString(mark)
		}
		b.WriteString("\n")
	}
	return b.String()
}
