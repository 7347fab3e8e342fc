package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	ocidigest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// makeLayout writes oci-layout, the file that says what the folder is.
func (s *Store) makeLayout() error {
	if _, err := os.Lstat(s.path(ocispec.ImageLayoutFile)); err == nil {
		return nil
	}
	body, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	return s.put(s.path(ocispec.ImageLayoutFile), append(body, '\n'))
}

// newer means that a later nemoclaw wrote a file of the store's.
type newer struct{ file, have, know string }

func (e *newer) Error() string {
	return fmt.Sprintf("read blueprint store: %s has version %s: this program knows up to %s", e.file, e.have, e.know)
}

// Hint says what to do.
func (e *newer) Hint() string { return "use the newer nemoclaw that wrote it" }

// checkLayout holds that the folder is of the form that this program knows. One that says
// nothing yet is empty, or of a maker that was killed.
func (s *Store) checkLayout() error {
	file := s.path(ocispec.ImageLayoutFile)
	body, err := readBounded(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var layout ocispec.ImageLayout
	if err == nil {
		err = json.Unmarshal(body, &layout)
	}
	if err != nil {
		return &Unreadable{File: file, Cause: err}
	}
	if layout.Version != ocispec.ImageLayoutVersion {
		return &newer{file, layout.Version, ocispec.ImageLayoutVersion}
	}
	return nil
}

// index reads index.json; one that is missing is empty.
func (s *Store) index() (ocispec.Index, error) {
	if err := s.checkLayout(); err != nil {
		return ocispec.Index{}, err
	}
	empty := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	body, err := readBounded(s.path(ocispec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return ocispec.Index{}, err
	}
	var index ocispec.Index
	if err := json.Unmarshal(body, &index); err != nil {
		return ocispec.Index{}, &Unreadable{File: s.path(ocispec.ImageIndexFile), Cause: err}
	}
	if index.SchemaVersion > empty.SchemaVersion {
		return ocispec.Index{}, &newer{s.path(ocispec.ImageIndexFile), strconv.Itoa(index.SchemaVersion), strconv.Itoa(empty.SchemaVersion)}
	}
	return index, nil
}

// cached are the digests of the blueprints that index.json names.
func (s *Store) cached() ([]blueprint.Digest, error) {
	index, err := s.index()
	if err != nil {
		return nil, err
	}
	var all []blueprint.Digest
	for _, d := range index.Manifests {
		digest, err := blueprint.ParseDigest(string(d.Digest))
		if err == nil && d.ArtifactType == blueprint.ArtifactType {
			all = append(all, digest)
		}
	}
	return all, nil
}

// open reads one cached blueprint and checks all of it.
func (s *Store) open(d blueprint.Digest) (blueprint.Artifact, error) {
	image, err := s.blob(d)
	if err != nil {
		return blueprint.Artifact{}, err
	}
	return blueprint.OpenArtifact(d, image, func(b blueprint.Blob) ([]byte, error) {
		if b.MediaType == blueprint.TypeLayer {
			return nil, blueprint.ErrLater
		}
		return s.blob(b.Digest)
	})
}

// blob reads the bytes called d; whether they are is for the caller to check.
func (s *Store) blob(d blueprint.Digest) ([]byte, error) {
	body, err := readBounded(s.blobPath(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &blueprint.Mismatch{What: "cached file " + d.Short(), Want: d}
	}
	return body, err
}

// keep enters a into the layout. What is there already is compared: a damaged
// blob is an error, not something to write over.
func (s *Store) keep(ctx context.Context, a blueprint.Artifact) error {
	files := map[blueprint.Digest][]byte{a.Digest: a.Image}
	for digest, body := range a.Blobs {
		files[digest] = body
	}
	for digest, body := range files {
		if err := s.keepBlob(a, digest, body); err != nil {
			return err
		}
	}
	return s.enter(ctx, a)
}

func (s *Store) keepBlob(a blueprint.Artifact, d blueprint.Digest, body []byte) error {
	got, err := sumOf(s.blobPath(d), d)
	if errors.Is(err, fs.ErrNotExist) {
		return s.put(s.blobPath(d), body)
	}
	if err != nil {
		return err
	}
	if got != d {
		return &blueprint.Mismatch{Blueprint: a.Manifest.Ref().String(), What: "cached file", Want: d, Got: got}
	}
	return nil
}

// sumOf hashes a file as it lies on disk.
func sumOf(file string, like blueprint.Digest) (blueprint.Digest, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := like.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return blueprint.Finish(h), nil
}

// enter names a in index.json.
func (s *Store) enter(ctx context.Context, a blueprint.Artifact) error {
	return s.editIndex(ctx, func(list []ocispec.Descriptor) []ocispec.Descriptor {
		same := func(d ocispec.Descriptor) bool { return string(d.Digest) == string(a.Digest) }
		if slices.ContainsFunc(list, same) {
			return list
		}
		// The first of a name and version is what they mean from now on;
		// sandboxes made of another go by its digest.
		return slices.Insert(list, 0, ocispec.Descriptor{
			MediaType:    blueprint.TypeImage,
			ArtifactType: blueprint.ArtifactType,
			Digest:       ocidigest.Digest(a.Digest),
			Size:         int64(len(a.Image)),
			Annotations:  map[string]string{ocispec.AnnotationRefName: a.Manifest.Ref().String()},
		})
	})
}

// editIndex changes the list of index.json under its lock; an unchanged list is
// not written.
func (s *Store) editIndex(ctx context.Context, edit func([]ocispec.Descriptor) []ocispec.Descriptor) error {
	unlock, err := lock(ctx, s.path("locks", "index"), unix.LOCK_EX, nil)
	if err != nil {
		return err
	}
	defer unlock()
	index, err := s.index()
	if err != nil {
		return err
	}
	before := len(index.Manifests)
	_, missing := os.Lstat(s.path(ocispec.ImageIndexFile))
	index.Manifests = edit(index.Manifests)
	if len(index.Manifests) == before && missing == nil {
		return nil
	}
	body, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	return s.put(s.path(ocispec.ImageIndexFile), append(body, '\n'))
}

// Unreadable is a file of the store that is not in form.
type Unreadable struct {
	File  string
	Cause error
}

func (u *Unreadable) Error() string {
	return fmt.Sprintf("read blueprint store: %s: %v", u.File, u.Cause)
}

// Unwrap gives the cause.
func (u *Unreadable) Unwrap() error { return u.Cause }

// Hint is what helps.
func (u *Unreadable) Hint() string { return "nemoclaw blueprint cache clear" }

// readBounded reads a regular file of at most blueprint.MaxBlob bytes.
func readBounded(file string) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, blueprint.MaxBlob+1))
	if err != nil {
		return nil, err
	}
	if len(body) > blueprint.MaxBlob {
		return nil, fmt.Errorf("read %s: more than %d bytes", file, blueprint.MaxBlob)
	}
	return body, nil
}

// put writes a small file durably: under another name, synced, renamed, and
// the folder synced.
func (s *Store) put(file string, body []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return fmt.Errorf("write blueprint store: %w", err)
	}
	defer os.Remove(f.Name())
	s.reach("write")
	_, err = f.Write(body)
	s.reach("sync")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		s.reach("rename")
		err = os.Rename(f.Name(), file)
	}
	if err == nil {
		s.reach("sync folder")
		err = syncFolder(filepath.Dir(file))
	}
	if err != nil {
		return fmt.Errorf("write blueprint store: %w", err)
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
