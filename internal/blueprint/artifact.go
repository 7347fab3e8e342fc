package blueprint

import (
	"errors"
	"fmt"
	"slices"
)

// Artifact is a whole blueprint: everything that its digest covers, but for
// the bytes of packages. Build and OpenArtifact make one; each of its bytes
// has been checked.
type Artifact struct {
	Manifest Manifest
	Digest   Digest            // of Image: the blueprint's digest
	Image    []byte            // the OCI image manifest
	Blobs    map[Digest][]byte // the manifest and the files it names
}

// Load gives the bytes of one blob of an artifact, checked or not: the caller
// of Load checks them. For a layer it may say ErrLater.
type Load func(Blob) ([]byte, error)

// ErrLater leaves a layer, which may be large, out of an Artifact: who unpacks
// it reads and checks it.
var ErrLater = errors.New("a layer is read when it is unpacked")

// OpenArtifact reads the OCI image manifest of a blueprint whose digest is
// known, and what it names.
func OpenArtifact(want Digest, image []byte, load Load) (Artifact, error) {
	if got := SumAs(want, image); got != want {
		return Artifact{}, &Mismatch{What: "manifest", Want: want, Got: got}
	}
	config, layers, err := parseImage(image)
	if err != nil {
		return Artifact{}, fmt.Errorf("open blueprint %s: %w", want.Short(), err)
	}
	a := Artifact{Digest: want, Image: image, Blobs: map[Digest][]byte{}}
	body, err := a.take(config, load)
	if err != nil {
		return Artifact{}, err
	}
	if a.Manifest, err = ParseManifest(body); err != nil {
		return Artifact{}, fmt.Errorf("open blueprint %s: %w", want.Short(), err)
	}
	if !slices.Equal(layers, a.Manifest.Blobs()) {
		return Artifact{}, fmt.Errorf("open blueprint %s: its layers are not the files that its manifest names", want.Short())
	}
	for _, blob := range layers {
		if _, err := a.take(blob, load); err != nil {
			return Artifact{}, err
		}
	}
	return a, nil
}

// Bytes are the bytes of a file that the manifest names.
func (a Artifact) Bytes(b Blob) []byte { return a.Blobs[b.Digest] }

// Lock is the parsed lockfile; the zero Lock where there are no packages.
func (a Artifact) Lock() (Lock, error) {
	if a.Manifest.Packages == nil {
		return Lock{}, nil
	}
	return ParseLock(a.Bytes(a.Manifest.Packages.Lock))
}

// take loads one blob and keeps it if it is what its descriptor says.
func (a *Artifact) take(b Blob, load Load) ([]byte, error) {
	body, err := load(b)
	if b.MediaType == TypeLayer && err == ErrLater {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if got := SumAs(b.Digest, body); got != b.Digest || int64(len(body)) != b.Size {
		return nil, &Mismatch{What: b.Title, Want: b.Digest, Got: got}
	}
	a.Blobs[b.Digest] = body
	return body, nil
}

// pack makes the artifact of a manifest and its files.
func pack(m Manifest, files map[Digest][]byte) (Artifact, error) {
	body, err := EncodeManifest(m)
	if err != nil {
		return Artifact{}, err
	}
	config := Blob{MediaType: TypeManifest, Digest: Sum(body), Size: int64(len(body)), Title: "blueprint.json"}
	image, err := encodeImage(config, m.Blobs())
	if err != nil {
		return Artifact{}, err
	}
	load := func(b Blob) ([]byte, error) {
		if b == config {
			return body, nil
		}
		return files[b.Digest], nil
	}
	return OpenArtifact(Sum(image), image, load)
}

// imageManifest is as much of an OCI image manifest as a blueprint has; with
// anything else it is none (the OCI image specification, "Image Manifest"). The
// library's type allows more, and a `run`, which needs this package, would
// initialise its patterns.
type imageManifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      Digest            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

// annotationTitle is the key of a file's name.
const annotationTitle = "org.opencontainers.image.title"

func encodeImage(config Blob, layers []Blob) ([]byte, error) {
	image := imageManifest{SchemaVersion: 2, MediaType: TypeImage, ArtifactType: ArtifactType, Config: descriptorOf(config)}
	for _, blob := range layers {
		image.Layers = append(image.Layers, descriptorOf(blob))
	}
	return encode(image)
}

// parseImage reads what encodeImage wrote and nothing else.
func parseImage(b []byte) (config Blob, layers []Blob, err error) {
	var image imageManifest
	if err := decode(b, &image); err != nil {
		return Blob{}, nil, err
	}
	if image.SchemaVersion != 2 || image.MediaType != TypeImage || image.ArtifactType != ArtifactType {
		return Blob{}, nil, fmt.Errorf("not a blueprint: artifact type %q", clip(image.ArtifactType))
	}
	config = image.Config.blob()
	if err := config.check(); err != nil {
		return Blob{}, nil, err
	}
	for _, layer := range image.Layers {
		layers = append(layers, layer.blob())
		if err := layers[len(layers)-1].check(); err != nil {
			return Blob{}, nil, err
		}
	}
	return config, layers, nil
}

func descriptorOf(b Blob) descriptor {
	return descriptor{b.MediaType, b.Digest, b.Size, map[string]string{annotationTitle: b.Title}}
}

func (d descriptor) blob() Blob {
	return Blob{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Title: d.Annotations[annotationTitle]}
}

// SumAs hashes b with the algorithm of like.
func SumAs(like Digest, b []byte) Digest {
	h := like.New()
	h.Write(b)
	return Finish(h)
}
