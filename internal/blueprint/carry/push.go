package carry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	ocidigest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/sbom"
)

// Push brings a blueprint, and its signature where there is one, to a place,
// under its version and the tag that the place names.
func Push(ctx context.Context, a blueprint.Artifact, signed []byte, to Place) error {
	if to.writable == nil {
		return &BadPlace{Text: to.text, Why: errors.New("it can only be read")}
	}
	var image ocispec.Manifest
	if err := json.Unmarshal(a.Image, &image); err != nil {
		return fmt.Errorf("push %s: %w", a.Manifest.Ref(), err)
	}
	config := image.Config
	for _, d := range append(image.Layers, config) {
		if err := to.put(ctx, d, a.Blobs[blueprint.Digest(d.Digest)]); err != nil {
			return err
		}
	}
	whole := describe(blueprint.TypeImage, a.Image)
	whole.ArtifactType = blueprint.ArtifactType
	if err := to.put(ctx, whole, a.Image); err != nil {
		return err
	}
	bom, err := sbom.Of(a)
	if err != nil {
		return err
	}
	if err := to.attach(ctx, whole, attached{sbomType, sbomType + "+json", bom, tagOf(a.Digest, "sbom")}); err != nil {
		return err
	}
	if len(signed) > 0 {
		if err := to.attach(ctx, whole, attached{signatureType, noteType, signed, signatureTag(a.Digest)}); err != nil {
			return err
		}
	}
	// Named last: who asks by name gets all of it.
	for _, tag := range []string{a.Manifest.Version, to.Tag} {
		if tag == "" {
			continue
		}
		if err := to.writable.Tag(ctx, whole, tag); err != nil {
			return fmt.Errorf("push to %s: tag %s: %w", to.text, tag, err)
		}
	}
	return nil
}

// attached is something that lies beside a blueprint, and names it.
type attached struct {
	artifactType, mediaType string
	body                    []byte
	tag                     string
}

func (p Place) attach(ctx context.Context, subject ocispec.Descriptor, what attached) error {
	text := describe(what.mediaType, what.body)
	empty := ocispec.DescriptorEmptyJSON
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: what.artifactType, Config: empty, Layers: []ocispec.Descriptor{text}, Subject: &subject,
	}
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	whole := describe(ocispec.MediaTypeImageManifest, body)
	whole.ArtifactType = what.artifactType
	for _, one := range []struct {
		d    ocispec.Descriptor
		body []byte
	}{{empty, empty.Data}, {text, what.body}, {whole, body}} {
		if err := p.put(ctx, one.d, one.body); err != nil {
			return err
		}
	}
	if err := p.writable.Tag(ctx, whole, what.tag); err != nil {
		return fmt.Errorf("push to %s: tag %s: %w", p.text, what.tag, err)
	}
	return nil
}

func (p Place) put(ctx context.Context, d ocispec.Descriptor, body []byte) error {
	if there, err := p.writable.Exists(ctx, d); err == nil && there {
		return nil
	}
	err := p.writable.Push(ctx, d, bytes.NewReader(body))
	if err != nil && !errors.Is(err, errdef.ErrAlreadyExists) {
		return fmt.Errorf("push to %s: %s: %w", p.text, d.MediaType, err)
	}
	return nil
}

func describe(mediaType string, body []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: ocidigest.FromBytes(body), Size: int64(len(body))}
}
