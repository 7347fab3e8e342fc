package registry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pault.ag/go/debian/control"
)

// MirrorVariable names Debian mirrors, with spaces between them: the URLs that
// pool and dists lie below.
const MirrorVariable = "NEMOCLAW_DEBIAN_MIRROR"

// Mirrors are where Debian packages come from. No mirror is written down here:
// they are MirrorVariable's or, where it is not set, those of apt's own
// sources. Safe for concurrent use.
type Mirrors struct {
	bases []*url.URL
	from  *Registry // for its client
}

// Gone says that no mirror has a package.
type Gone struct {
	What  string
	Asked []string // hosts
}

func (g *Gone) Error() string {
	return fmt.Sprintf("fetch %s: no Debian mirror has it: asked %s", g.What, strings.Join(g.Asked, ", "))
}

// Hint is what helps.
func (g *Gone) Hint() string {
	return "set " + MirrorVariable + " to a Debian mirror that keeps this version, such as a snapshot archive; mirrors drop what was replaced, which a newer version of the blueprint names\n" +
		"→ nemoclaw blueprint list shows those that stand on this machine's own /usr instead"
}

// noMirror says that no mirror is known.
func noMirror(cause string) error {
	return &None{What: "a Debian mirror", Cause: errors.New(cause),
		Help: "set " + MirrorVariable + " to the URL of a Debian mirror, or choose a blueprint that stands on this machine's own /usr: nemoclaw blueprint list"}
}

// FindMirrors reads MirrorVariable or apt's sources. proxy is the way where the
// environment names none; nil: directly.
func FindMirrors(proxy func(*url.URL) (*url.URL, error)) (*Mirrors, error) {
	if named := strings.Fields(os.Getenv(MirrorVariable)); len(named) > 0 {
		return MirrorsAt(proxy, named...)
	}
	named := aptSources("/etc/apt")
	if len(named) == 0 {
		return nil, noMirror("apt's sources name none")
	}
	return MirrorsAt(proxy, named...)
}

// MirrorsAt are the mirrors at bases.
func MirrorsAt(proxy func(*url.URL) (*url.URL, error), bases ...string) (*Mirrors, error) {
	m := &Mirrors{from: &Registry{set: settings{}}}
	for _, b := range bases {
		u, err := url.Parse(b)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, noMirror(fmt.Sprintf("%q is no http or https URL", b))
		}
		m.bases = append(m.bases, u)
	}
	var err error
	m.from.client, err = newClient(m.from.set, proxy)
	return m, err
}

// Deb asks the mirrors, one after the other, for the file at name, from offset
// on. The caller closes Body.
func (m *Mirrors) Deb(ctx context.Context, what, name string, offset int64) (Tarball, error) {
	gone := &Gone{What: what}
	for _, base := range m.inOrder(name) {
		got, err := m.from.tarball(ctx, what, base.JoinPath(name), offset)
		var status *Status
		if !errors.As(err, &status) || status.Code != http.StatusNotFound && status.Code != http.StatusGone {
			return got, err
		}
		if !slices.Contains(gone.Asked, base.Host) {
			gone.Asked = append(gone.Asked, base.Host)
		}
	}
	return Tarball{}, gone
}

// inOrder asks those first that keep security updates where it is one, or that
// do not where it is none: it saves a question that is answered with no.
func (m *Mirrors) inOrder(name string) []*url.URL {
	update := strings.HasPrefix(name, "pool/updates/")
	order := slices.Clone(m.bases)
	slices.SortStableFunc(order, func(a, b *url.URL) int {
		fits := func(u *url.URL) int {
			if strings.Contains(u.Path, "security") == update {
				return 0
			}
			return 1
		}
		return fits(a) - fits(b)
	})
	return order
}

// aptSources are the URLs of sources.list(5) in dir that have packages in main,
// those that speak of Debian first. What is not in form is passed over: apt
// says so itself.
func aptSources(dir string) []string {
	var all []string
	lists, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", "*.list")) // the pattern is well-formed
	for _, f := range append([]string{filepath.Join(dir, "sources.list")}, lists...) {
		all = append(all, oneLine(f)...)
	}
	stanzas, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", "*.sources"))
	for _, f := range stanzas {
		all = append(all, stanzasOf(f)...)
	}
	slices.SortStableFunc(all, func(a, b string) int {
		speaks := func(s string) int {
			if strings.Contains(s, "debian") {
				return 0
			}
			return 1
		}
		return speaks(a) - speaks(b)
	})
	var once []string
	for _, u := range all {
		web := strings.HasPrefix(u, "http://") || strings.HasPrefix(u, "https://")
		if u = strings.TrimSuffix(u, "/"); web && !slices.Contains(once, u) {
			once = append(once, u)
		}
	}
	return once
}

// oneLine reads "deb [options] URI suite component…" lines.
func oneLine(file string) (all []string) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if before, rest, ok := strings.Cut(text, "["); ok {
			_, after, _ := strings.Cut(rest, "]")
			text = before + after
		}
		words := strings.Fields(text)
		if len(words) > 3 && words[0] == "deb" && slices.Contains(words[3:], "main") {
			all = append(all, words[1])
		}
	}
	return all
}

// stanzasOf reads a file of the newer form.
func stanzasOf(file string) (all []string) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	r, err := control.NewParagraphReader(f, nil)
	if err != nil {
		return nil
	}
	stanzas, err := r.All()
	if err != nil {
		return nil
	}
	for _, s := range stanzas {
		has := func(key, word string) bool { return slices.Contains(strings.Fields(s.Values[key]), word) }
		if has("Types", "deb") && has("Components", "main") && !has("Enabled", "no") {
			all = append(all, strings.Fields(s.Values["URIs"])...)
		}
	}
	return all
}
