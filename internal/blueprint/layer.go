package blueprint

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// piece is one thing of a layer.
type piece struct {
	path   string // below ContentDir
	mode   fs.FileMode
	body   []byte
	target string // of a link
}

// laid reads the files that a recipe lays down.
func (r recipe) laid(dir fs.FS) func() ([]piece, error) {
	return func() ([]piece, error) {
		var all []piece
		for _, f := range r.Files {
			mode := uint64(0o644)
			if f.Mode != "" {
				var err error
				if mode, err = strconv.ParseUint(f.Mode, 8, 32); err != nil || mode&^0o755 != 0 {
					return nil, fmt.Errorf("file %q: mode %q: want 0644 or 0755", clip(f.Path), clip(f.Mode))
				}
			}
			info, err := fs.Stat(dir, f.File)
			if err != nil {
				return nil, err
			}
			if info.IsDir() {
				below, err := fs.Sub(dir, f.File)
				if err != nil {
					return nil, err
				}
				more, err := walk(below, f.Path)
				if err != nil {
					return nil, err
				}
				all = append(all, more...)
				continue
			}
			body, err := fs.ReadFile(dir, f.File)
			if err != nil {
				return nil, err
			}
			all = append(all, piece{path: f.Path, mode: fs.FileMode(mode), body: body})
		}
		return all, nil
	}
}

// whole reads everything below tree.
func whole(tree fs.FS) func() ([]piece, error) {
	return func() ([]piece, error) { return walk(tree, ".") }
}

// walk reads a folder: files, whose owner's right to execute is all that counts
// of a mode, and links. Anything else is an error.
func walk(tree fs.FS, at string) ([]piece, error) {
	var all []piece
	var bytes int64
	err := fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		p := piece{path: path.Join(at, name), mode: 0o644}
		info, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			p.target, err = fs.ReadLink(tree, name)
		case e.Type().IsRegular():
			if info.Mode()&0o100 != 0 {
				p.mode = 0o755
			}
			if bytes += info.Size(); bytes > MaxLayer {
				return fmt.Errorf("%q: more than %d bytes in all", clip(name), MaxLayer)
			}
			p.body, err = fs.ReadFile(tree, name)
		default:
			err = fmt.Errorf("%q: neither file, folder nor link", clip(name))
		}
		all = append(all, p)
		return err
	})
	return all, err
}

// layer packs what read gives: in order of names, with folders first, nobody's,
// of one time, and compressed in one way.
func (s *shelf) layer(title string, read func() ([]piece, error)) Blob {
	if s.err != nil {
		return Blob{}
	}
	pieces, err := read()
	var body []byte
	if err == nil {
		body, err = packLayer(pieces)
	}
	if err != nil {
		s.err = fmt.Errorf("layer %s: %w", title, err)
		return Blob{}
	}
	sum := Sum(body)
	s.files[sum] = body
	return Blob{MediaType: TypeLayer, Digest: sum, Size: int64(len(body)), Title: title}
}

func packLayer(pieces []piece) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	slices.SortFunc(pieces, func(a, b piece) int { return strings.Compare(a.path, b.path) })
	made := map[string]bool{".": true}
	for i, p := range pieces {
		if !fs.ValidPath(p.path) || p.path == "." || !plain(p.path) {
			return nil, fmt.Errorf("%q: want a path below the content", clip(p.path))
		}
		if i > 0 && pieces[i-1].path == p.path {
			return nil, fmt.Errorf("%q: twice", clip(p.path))
		}
		if err := folders(archive, made, path.Dir(p.path)); err != nil {
			return nil, err
		}
		h := tar.Header{Name: p.path, Mode: int64(p.mode), ModTime: FileTime, Size: int64(len(p.body)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if p.target != "" {
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, p.target, 0o777
		}
		if err := archive.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := archive.Write(p.body); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func folders(archive *tar.Writer, made map[string]bool, dir string) error {
	if made[dir] {
		return nil
	}
	if err := folders(archive, made, path.Dir(dir)); err != nil {
		return err
	}
	made[dir] = true
	return archive.WriteHeader(&tar.Header{Name: dir + "/", Mode: 0o755, ModTime: FileTime, Typeflag: tar.TypeDir, Format: tar.FormatPAX})
}
