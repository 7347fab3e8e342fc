package sbom

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// TestOf: every package of both lockfiles is in it, with its hash, and the same
// blueprint gives the same bytes.
func TestOf(t *testing.T) {
	all, err := blueprint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(a blueprint.Artifact) bool { return a.Manifest.Name != blueprint.Default })
	first, err := Of(all[0])
	if err != nil {
		t.Fatal(err)
	}
	again, err := Of(all[0])
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("asked twice, two answers: %v", err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(first), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	lock, err := all[0].Lock()
	if err != nil {
		t.Fatal(err)
	}
	debs, err := all[0].Debs()
	if err != nil {
		t.Fatal(err)
	}
	want := len(lock.Packages) + len(all[0].Manifest.Blobs())
	for architecture, of := range debs.Packages {
		want += len(of)
		if p := "pkg:deb/debian/" + of[0].Name + "@"; !strings.Contains(string(first), p) || !strings.Contains(string(first), "?arch="+architecture) {
			t.Errorf("no %s for %s", p, architecture)
		}
	}
	if len(*bom.Components) != want {
		t.Errorf("%d components, want %d", len(*bom.Components), want)
	}
	for _, c := range *bom.Components {
		if c.Hashes == nil || len((*c.Hashes)[0].Value) < 64 {
			t.Errorf("%s has no hash", c.Name)
		}
		if c.Name == "openclaw" && !strings.HasPrefix(c.PackageURL, "pkg:npm/openclaw@2026.") {
			t.Error(c.PackageURL)
		}
	}
}
