package store

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTarballRefused: the bytes are the published ones, and still nothing of
// them is unpacked that could reach out of its place, be something else than a
// file, or fill the disk.
func TestTarballRefused(t *testing.T) {
	kind := func(name string, typeflag byte, link string) tar.Header {
		return tar.Header{Name: name, Typeflag: typeflag, Linkname: link, Mode: 0o644}
	}
	many := make([]any, 0, 30)
	for i := range 30 {
		many = append(many, tarFile("package/"+strings.Repeat("x", i+1), ""))
	}
	good := tarFile("package/index.js", "ok")
	for what, c := range map[string]struct {
		parts []any
		why   string
	}{
		"traversal":             {[]any{good, tarFile("package/../../../escaped", "x")}, "not a place inside"},
		"traversal at once":     {[]any{tarFile("../escaped", "x")}, "not a place inside"},
		"traversal to itself":   {[]any{tarFile("package/a/../b", "x")}, "not a place inside"},
		"absolute":              {[]any{tarFile("/escaped", "x")}, "not a place inside"},
		"backslash":             {[]any{tarFile(`package\..\escaped`, "x")}, "not a place inside"},
		"control character":     {[]any{tarFile("package/a\x1b[2J", "x")}, "not a place inside"},
		"not UTF-8":             {[]any{tarFile("package/\xff\xfe", "x")}, "not a"},
		"long name":             {[]any{tarFile("package/"+strings.Repeat("n", 200), "x")}, "longer than"},
		"symbolic link":         {[]any{good, kind("package/link", tar.TypeSymlink, "/etc/passwd")}, "a link"},
		"link, written through": {[]any{kind("package/d", tar.TypeSymlink, "/tmp"), tarFile("package/d/escaped", "x")}, "a link"},
		"hard link":             {[]any{good, kind("package/hard", tar.TypeLink, "package/index.js")}, "a link"},
		"character device":      {[]any{kind("package/null", tar.TypeChar, "")}, "neither file nor folder"},
		"block device":          {[]any{kind("package/sda", tar.TypeBlock, "")}, "neither file nor folder"},
		"FIFO":                  {[]any{kind("package/pipe", tar.TypeFifo, "")}, "neither file nor folder"},
		"duplicate":             {[]any{good, tarFile("package/index.js", "ko")}, "twice"},
		"duplicate, other mode": {[]any{good, part{tar.Header{Name: "package/index.js", Mode: 0o755, Size: 2, Typeflag: tar.TypeReg}, "ok"}}, "twice"},
		"file, then folder":     {[]any{good, tarFile("package/index.js/x", "x")}, "twice"},
		"folder, then file":     {[]any{tarFile("package/d/x", "x"), tarFile("package/d", "x")}, "twice"},
		"file over a package":   {[]any{tarFile("package/node_modules/b", "x")}, "twice"},
		"own .bin":              {[]any{tarFile("package/cli.js", "x"), tarFile("package/node_modules/.bin/x", "x")}, ".bin"},
		"large file":            {[]any{tarFile("package/bomb", strings.Repeat("0", 5<<20))}, "too large"},
		"many bytes":            {[]any{tarFile("package/1", strings.Repeat("0", 900<<10)), tarFile("package/2", strings.Repeat("0", 900<<10)), tarFile("package/3", strings.Repeat("0", 900<<10))}, "too large"},
		"many entries":          {many, "more than"},
	} {
		t.Run(what, func(t *testing.T) { refused(t, tgz(t, c.parts...), c.why) })
	}
	t.Run("not gzip", func(t *testing.T) { refused(t, []byte("hello"), "not gzip") })
	t.Run("truncated, as published", func(t *testing.T) {
		whole := tgz(t, tarFile("package/index.js", strings.Repeat("x", 1000)))
		refused(t, whole[:len(whole)/2], "unexpected EOF")
	})
	t.Run("not tar", func(t *testing.T) {
		var out bytes.Buffer
		zip := gzip.NewWriter(&out)
		zip.Write(bytes.Repeat([]byte("no archive "), 100))
		zip.Close()
		refused(t, out.Bytes(), "not a tar archive")
	})
}

// refused expects that a blueprint with this package is refused and leaves
// nothing; the same blueprint with a good package is the positive control.
func refused(t *testing.T, tarball []byte, why string) {
	t.Helper()
	for _, good := range []bool{false, true} {
		r := newRig(t)
		if good {
			tarball = tgz(t, tarFile("package/cli.js", "ok"))
		}
		r.add("node_modules/a", "a", tarball, `, "bin": {"a": "cli.js"}`)
		r.add("node_modules/a/node_modules/b", "b", tgz(t, tarFile("package/cli.js", "b")), `, "bin": {"b": "cli.js"}`)
		dir := filepath.Join(t.TempDir(), "outer", "blueprints")
		s := r.store(dir)
		s.bounds = bounds{tarball: 1 << 20, file: 1 << 20, pkg: 2 << 20, files: 20, name: 100}
		_, err := ensure(t, s)
		if good {
			if err != nil {
				t.Errorf("the good package: %v", err)
			}
			continue
		}
		var hostile *Hostile
		if err == nil || !strings.Contains(err.Error(), why) || !errors.As(err, &hostile) && why != "unexpected EOF" {
			t.Errorf("got %v, want it refused as %q", err, why)
		}
		if left := files(t, filepath.Join(dir, "content")); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
		if found, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*", "escaped")); len(found) > 0 {
			t.Errorf("escaped to %v", found)
		}
		if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), "escaped")); err == nil {
			t.Error("escaped")
		}
	}
}

// TestBigTarball: more bytes than a tarball may have are not kept reading.
func TestBigTarball(t *testing.T) {
	r := newRig(t)
	r.add("node_modules/a", "a", bytes.Repeat([]byte("x"), 5000), "")
	s := r.store(t.TempDir())
	s.bounds.tarball = 1000
	var hostile *Hostile
	if _, err := ensure(t, s); !errors.As(err, &hostile) {
		t.Errorf("got %v", err)
	}
}
