package sbom

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// Of is the bill of materials of a blueprint, as CycloneDX JSON: each package
// with its version and hash, each file that the blueprint itself brings. The
// same blueprint always has the same; the machine's own /usr, where that is the
// base, is not in it.
func Of(a blueprint.Artifact) ([]byte, error) {
	m := a.Manifest
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: m.Published + "T00:00:00Z",
		Component: &cdx.Component{
			BOMRef: string(a.Digest), Type: cdx.ComponentTypeContainer, Name: m.Name, Version: m.Version, Hashes: hashes(a.Digest),
		},
	}
	var parts []cdx.Component
	for _, blob := range m.Blobs() {
		parts = append(parts, cdx.Component{
			BOMRef: string(blob.Digest), Type: cdx.ComponentTypeFile, Name: blob.Title, MIMEType: blob.MediaType, Hashes: hashes(blob.Digest),
		})
	}
	lock, err := a.Lock()
	if err != nil {
		return nil, err
	}
	for _, p := range lock.Packages {
		parts = append(parts, cdx.Component{
			BOMRef: p.Path, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version,
			PackageURL: fmt.Sprintf("pkg:npm/%s@%s", strings.Replace(p.Name, "@", "%40", 1), p.Version), Hashes: hashes(p.Integrity),
		})
	}
	debs, err := a.Debs()
	if err != nil {
		return nil, err
	}
	for _, architecture := range slices.Sorted(maps.Keys(debs.Packages)) {
		for _, d := range debs.Packages[architecture] {
			parts = append(parts, cdx.Component{
				BOMRef: d.Path, Type: cdx.ComponentTypeLibrary, Name: d.Name, Version: d.Version,
				PackageURL: fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s", d.Name, url.PathEscape(d.Version), architecture), Hashes: hashes(d.Digest),
			})
		}
	}
	bom.Components = &parts
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return nil, fmt.Errorf("bill of materials of %s: %w", m.Ref(), err)
	}
	return out.Bytes(), nil
}

func hashes(d blueprint.Digest) *[]cdx.Hash {
	algorithm := cdx.HashAlgoSHA256
	if d.Algorithm() == "sha512" {
		algorithm = cdx.HashAlgoSHA512
	}
	if _, err := hex.DecodeString(d.Hex()); err != nil {
		return nil
	}
	return &[]cdx.Hash{{Algorithm: algorithm, Value: d.Hex()}}
}
