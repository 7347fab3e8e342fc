package blueprint

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Bounds of a manifest: far above what a real one has.
const (
	maxList   = 100
	maxText   = 4096
	maxAllow  = 30 * time.Minute
	maxHosted = 1 << 40 // bytes of download or content
)

// owned are the variables of the environment that the plan sets itself.
var owned = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TERM", "TZ", "LANG", "PWD",
	"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT",
}

var envForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`) })

// check holds everything of a manifest that its types cannot.
func (m Manifest) check() error {
	if m.Format != Format {
		return fmt.Errorf("format %d: want %d", m.Format, Format)
	}
	if err := m.Identity.check(); err != nil {
		return err
	}
	for _, seed := range m.Seeds {
		if err := checkSeed(seed.Path, seed.Mode); err != nil {
			return err
		}
	}
	for _, blob := range m.Blobs() {
		if err := blob.check(); err != nil {
			return err
		}
	}
	if len(m.Layers) > maxList {
		return fmt.Errorf("layers: %d: want at most %d", len(m.Layers), maxList)
	}
	for _, blob := range m.Blobs() {
		if layer := slices.Contains(m.Layers, blob); layer != (blob.MediaType == TypeLayer) {
			return fmt.Errorf("file %q: media type %q in the wrong place", clip(blob.Title), clip(blob.MediaType))
		}
	}
	if (m.Debian != nil) != (m.Base == Debianed) {
		return fmt.Errorf("base %q: its packages are missing, or they are no part of it", m.Base)
	}
	if m.Debian != nil {
		if err := m.Debian.check(); err != nil {
			return err
		}
	}
	if m.Packages != nil {
		return m.Packages.check()
	}
	return nil
}

func (p Packages) check() error {
	if p.Download < 0 || p.Unpacked < 0 || p.Download > maxHosted || p.Unpacked > maxHosted {
		return fmt.Errorf("packages: download or unpacked is no size")
	}
	if len(p.Additions) > maxList {
		return fmt.Errorf("packages: %d additions: want at most %d", len(p.Additions), maxList)
	}
	for _, added := range p.Additions {
		if !fs.ValidPath(added.Path) || !strings.HasPrefix(added.Path, "node_modules/") || !plain(added.Path) {
			return fmt.Errorf("addition %q: want a path below node_modules", clip(added.Path))
		}
	}
	if len(p.Moves) > maxList {
		return fmt.Errorf("packages: %d moves: want at most %d", len(p.Moves), maxList)
	}
	for _, m := range p.Moves {
		if err := m.check(); err != nil {
			return err
		}
	}
	if len(p.Removals) > maxList {
		return fmt.Errorf("packages: %d removals: want at most %d", len(p.Removals), maxList)
	}
	for _, name := range p.Removals {
		if !fs.ValidPath(name) || !strings.HasPrefix(name, "node_modules/") || !plain(name) {
			return fmt.Errorf("removal %q: want a path below node_modules", clip(name))
		}
	}
	return nil
}

func (m Move) check() error {
	for _, name := range []string{m.From, m.To} {
		if !fs.ValidPath(name) || !strings.HasPrefix(name, "node_modules/") || !plain(name) {
			return fmt.Errorf("move %q: want a path below node_modules", clip(name))
		}
	}
	if m.From == m.To || strings.HasPrefix(m.To, m.From+"/") || strings.HasPrefix(m.From, m.To+"/") {
		return fmt.Errorf("move %q to %q: one lies in the other", clip(m.From), clip(m.To))
	}
	return nil
}

func (i Identity) check() error {
	if !nameForm().MatchString(i.Name) || bareForm().MatchString(i.Name) {
		return fmt.Errorf("name %q: want a-z, 0-9 and -, at most 40", clip(i.Name))
	}
	for what, version := range map[string]string{"version": i.Version, "needs": i.Needs} {
		if bare, err := parseVersion(version); err != nil || bare != version {
			return fmt.Errorf("%s %q: want MAJOR.MINOR.PATCH, like 0.1.0", what, clip(version))
		}
	}
	if _, err := time.Parse(time.DateOnly, i.Published); err != nil {
		return fmt.Errorf("published %q: want YYYY-MM-DD", clip(i.Published))
	}
	if i.Base != System && i.Base != Debianed {
		return fmt.Errorf("base %q: want %s or %s", clip(string(i.Base)), System, Debianed)
	}
	if len(i.Platforms) == 0 {
		return fmt.Errorf("platforms: want at least one, like linux/amd64")
	}
	for _, name := range i.Platforms {
		if _, err := ParsePlatform(name); err != nil {
			return err
		}
	}
	if i.Kernel != nil {
		if err := i.Kernel.check(); err != nil {
			return err
		}
	}
	if err := checkWords("changes", i.Changes, 0); err != nil {
		return err
	}
	if err := i.checkStart(); err != nil {
		return err
	}
	return i.checkEnv()
}

func (i Identity) checkStart() error {
	if err := checkWords("login", i.Login, 1); err != nil {
		return err
	}
	if len(i.Ports) > maxList {
		return fmt.Errorf("ports: %d: want at most %d", len(i.Ports), maxList)
	}
	for _, port := range i.Ports {
		if !nameForm().MatchString(port.Name) || port.Port == 0 {
			return fmt.Errorf("port %q %d: want a name and 1–65535", clip(port.Name), port.Port)
		}
	}
	if i.Agent == nil {
		return nil
	}
	return i.Agent.check()
}

func (a Agent) check() error {
	if err := checkWords("agent: argv", append([]string{a.Name}, a.Argv...), 2); err != nil {
		return err
	}
	if !path.IsAbs(a.Dir) || path.Clean(a.Dir) != a.Dir {
		return fmt.Errorf("agent: dir %q: want a clean absolute path", clip(a.Dir))
	}
	for _, allowed := range []Duration{a.Start, a.Stop} {
		if d := time.Duration(allowed); d <= 0 || d > maxAllow {
			return fmt.Errorf("agent: start or stop %s: want more than 0 and at most %s", d, maxAllow)
		}
	}
	for _, asked := range []string{a.Health.Live, a.Health.Ready} {
		if !path.IsAbs(asked) || !plain(asked) || strings.ContainsAny(asked, " ") {
			return fmt.Errorf("agent: health %q: want a URL's path", clip(asked))
		}
	}
	if a.Health.Port == 0 {
		return fmt.Errorf("agent: health: port 0: want 1–65535")
	}
	return nil
}

func (i Identity) checkEnv() error {
	if len(i.Env) > maxList || len(i.Path) > maxList {
		return fmt.Errorf("env or path: more than %d", maxList)
	}
	for name, value := range i.Env {
		if !envForm().MatchString(name) || slices.Contains(owned, name) {
			return fmt.Errorf("env %q: not a name that a blueprint may set", clip(name))
		}
		if !plain(value) || len(value) > maxText {
			return fmt.Errorf("env %s: not one line of at most %d bytes", name, maxText)
		}
	}
	for _, folder := range i.Path {
		if !fs.ValidPath(folder) || folder == "." || !plain(folder) || strings.Contains(folder, ":") {
			return fmt.Errorf("path %q: want a folder below the content", clip(folder))
		}
	}
	return nil
}

// checkSeed holds a seed below /sandbox, with a mode that grants no more than
// reading to others.
func checkSeed(name, mode string) error {
	below, ok := strings.CutPrefix(name, "/sandbox/")
	if !ok || !fs.ValidPath(below) || below == "." || !plain(name) {
		return fmt.Errorf("seed %q: want a clean path below /sandbox", clip(name))
	}
	bits, err := strconv.ParseUint(mode, 8, 32)
	if err != nil || bits&^0o755 != 0 || bits&0o600 != 0o600 || len(mode) != 4 {
		return fmt.Errorf("seed %q: mode %q: want 0600, 0644, 0700 or 0755", clip(name), clip(mode))
	}
	return nil
}

func (b Blob) check() error {
	if _, err := ParseDigest(string(b.Digest)); err != nil {
		return fmt.Errorf("file %q: %w", clip(b.Title), err)
	}
	if b.Digest.Algorithm() != "sha256" {
		return fmt.Errorf("file %q: digest %s: want sha256", clip(b.Title), b.Digest.Short())
	}
	most := int64(MaxBlob)
	if b.MediaType == TypeLayer {
		most = MaxLayer
	}
	if !mediaTypes[b.MediaType] || b.Size < 0 || b.Size > most {
		return fmt.Errorf("file %q: media type %q with %d bytes: not one of a blueprint", clip(b.Title), clip(b.MediaType), b.Size)
	}
	if !fs.ValidPath(b.Title) || strings.Contains(b.Title, "/") || b.Title == "." || !plain(b.Title) {
		return fmt.Errorf("file %q: want a plain file name", clip(b.Title))
	}
	return nil
}

// checkWords holds a list of at least least lines, none of them empty.
func checkWords(what string, words []string, least int) error {
	if len(words) < least || len(words) > maxList {
		return fmt.Errorf("%s: %d: want %d to %d", what, len(words), least, maxList)
	}
	for _, word := range words {
		if word == "" || len(word) > maxText || !plain(word) {
			return fmt.Errorf("%s: %q: want one line of text", what, clip(word))
		}
	}
	return nil
}

// plain is text without control characters: safe for a terminal, an argv and a
// file's name.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar })
}
