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
	if len(signed) > 0 {
		if err := to.sign(ctx, a.Digest, whole, signed); err != nil {
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

func (p Place) sign(ctx context.Context, d blueprint.Digest, subject ocispec.Descriptor, signed []byte) error {
	text := describe(noteType, signed)
	empty := ocispec.DescriptorEmptyJSON
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: signatureType, Config: empty, Layers: []ocispec.Descriptor{text}, Subject: &subject,
	}
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	whole := describe(ocispec.MediaTypeImageManifest, body)
	whole.ArtifactType = signatureType
	for _, one := range []struct {
		d    ocispec.Descriptor
		body []byte
	}{{empty, empty.Data}, {text, signed}, {whole, body}} {
		if err := p.put(ctx, one.d, one.body); err != nil {
			return err
		}
	}
	if err := p.writable.Tag(ctx, whole, signatureTag(d)); err != nil {
		return fmt.Errorf("push to %s: tag the signature: %w", p.text, err)
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
