package carry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	ocidigest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
)

const (
	maxManifest = 1 << 20
	maxAll      = 400 << 20 // bytes of one blueprint's files

	signatureType = "application/vnd.nemoclaw.signature.v1"
	sbomType      = "application/vnd.cyclonedx"
	noteType      = "application/vnd.nemoclaw.signature.v1+note"
)

// Pulled is what came.
type Pulled struct {
	Artifact blueprint.Artifact
	Signers  []string // trusted ones; none where the operator took it unsigned
}

// Wish is how a blueprint is to be taken.
type Wish struct {
	Trusted  []blueprint.Publisher
	Unsigned bool             // take it without a signature that counts
	Accept   store.Accept     // of versions
	Digest   blueprint.Digest // "": whatever the tag means
}

// Unreachable means that a place did not give what it should have.
type Unreachable struct {
	Place string
	What  string
	Cause error
}

func (u *Unreachable) Error() string {
	return fmt.Sprintf("pull from %s: %s: %v", u.Place, u.What, u.Cause)
}

// Unwrap gives the cause.
func (u *Unreachable) Unwrap() error { return u.Cause }

// Pull takes the blueprint at from into s. Nothing is written before all of it
// has come, each byte was hashed, and the signature counts.
func Pull(ctx context.Context, s *store.Store, from Place, w Wish) (Pulled, error) {
	a, err := fetch(ctx, from, w.Digest)
	if err != nil {
		return Pulled{}, err
	}
	text, err := signature(ctx, from, a.Digest)
	if err != nil {
		return Pulled{}, err
	}
	p := Pulled{Artifact: a}
	p.Signers, err = blueprint.Signers(a, text, w.Trusted)
	if err != nil && !w.Unsigned {
		return Pulled{}, err
	}
	if err := s.Add(ctx, a, w.Accept); err != nil {
		return Pulled{}, err
	}
	return p, s.KeepSignature(ctx, a.Digest, text)
}

// fetch reads a blueprint whole, into memory.
func fetch(ctx context.Context, from Place, want blueprint.Digest) (blueprint.Artifact, error) {
	tag := from.Tag
	if want != "" {
		tag = string(want)
	}
	if tag == "" {
		return blueprint.Artifact{}, &BadPlace{Text: from.text, Why: errors.New("no tag: which version?")}
	}
	desc, err := from.target.Resolve(ctx, tag)
	if err != nil {
		return blueprint.Artifact{}, &Unreachable{from.text, "find " + tag, err}
	}
	digest, err := blueprint.ParseDigest(string(desc.Digest))
	if err != nil || want != "" && digest != want {
		return blueprint.Artifact{}, &blueprint.Mismatch{What: "manifest from " + from.text, Want: want, Got: blueprint.Digest(desc.Digest)}
	}
	if desc.MediaType != blueprint.TypeImage {
		return blueprint.Artifact{}, &Unreachable{from.text, "find " + tag, fmt.Errorf("it is %q, not a blueprint", desc.MediaType)}
	}
	image, err := from.read(ctx, desc, maxManifest)
	if err != nil {
		return blueprint.Artifact{}, err
	}
	left := int64(maxAll)
	return blueprint.OpenArtifact(digest, image, func(b blueprint.Blob) ([]byte, error) {
		if left -= b.Size; left < 0 {
			return nil, &Unreachable{from.text, b.Title, fmt.Errorf("the files have more than %d bytes", maxAll)}
		}
		return from.read(ctx, ocispec.Descriptor{MediaType: b.MediaType, Digest: ocidigest.Digest(b.Digest), Size: b.Size}, b.Size)
	})
}

// read takes at most as many bytes as a descriptor says, and holds them to it.
func (p Place) read(ctx context.Context, d ocispec.Descriptor, most int64) ([]byte, error) {
	if d.Size < 0 || d.Size > most {
		return nil, &Unreachable{p.text, d.Digest.String(), fmt.Errorf("%d bytes: want at most %d", d.Size, most)}
	}
	r, err := p.target.Fetch(ctx, d)
	if err != nil {
		return nil, &Unreachable{p.text, d.Digest.String(), err}
	}
	defer r.Close()
	body, err := io.ReadAll(io.LimitReader(r, d.Size+1))
	if err != nil {
		return nil, &Unreachable{p.text, d.Digest.String(), err}
	}
	want, err := blueprint.ParseDigest(string(d.Digest))
	if err != nil {
		return nil, err
	}
	if got := blueprint.SumAs(want, body); got != want {
		return nil, &blueprint.Mismatch{What: "what came from " + p.text, Want: want, Got: got}
	}
	return body, nil
}

// signatureTag is where the signature of a blueprint lies beside it.
func signatureTag(d blueprint.Digest) string { return tagOf(d, "sig") }

func tagOf(d blueprint.Digest, kind string) string { return d.Algorithm() + "-" + d.Hex() + "." + kind }

// signature is the signed note beside a blueprint; nil where there is none.
func signature(ctx context.Context, from Place, d blueprint.Digest) ([]byte, error) {
	desc, err := from.target.Resolve(ctx, signatureTag(d))
	if errors.Is(err, errdef.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, &Unreachable{from.text, "find the signature", err}
	}
	body, err := from.read(ctx, desc, maxManifest)
	if err != nil {
		return nil, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(body, &m); err != nil || m.ArtifactType != signatureType || len(m.Layers) != 1 {
		return nil, &Unreachable{from.text, "read the signature", errors.New("not in form")}
	}
	return from.read(ctx, m.Layers[0], blueprint.MaxSignature)
}
