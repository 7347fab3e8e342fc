package registry

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestAptSources: both forms of apt's sources are read, and only what is a web
// address with packages in main counts.
func TestAptSources(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sources.list.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sources.list": "# deb http://commented.test/debian bookworm main\n" +
			"deb [arch=amd64 signed-by=/x.gpg] http://one.test/debian/ bookworm main contrib\n" +
			"deb-src http://source.test/debian bookworm main\n" +
			"deb cdrom:[disk]/ bookworm main\n" +
			"deb http://extra.test/debian bookworm contrib\n",
		"sources.list.d/other.list":     "deb https://vendor.test/apt stable main # theirs\n",
		"sources.list.d/debian.sources": "Types: deb deb-src\nURIs: http://two.test/debian http://one.test/debian\nSuites: bookworm\nComponents: main\n\nEnabled: no\nTypes: deb\nURIs: http://off.test/debian\nSuites: bookworm\nComponents: main\n",
		"sources.list.d/broken.sources": "no colon\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"http://one.test/debian", "http://two.test/debian", "https://vendor.test/apt"}
	if got := aptSources(dir); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := aptSources(filepath.Join(dir, "none")); len(got) != 0 {
		t.Errorf("without apt: %q", got)
	}
}

// TestMirrors: the variable comes before apt's sources; a mirror that has a
// file not is passed over, one that is broken is not.
func TestMirrors(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/full/pool/a.deb", "/security/pool/updates/b.deb":
			_, _ = io.WriteString(w, r.URL.Path)
		case "/broken/pool/a.deb":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	t.Setenv(MirrorVariable, server.URL+"/empty "+server.URL+"/full/ "+server.URL+"/security")
	m, err := FindMirrors(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"pool/a.deb": "/full/pool/a.deb", "pool/updates/b.deb": "/security/pool/updates/b.deb"} {
		got, err := m.Deb(t.Context(), "a", name, 0)
		if err != nil {
			t.Fatal(name, err)
		}
		if body, err := io.ReadAll(got.Body); err != nil || string(body) != want {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		got.Body.Close()
	}
	if order := m.inOrder("pool/updates/b.deb"); order[0].Path != "/security" {
		t.Errorf("an update is first asked of %s", order[0])
	}
	var gone *Gone
	if _, err := m.Deb(t.Context(), "c_1", "pool/c.deb", 0); !errors.As(err, &gone) || len(gone.Asked) != 1 {
		t.Errorf("nobody has it: %v", err)
	}
	m, err = MirrorsAt(nil, server.URL+"/broken", server.URL+"/full")
	if err != nil {
		t.Fatal(err)
	}
	var status *Status
	if _, err := m.Deb(t.Context(), "a", "pool/a.deb", 0); !errors.As(err, &status) || !status.Passing() {
		t.Errorf("a broken mirror: %v", err)
	}
	var none *None
	if _, err := MirrorsAt(nil, "ftp://mirror.test/debian"); !errors.As(err, &none) {
		t.Errorf("no web address: %v", err)
	}
}
