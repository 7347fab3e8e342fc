package registry

import (
	"fmt"
	"html"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Python serves the wheels in dir as a simple index (PEP 503): every project's
// page lists its files.
func Python(dir string) (http.Handler, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open index of wheels: %w", err)
	}
	pages := map[string]string{}
	for _, e := range entries {
		name, _, _ := strings.Cut(e.Name(), "-")
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
		file := html.EscapeString(e.Name())
		pages["/simple/"+name+"/"] += `<a href="/files/` + file + `">` + file + "</a>\n"
	}
	mux := http.NewServeMux()
	mux.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir(dir))))
	mux.HandleFunc("/simple/", func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!DOCTYPE html><html><body>\n%s</body></html>\n", page)
	})
	return mux, nil
}

// Go serves the modules that this machine has downloaded: its cache has the form
// of a proxy (go help goproxy).
func Go() (http.Handler, error) {
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		return nil, fmt.Errorf("open cache of Go modules: %w", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "cache", "download")
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open cache of Go modules: %w", err)
	}
	return http.FileServer(http.Dir(dir)), nil
}

// Git serves the repositories in dir to be cloned, by git's own program for that
// (git-http-backend(1)).
func Git(dir string) (http.Handler, error) {
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("open repositories: %w", err)
	}
	program := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("open repositories: %w", err)
	}
	return &cgi.Handler{
		Path: program,
		Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}, nil
}
