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
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

const (
	fileMode    = 0o644
	programMode = 0o755
	folderMode  = 0o755
)

// unpacking is one package on its way into the tree.
type unpacking struct {
	pkg    blueprint.Package
	root   *os.Root // the package's own folder
	bounds bounds
	meter  *meter

	entries []entry
	folders map[string]bool  // made by this package, relative to it
	files   map[string]entry // likewise
	bytes   int64
	buf     []byte
}

// unpack writes the package in the tarball below its place in tree. The bytes
// are hashed once more as they are unpacked, from the same open file that was
// checked, and a wrong digest is a Mismatch: the caller throws the tree away.
func unpack(ctx context.Context, tree *os.Root, tarball *os.File, u unpacking) ([]entry, error) {
	if err := check(tarball, u.pkg); err != nil {
		return nil, err
	}
	root, err := tree.OpenRoot(u.pkg.Path)
	if err != nil {
		return nil, fmt.Errorf("unpack package %s: %w", u.pkg, err)
	}
	defer root.Close()
	u.root, u.buf = root, make([]byte, 128<<10)
	u.folders, u.files = map[string]bool{".": true}, map[string]entry{}
	sum := u.pkg.Integrity.New()
	raw := io.TeeReader(bufio.NewReaderSize(tarball, 256<<10), sum)
	if err := u.tarball(ctx, raw); err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return nil, err
	}
	if got := blueprint.Finish(sum); got != u.pkg.Integrity {
		return nil, &blueprint.Mismatch{What: "package " + u.pkg.String(), Want: u.pkg.Integrity, Got: got}
	}
	return u.entries, nil
}

// check reads the tarball whole, before a byte of it is unpacked, and goes
// back to its beginning.
func check(tarball *os.File, pkg blueprint.Package) error {
	sum := pkg.Integrity.New()
	if _, err := io.Copy(sum, tarball); err != nil {
		return err
	}
	if got := blueprint.Finish(sum); got != pkg.Integrity {
		return &blueprint.Mismatch{What: "cached package " + pkg.String(), Want: pkg.Integrity, Got: got}
	}
	_, err := tarball.Seek(0, io.SeekStart)
	return err
}

func (u *unpacking) tarball(ctx context.Context, raw io.Reader) error {
	return u.bounds.unzipped(ctx, raw, u.hostile, u.entry)
}

// entry unpacks one entry. An npm package holds files and folders only.
func (u *unpacking) entry(header *tar.Header, body io.Reader) error {
	switch header.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil // a comment of git archive
	case tar.TypeReg, tar.TypeDir:
	case tar.TypeSymlink, tar.TypeLink:
		return u.hostile(header.Name, "a link")
	default:
		return u.hostile(header.Name, fmt.Sprintf("type %q: neither file nor folder", header.Typeflag))
	}
	name, err := u.place(header.Name)
	if err != nil || name == "." {
		return err
	}
	if header.Typeflag == tar.TypeDir {
		return u.folder(name)
	}
	return u.file(name, header, body)
}

// place is where an entry goes: its name without the first part, which every
// npm tarball has and npm drops.
func (u *unpacking) place(name string) (string, error) {
	clean, why := u.bounds.spelled(name)
	if why != "" {
		return "", u.hostile(clipped(name), why)
	}
	_, rest, found := strings.Cut(clean, "/")
	if !found {
		return ".", nil // the package's own folder, or a stray file beside it
	}
	return rest, nil
}

func (u *unpacking) folder(name string) error {
	if u.folders[name] {
		return nil
	}
	if err := u.folder(path.Dir(name)); err != nil {
		return err
	}
	u.folders[name] = true
	err := u.root.Mkdir(name, folderMode)
	if errors.Is(err, fs.ErrExist) {
		// One on the way to a nested package stands there already; no other.
		if info, err := u.root.Lstat(name); err != nil || !info.IsDir() {
			return u.hostile(name, "twice, as a file and as a folder")
		}
		return nil
	}
	if err := errors.Join(err, u.root.Chmod(name, folderMode)); err != nil {
		return fmt.Errorf("unpack package %s: %w", u.pkg, err)
	}
	u.entries = append(u.entries, entry{Path: path.Join(u.pkg.Path, name), Kind: isFolder, Mode: folderMode})
	return nil
}

func (u *unpacking) file(name string, header *tar.Header, body io.Reader) error {
	if err := u.folder(path.Dir(name)); err != nil {
		return err
	}
	if why := u.bounds.outgrown(&u.bytes, header.Size, "package"); why != "" {
		return u.hostile(header.Name, why)
	}
	mode := modeOf(header)
	if u.isProgram(name) {
		mode = programMode
	}
	w := writing{root: u.root, name: name, at: path.Join(u.pkg.Path, name), mode: mode, when: blueprint.FileTime, meter: u.meter, buf: u.buf}
	made, err := w.file(body)
	if errors.Is(err, fs.ErrExist) {
		return u.twice(name, entry{Path: w.at, Kind: isFile, Mode: mode}, body)
	}
	if err != nil {
		return fmt.Errorf("unpack package %s: %q: %w", u.pkg, name, err)
	}
	u.files[name] = made
	u.entries = append(u.entries, made)
	return nil
}

// twice lets a second entry of one name pass where it says the same as the
// first: some published packages have such. With two meanings it would be the
// order of unpacking that decides.
func (u *unpacking) twice(name string, again entry, body io.Reader) error {
	var err error
	if again.Size, again.Sum, err = copySummed(io.Discard, body, u.buf); err != nil {
		return fmt.Errorf("unpack package %s: %q: %w", u.pkg, name, err)
	}
	if first, ok := u.files[name]; !ok || first != again {
		return u.hostile(name, "twice, and not the same")
	}
	return nil
}

// isProgram says whether the lockfile calls name a command: npm makes those
// executable whatever the tarball says.
func (u *unpacking) isProgram(name string) bool {
	for _, file := range u.pkg.Bin {
		if path.Clean(file) == name {
			return true
		}
	}
	return false
}

func (u *unpacking) hostile(entry, why string) error {
	return &Hostile{Package: u.pkg.String(), Entry: entry, Why: why}
}
