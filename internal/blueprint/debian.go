package blueprint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Debian says which Debian packages a base consists of. They are unpacked, and
// none of their scripts is run: of what those would have made there are Links.
type Debian struct {
	Lock Blob `json:"lock"`
	// Leave are folders of the packages that are left out: usr/share/man.
	Leave []string `json:"leave,omitempty"`
	Links []Link   `json:"links,omitempty"`
	// Both for displays and for asking whether the disk has room; nothing is
	// decided by them.
	Download int64 `json:"download,omitempty"`
	Unpacked int64 `json:"unpacked,omitempty"`
}

// Link is a symbolic link in a base. Its target is looked up inside a sandbox
// alone, where it may be absolute.
type Link struct {
	Path   string `json:"path" yaml:"path"` // below the root: usr/bin/awk
	Target string `json:"target" yaml:"target"`
}

// BaseDigest is of everything that decides a pinned base, so that blueprints
// with the same one share it; "" for the machine's own /usr.
func (m Manifest) BaseDigest() Digest {
	if m.Debian == nil {
		return ""
	}
	body, err := encode(struct {
		Lock  Digest   `json:"lock"`
		Leave []string `json:"leave"`
		Links []Link   `json:"links"`
	}{m.Debian.Lock.Digest, m.Debian.Leave, m.Debian.Links})
	if err != nil {
		panic("bug: encode what a base is: " + err.Error())
	}
	return Sum(body)
}

func (d Debian) check() error {
	if d.Lock.MediaType != TypeDebianLock {
		return fmt.Errorf("debian: lock: media type %q: want %s", clip(d.Lock.MediaType), TypeDebianLock)
	}
	if d.Download < 0 || d.Unpacked < 0 || d.Download > maxHosted || d.Unpacked > maxHosted {
		return fmt.Errorf("debian: download or unpacked is no size")
	}
	if len(d.Leave) > maxList || len(d.Links) > maxList {
		return fmt.Errorf("debian: leave or links: more than %d", maxList)
	}
	for _, folder := range d.Leave {
		if !inBase(folder) {
			return fmt.Errorf("debian: leave %q: want a folder below usr or etc", clip(folder))
		}
	}
	for _, l := range d.Links {
		if !inBase(l.Path) || l.Target == "" || len(l.Target) > maxText || !plain(l.Target) {
			return fmt.Errorf("debian: link %q to %q: want a path below usr or etc, and a target", clip(l.Path), clip(l.Target))
		}
	}
	return nil
}

// inBase says whether name lies below one of the two folders of a base.
func inBase(name string) bool {
	return fs.ValidPath(name) && plain(name) && (strings.HasPrefix(name, "usr/") || strings.HasPrefix(name, "etc/"))
}

// DebianLock is every package of a base, for each architecture, pinned by the
// SHA-256 of its file. `blueprint lock` writes it.
type DebianLock struct {
	Format   int              `json:"format"`
	Packages map[string][]Deb `json:"packages"` // by Debian's word for the architecture, in order of names
}

// Deb is one Debian package.
type Deb struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Path    string `json:"path"` // on a mirror: pool/main/b/bash/bash_5.2.15-2_amd64.deb
	Size    int64  `json:"size"`
	Digest  Digest `json:"digest"` // sha256 of the file
}

// String is NAME_VERSION, as Debian names packages.
func (d Deb) String() string { return d.Name + "_" + d.Version }

// MaxDeb is the most bytes that the file of a Debian package may have: it is
// held in memory while it is unpacked.
const MaxDeb = 256 << 20

// Debian Policy 5.6.1 and 5.6.12, and the names of files on a mirror.
var (
	debName    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]{1,99}$`) })
	debVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9][A-Za-z0-9.+:~-]{0,99}$`) })
	debPath    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^pool/[A-Za-z0-9%.+~_/-]{1,300}\.deb$`) })
)

// EncodeDebianLock writes l in its one canonical form, a line a field, so that
// two of them can be compared by eye.
func EncodeDebianLock(l DebianLock) ([]byte, error) {
	l.Format = Format
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("encode Debian lock: %w", err)
	}
	return l.encode()
}

func (l DebianLock) encode() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(l)
	return out.Bytes(), err
}

// ParseDebianLock reads what EncodeDebianLock wrote and nothing else.
func ParseDebianLock(b []byte) (DebianLock, error) {
	refuse := func(err error) (DebianLock, error) {
		return DebianLock{}, fmt.Errorf("parse Debian lock: %w", err)
	}
	if len(b) > MaxBlob {
		return refuse(fmt.Errorf("%d bytes: want at most %d", len(b), MaxBlob))
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var l DebianLock
	if err := d.Decode(&l); err != nil {
		return refuse(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return refuse(fmt.Errorf("bytes behind the end"))
	}
	if err := l.check(); err != nil {
		return refuse(err)
	}
	if again, err := l.encode(); err != nil || !bytes.Equal(again, b) {
		return refuse(fmt.Errorf("not in canonical form"))
	}
	return l, nil
}

func (l DebianLock) check() error {
	if l.Format != Format {
		return fmt.Errorf("format %d: want %d", l.Format, Format)
	}
	for architecture, all := range l.Packages {
		if npmCPU[architecture] == "" {
			return fmt.Errorf("architecture %q: want amd64 or arm64", clip(architecture))
		}
		if len(all) == 0 || len(all) > maxPackages {
			return fmt.Errorf("%s: %d packages: want 1 to %d", architecture, len(all), maxPackages)
		}
		for i, d := range all {
			if err := d.check(); err != nil {
				return fmt.Errorf("%s: package %q: %w", architecture, clip(d.Name), err)
			}
			if i > 0 && all[i-1].Name >= d.Name {
				return fmt.Errorf("%s: package %q: twice, or not in order of names", architecture, d.Name)
			}
		}
	}
	return nil
}

func (d Deb) check() error {
	if !debName().MatchString(d.Name) {
		return fmt.Errorf("name: not one of a Debian package")
	}
	if !debVersion().MatchString(d.Version) {
		return fmt.Errorf("version %q: want one", clip(d.Version))
	}
	if !debPath().MatchString(d.Path) || path.Clean(d.Path) != d.Path || slices.Contains(strings.Split(d.Path, "/"), "..") {
		return fmt.Errorf("path %q: want one below pool", clip(d.Path))
	}
	if d.Size <= 0 || d.Size > MaxDeb {
		return fmt.Errorf("size %d: want 1 to %d", d.Size, MaxDeb)
	}
	if d.Digest.Algorithm() != "sha256" {
		return fmt.Errorf("digest %s: want sha256", d.Digest.Short())
	}
	_, err := ParseDigest(string(d.Digest))
	return err
}

// For are the packages for p.
func (l DebianLock) For(p Platform) ([]Deb, error) {
	all := l.Packages[p.Arch]
	if len(all) == 0 {
		return nil, fmt.Errorf("the Debian lock has no packages for %s", p)
	}
	return all, nil
}

// Debs is the parsed lock of a's base; the zero DebianLock where that is the
// machine's own /usr.
func (a Artifact) Debs() (DebianLock, error) {
	if a.Manifest.Debian == nil {
		return DebianLock{}, nil
	}
	return ParseDebianLock(a.Bytes(a.Manifest.Debian.Lock))
}
