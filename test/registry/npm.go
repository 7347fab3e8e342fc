package registry

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// locked is a package as npm's lockfile (version 3) describes it, which is nearly
// what a registry tells of it.
type locked struct {
	Version              string            `json:"version"`
	Integrity            string            `json:"integrity,omitempty"`
	Dependencies         map[string]string `json:"dependencies,omitempty"`
	OptionalDependencies map[string]string `json:"optionalDependencies,omitempty"`
	PeerDependencies     map[string]string `json:"peerDependencies,omitempty"`
	OS                   []string          `json:"os,omitempty"`
	CPU                  []string          `json:"cpu,omitempty"`
	Libc                 []string          `json:"libc,omitempty"`
	Bin                  any               `json:"bin,omitempty"`
	HasInstallScript     bool              `json:"hasInstallScript,omitempty"`
}

// NPM serves the packages of a lockfile in dir, whose bytes lie in the npm cache
// beside it. See the registry's API: a document a package, a tarball a version.
func NPM(dir string) (http.Handler, error) {
	b, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return nil, fmt.Errorf("open registry of npm: %w", err)
	}
	var lock struct {
		Packages map[string]locked `json:"packages"`
	}
	if err := json.Unmarshal(b, &lock); err != nil {
		return nil, fmt.Errorf("open registry of npm: %w", err)
	}
	all := map[string]map[string]locked{} // name, version
	for path, p := range lock.Packages {
		_, name, ok := cutLast(path, "node_modules/")
		if !ok {
			continue // the project itself
		}
		if all[name] == nil {
			all[name] = map[string]locked{}
		}
		all[name][p.Version] = p
	}
	return npm{dir, all}, nil
}

type npm struct {
	dir string
	all map[string]map[string]locked
}

func (n npm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, file, isTarball := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/-/")
	versions, ok := n.all[name]
	switch {
	case !ok:
		http.NotFound(w, r)
	case isTarball:
		http.ServeFile(w, r, n.file(versions[strings.TrimSuffix(file, ".tgz")].Integrity))
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(document(r, name, versions)) // a client that left is told nothing
	}
}

// document is what a registry says of a package.
func document(r *http.Request, name string, versions map[string]locked) map[string]any {
	type dist struct {
		Tarball   string `json:"tarball"`
		Integrity string `json:"integrity"`
	}
	type version struct {
		Name string `json:"name"`
		locked
		Integrity string `json:"integrity,omitempty"` // hides the lockfile's
		Dist      dist   `json:"dist"`
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	all, latest := map[string]version{}, ""
	for v, p := range versions {
		address := url.URL{Scheme: scheme, Host: r.Host, Path: "/" + name + "/-/" + v + ".tgz"}
		all[v] = version{Name: name, locked: p, Dist: dist{address.String(), p.Integrity}}
		latest = max(latest, v) // any will do: packages ask for a range
	}
	return map[string]any{"name": name, "versions": all, "dist-tags": map[string]string{"latest": latest}}
}

// file is where npm's cache has the bytes of that hash.
func (n npm) file(integrity string) string {
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(integrity, "sha512-"))
	if err != nil || len(sum) < 3 {
		return filepath.Join(n.dir, "none") // which is answered as not found
	}
	x := hex.EncodeToString(sum)
	return filepath.Join(n.dir, "cache", "_cacache", "content-v2", "sha512", x[:2], x[2:4], x[4:])
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
