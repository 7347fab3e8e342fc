package store

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// layers unpacks the layers of a over whatever lies in the tree. The bytes of
// each are hashed twice through one open file: before anything of it is
// unpacked, and as it is.
func (s *Store) layers(ctx context.Context, tree *os.Root, a blueprint.Artifact, m *meter) ([]entry, error) {
	var made []entry
	for _, blob := range a.Manifest.Layers {
		file, err := openBlob(s.blobPath(blob.Digest))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &blueprint.Mismatch{What: "cached layer " + blob.Title, Want: blob.Digest}
		}
		if err != nil {
			return nil, err
		}
		u := unlayering{blob: blob, root: tree, bounds: s.bounds, meter: m, folded: map[string]string{}, buf: make([]byte, 128<<10)}
		err = u.run(ctx, file)
		made = append(made, u.entries...)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// unlayering is one layer on its way into the tree.
type unlayering struct {
	blob   blueprint.Blob
	root   *os.Root
	bounds bounds
	meter  *meter

	entries []entry
	folded  map[string]string // names in lower case: some file systems know only those
	bytes   int64
	buf     []byte
}

func (u *unlayering) run(ctx context.Context, file *os.File) error {
	sum := u.blob.Digest.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if got := blueprint.Finish(sum); got != u.blob.Digest {
		return &blueprint.Mismatch{What: "cached layer " + u.blob.Title, Want: u.blob.Digest, Got: got}
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum.Reset()
	raw := io.TeeReader(bufio.NewReaderSize(file, 256<<10), sum)
	if err := u.archive(ctx, raw); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return err
	}
	if got := blueprint.Finish(sum); got != u.blob.Digest {
		return &blueprint.Mismatch{What: "layer " + u.blob.Title, Want: u.blob.Digest, Got: got}
	}
	return nil
}

func (u *unlayering) archive(ctx context.Context, raw io.Reader) error {
	return u.bounds.unzipped(ctx, raw, u.hostile, u.entry)
}

func (u *unlayering) entry(h *tar.Header, body io.Reader) error {
	name, err := u.place(h.Name)
	if err != nil {
		return err
	}
	if h.Mode&^0o777 != 0 && h.Typeflag != tar.TypeSymlink {
		return u.hostile(h.Name, fmt.Sprintf("mode %o: setuid, setgid or sticky", h.Mode))
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.folder(h, name)
	case tar.TypeReg:
		return u.file(h, name, body)
	case tar.TypeSymlink:
		return u.link(h, name)
	}
	return u.hostile(h.Name, fmt.Sprintf("type %q: neither file, folder nor link", h.Typeflag))
}

// place holds a name to one spelling, inside the tree, that no other entry has
// in other case.
func (u *unlayering) place(text string) (string, error) {
	name, why := u.bounds.spelled(text)
	if why == "" && (name == "." || name != strings.TrimSuffix(text, "/")) {
		why = "not a place inside: spelled in another way than it has to be"
	}
	if why != "" {
		return "", u.hostile(clipped(text), why)
	}
	fold := strings.ToLower(name)
	if first, ok := u.folded[fold]; ok && first != name {
		return "", u.hostile(text, fmt.Sprintf("differs from %q by case alone", first))
	} else if ok {
		return "", u.hostile(text, "twice")
	}
	u.folded[fold] = name
	return name, nil
}

// folder makes one, or takes one that packages or an earlier layer made. Its
// parent is a folder too: os.Root goes through links inside the tree, so each
// step is looked at.
func (u *unlayering) folder(h *tar.Header, name string) error {
	if err := u.parents(h.Name, name); err != nil {
		return err
	}
	err := u.root.Mkdir(name, folderMode)
	if errors.Is(err, fs.ErrExist) {
		if info, err := u.root.Lstat(name); err != nil || !info.IsDir() {
			return u.hostile(h.Name, "in the place of something else")
		}
		return nil
	}
	if err := errors.Join(err, u.root.Chmod(name, folderMode)); err != nil {
		return fmt.Errorf("unpack layer %s: %w", u.blob.Title, err)
	}
	u.entries = append(u.entries, entry{Path: name, Kind: isFolder, Mode: folderMode})
	return nil
}

// parents wants every folder above name to be there, and to be a folder.
func (u *unlayering) parents(text, name string) error {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		info, err := u.root.Lstat(dir)
		if err != nil || !info.IsDir() {
			return u.hostile(text, fmt.Sprintf("%q above it is no folder", dir))
		}
	}
	return nil
}

func (u *unlayering) file(h *tar.Header, name string, body io.Reader) error {
	if err := u.parents(h.Name, name); err != nil {
		return err
	}
	if why := u.bounds.outgrown(&u.bytes, h.Size, "layer"); why != "" {
		return u.hostile(h.Name, why)
	}
	mode := modeOf(h)
	w := writing{root: u.root, name: name, mode: mode, when: blueprint.FileTime, meter: u.meter, buf: u.buf}
	made, err := w.file(body)
	if errors.Is(err, fs.ErrExist) {
		return u.hostile(h.Name, "in the place of something else")
	}
	if err != nil {
		return fmt.Errorf("unpack layer %s: %q: %w", u.blob.Title, name, err)
	}
	u.entries = append(u.entries, made)
	return nil
}

// link makes a symbolic link that leads to a place inside the content.
func (u *unlayering) link(h *tar.Header, name string) error {
	if err := u.parents(h.Name, name); err != nil {
		return err
	}
	to := path.Join(path.Dir(name), h.Linkname)
	control := strings.ContainsFunc(h.Linkname, unicode.IsControl)
	if path.IsAbs(h.Linkname) || h.Linkname == "" || control || to == ".." || strings.HasPrefix(to, "../") {
		return u.hostile(h.Name, fmt.Sprintf("a link to %q, out of the content", h.Linkname))
	}
	if slices.Contains(strings.Split(path.Clean(h.Linkname), "/"), "..") && strings.Contains(strings.TrimLeft(h.Linkname, "./"), "..") {
		return u.hostile(h.Name, fmt.Sprintf("a link to %q, which goes up after it went down", h.Linkname))
	}
	if err := u.root.Symlink(h.Linkname, name); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return u.hostile(h.Name, "in the place of something else")
		}
		return fmt.Errorf("unpack layer %s: %w", u.blob.Title, err)
	}
	u.entries = append(u.entries, entry{Path: name, Kind: isLink, Target: h.Linkname})
	return nil
}

func (u *unlayering) hostile(entry, why string) error {
	return &Hostile{Package: "layer " + u.blob.Title, Entry: entry, Why: why}
}

// Whole is a with the bytes of its layers, which a cached one is opened without.
// Each is checked.
func (s *Store) Whole(a blueprint.Artifact) (blueprint.Artifact, error) {
	whole, err := blueprint.OpenArtifact(a.Digest, a.Image, func(b blueprint.Blob) ([]byte, error) {
		if body, ok := a.Blobs[b.Digest]; ok {
			return body, nil
		}
		file, err := openBlob(s.blobPath(b.Digest))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &blueprint.Mismatch{What: "cached layer " + b.Title, Want: b.Digest}
		}
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return io.ReadAll(io.LimitReader(file, b.Size+1))
	})
	return whole, named(err, a.Manifest.Ref())
}
