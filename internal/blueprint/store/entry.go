package store

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What every archive is held to, whoever made it, and how a file of one is
// written.

// spelled is the place inside a tree that the name of an entry means, or why
// it means none.
func (b bounds) spelled(name string) (clean, why string) {
	if name, why = b.printable(name); why != "" {
		return "", why
	}
	clean = path.Clean(name) // some have ./ in front or in the middle
	if slices.Contains(strings.Split(name, "/"), "..") || !fs.ValidPath(clean) {
		return "", "not a place inside"
	}
	return clean, ""
}

// unzipped is each of what is behind gzip.
func (b bounds) unzipped(ctx context.Context, raw io.Reader, hostile func(entry, why string) error, do func(*tar.Header, io.Reader) error) error {
	plain, err := gzip.NewReader(raw)
	if err != nil {
		return hostile("", "not gzip: "+err.Error())
	}
	return b.each(ctx, tar.NewReader(plain), hostile, do)
}

// each has do take every entry of an archive. hostile makes the error of what is
// wrong with an entry, or with the archive itself: "".
func (b bounds) each(ctx context.Context, archive *tar.Reader, hostile func(entry, why string) error, do func(*tar.Header, io.Reader) error) error {
	for n := 0; ; n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h, err := archive.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return hostile("", "not a tar archive: "+err.Error())
		case n >= b.files:
			return hostile("", fmt.Sprintf("more than %d entries", b.files))
		}
		if err := do(h, archive); err != nil {
			return err
		}
	}
}

// outgrown counts a file of size bytes, and says why it is too large for a what
// of which so many bytes are unpacked; "" where it is not.
func (b bounds) outgrown(unpacked *int64, size int64, what string) (why string) {
	*unpacked += size
	if size > b.file || *unpacked > b.pkg {
		return fmt.Sprintf("too large: more than %d bytes a file or %d a %s", b.file, b.pkg, what)
	}
	return ""
}

// modeOf is that of a file, as its entry says: a program or none.
func modeOf(h *tar.Header) uint32 {
	if h.Mode&0o111 != 0 {
		return programMode
	}
	return fileMode
}

// printable is a name that can be shown and written down; the target of a link
// is held to no more than that.
func (b bounds) printable(name string) (same, why string) {
	bad := func(r rune) bool { return unicode.IsControl(r) || r == '\\' }
	switch {
	case len(name) > b.name:
		return "", fmt.Sprintf("name longer than %d bytes", b.name)
	case strings.ContainsFunc(name, bad) || !utf8.ValidString(name):
		return "", "not a place inside: it is no plain text"
	}
	return name, ""
}

// clipped keeps the name of an entry short in an error.
func clipped(name string) string {
	const most = 1024
	return name[:min(len(name), most)]
}

// writing is one new file of a tree.
type writing struct {
	root  *os.Root
	name  string
	at    string // of its entry, where that is not name
	mode  uint32
	when  time.Time
	meter *meter
	buf   []byte
}

// file writes body and says what was written. It is fs.ErrExist where anything
// has the name already.
func (w writing) file(body io.Reader) (entry, error) {
	f, err := w.root.OpenFile(w.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, os.FileMode(w.mode))
	if err != nil {
		return entry{}, err
	}
	made := entry{Path: w.name, Kind: isFile, Mode: w.mode}
	if w.at != "" {
		made.Path = w.at
	}
	made.Size, made.Sum, err = copySummed(io.MultiWriter(f, w.meter), body, w.buf)
	return made, errors.Join(err, f.Chmod(os.FileMode(w.mode)), f.Close(), w.root.Chtimes(w.name, w.when, w.when))
}

func copySummed(to io.Writer, body io.Reader, buf []byte) (n int64, sum [sha256.Size]byte, err error) {
	h := sha256.New()
	n, err = io.CopyBuffer(io.MultiWriter(to, h), body, buf)
	h.Sum(sum[:0])
	return n, sum, err
}
