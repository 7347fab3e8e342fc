package blueprint

import (
	"slices"
	"strings"
	"testing"
)

// TestDifferences: the two built-in versions of openclaw differ in packages,
// and a blueprint does not differ from itself.
func TestDifferences(t *testing.T) {
	all, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	first, last := all[slices.IndexFunc(all, func(a Artifact) bool { return a.Manifest.Name == Default })], all[len(all)-1] // openclaw and shell
	if d, err := Differences(first, first); err != nil || len(d) != 0 {
		t.Errorf("%v, %v", d, err)
	}
	d, err := Differences(first, last)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, one := range d {
		kind, _, _ := strings.Cut(one.What, " ")
		seen[kind] = true
		if one.What == "agent" && (!strings.HasPrefix(one.Was, "OpenClaw") || one.Is != "") {
			t.Errorf("%+v", one)
		}
		if one.What == "package openclaw" && (!strings.HasPrefix(one.Was, "2026.6.11 sha512:") || one.Is != "") {
			t.Errorf("%+v", one)
		}
	}
	for _, kind := range []string{"agent", "port", "variable", "file", "package"} {
		if !seen[kind] {
			t.Errorf("no %s among the differences", kind)
		}
	}
	if strings.HasPrefix(d[0].What, "package ") {
		t.Error("packages come first")
	}
}
