package blueprint

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// TestSBOM: every package of the lockfile is in it, with its hash, and the same
// blueprint gives the same bytes.
func TestSBOM(t *testing.T) {
	all, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(a Artifact) bool { return a.Manifest.Name != Default })
	first, err := all[0].SBOM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := all[0].SBOM()
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
	if want := len(lock.Packages) + len(all[0].Manifest.Blobs()); len(*bom.Components) != want {
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
