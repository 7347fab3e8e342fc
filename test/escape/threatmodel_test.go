package escape

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/threat-model.md anew")

const (
	root     = "../.."
	document = root + "/docs/threat-model.md"
	catalog  = 202 // entries
)

// The threat model says what the code says. `go test ./test/escape -run
// ThreatModel -update` writes its tables.
func TestThreatModel(t *testing.T) {
	b, err := os.ReadFile(document)
	check(t, err)
	is := string(b)
	want := is
	for name, text := range map[string]string{"cases": casesTable(), "layers": layersTable(), "alone": aloneTable()} {
		want, err = between(want, name, text)
		check(t, err)
	}
	switch {
	case want == is:
	case *update:
		check(t, os.WriteFile(document, []byte(want), 0o644))
	default:
		t.Error("docs/threat-model.md is not what the code says: go test ./test/escape -run ThreatModel -update")
	}
}

// between replaces what stands between the two marks of name.
func between(doc, name, text string) (string, error) {
	begin, end := "<!-- "+name+": written by TestThreatModel -->\n", "<!-- end of "+name+" -->"
	i, j := strings.Index(doc, begin), strings.Index(doc, end)
	if i < 0 || j < i {
		return "", fmt.Errorf("no place for the table of %s", name)
	}
	return doc[:i+len(begin)] + text + doc[j:], nil
}

func casesTable() string {
	var b strings.Builder
	b.WriteString("| | what is tried | wall | verdict | proof |\n|---|---|---|---|---|\n")
	for _, e := range catalogue() {
		what := e.what
		if e.note != "" {
			what += "; " + e.note
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", e.n, what, e.wall, shown(e), proof(e))
	}
	return b.String()
}

// shown is the verdict; what comes later says what it needs.
func shown(e entry) string {
	if e.verdict == later {
		return "later"
	}
	return string(e.verdict)
}

// proof names the cases of this package and the tests elsewhere.
func proof(e entry) string {
	var parts []string
	for _, c := range casesOf(e.n) {
		parts = append(parts, c.id)
	}
	if len(parts) > 0 {
		parts = []string{"TestEscapes: " + strings.Join(parts, ", ")}
	}
	for _, name := range e.tests {
		parts = append(parts, "`"+name+"`")
	}
	return strings.Join(parts, "; ")
}

func layersTable() string {
	var b strings.Builder
	b.WriteString("| layer | what it refuses alone |\n|---|---|\n")
	for _, l := range layers {
		fmt.Fprintf(&b, "| %s | %s |\n", l.name, strings.Join(single[l.name], ", "))
	}
	return b.String()
}

// Nothing of the catalogue is left out, and what it names exists.
func TestCatalogueIsWhole(t *testing.T) {
	known := map[string]bool{}
	for _, c := range cases() {
		known[c.id] = true
	}
	all := catalogue()
	for i, e := range all {
		if e.n != i+1 || e.what == "" || e.wall == "" {
			t.Fatalf("entry %d is %+v", i+1, e)
		}
		mine := casesOf(e.n)
		named := len(mine) + len(e.tests) + refers(e.note, known)
		switch {
		case (e.verdict == refused || e.verdict == held) && named == 0:
			t.Errorf("%d: %s, and nothing proves it", e.n, e.verdict)
		case (e.verdict == residue || e.verdict == later) && e.note == "":
			t.Errorf("%d: %s, and no word why", e.n, e.verdict)
		}
		for _, c := range mine {
			if c.residue != "" && e.verdict != residue {
				t.Errorf("%s gets through, and %d is called %s", c.id, e.n, e.verdict)
			}
		}
		for _, name := range e.tests {
			if !exists(t, name) {
				t.Errorf("%d: no such test: %s", e.n, name)
			}
		}
	}
	if len(all) != catalog {
		t.Errorf("%d entries: want %d", len(all), catalog)
	}
	for _, c := range cases() {
		m := numberOf.FindStringSubmatch(c.id)
		if m == nil {
			t.Errorf("%s has no number", c.id)
			continue
		}
		if n, _ := strconv.Atoi(m[1]); n < 1 || n > catalog {
			t.Errorf("%s is not in the catalogue", c.id)
		}
	}
}

// refers counts the entries and cases that a note sends the reader to.
func refers(note string, known map[string]bool) int {
	rest, ok := strings.CutPrefix(note, "see ")
	if i := strings.Index(note, ", see "); i >= 0 {
		rest, ok = note[i+len(", see "):], true
	}
	if !ok {
		return 0
	}
	n := 0
	for _, id := range regexp.MustCompile(`, | and `).Split(rest, -1) {
		_, err := strconv.Atoi(id)
		group := slices.ContainsFunc(cases(), func(c attackCase) bool { return strings.HasPrefix(c.id, id+" ") })
		if err != nil && !known[id] && !group {
			return 0
		}
		n++
	}
	return n
}

// exists says whether "folder.Test" stands in a test file; folder is below the
// root, internal or test.
func exists(t *testing.T, name string) bool {
	folder, function, _ := strings.Cut(name, ".")
	for _, top := range []string{"", "internal", "test"} {
		files, err := filepath.Glob(filepath.Join(root, top, folder, "*_test.go"))
		check(t, err)
		for _, f := range files {
			b, err := os.ReadFile(f)
			check(t, err)
			if strings.Contains(string(b), "\nfunc "+function+"(") {
				return true
			}
		}
	}
	return false
}
