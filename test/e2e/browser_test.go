package e2e

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

const browserRules = `egress:
  - {host: open.example.org, port: 443}
  - host: read.example.org
    port: 443
    http: [{methods: [GET], paths: ["/open/**"]}]
unlisted: ask
hold: 1s
`

// page is a site whose text a browser's own script writes: what comes back was
// loaded, trusted and run.
func sitePage(word string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<title>x</title><p id=p></p><script>
			document.getElementById("p").textContent = "`+word+` at " + location.pathname;
			fetch("/open/more").then(r => r.text()).then(t => { document.title = t.length > 0 ? "more came" : "nothing" })</script>`)
	})
}

// browse makes a headless Chromium print what a page has become, started as
// tools that drive one start it. Its own sandbox is off: the walls are around it.
// No certificate error is ignored.
const browse = `chromium --headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --user-data-dir=$(mktemp -d) --virtual-time-budget=4000 --timeout=30000 --dump-dom "$1"`

// A Chromium inside loads what is listed, trusts the sandbox's authority where
// requests are read, and does nothing that a wall refuses; what is not listed is
// a question like any program's.
func TestBrowser(t *testing.T) {
	h := newHome(t)
	b := h.shell("box", browserRules)
	b.needs("chromium")
	b.world.Site("open.example.org", sitePage("open"))
	b.world.Site("read.example.org", sitePage("read"))
	// The test's own authority is one that a user adds to a browser's.
	b.needs("certutil")
	ca, err := os.ReadFile(b.world.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	b.put("/sandbox/world.pem", ca)
	b.prints("", `mkdir -p ~/.pki/nssdb && certutil -N -d sql:$HOME/.pki/nssdb --empty-password && certutil -A -d sql:$HOME/.pki/nssdb -n world -t C,, -i world.pem`)
	for _, c := range []struct{ address, says string }{
		{"https://open.example.org/", "open at /"},
		{"https://read.example.org/open/x", "read at /open/x"},
		{"https://read.example.org/closed", "GET /closed is not listed"},
	} {
		if r := b.exec("bash", "-c", browse, "x", c.address); !strings.Contains(r.out, c.says) {
			t.Errorf("%s: %s", c.address, r)
		}
	}
	for _, a := range b.world.To("read.example.org") {
		for _, r := range a.Requests {
			if !strings.HasPrefix(r.Path, "/open/") {
				t.Errorf("arrived: %+v", r)
			}
		}
	}
	b.world.Site("unlisted.example.org", sitePage("unlisted"))
	if r := b.exec("bash", "-c", browse, "x", "https://unlisted.example.org/"); strings.Contains(r.out, "unlisted at") {
		t.Errorf("unlisted: %s", r)
	}
	b.event("the question", func(e audit.Event) bool {
		return e.Target == "unlisted.example.org:443" && e.Program != ""
	})
	if a := b.world.To("unlisted.example.org"); len(a) > 0 {
		t.Errorf("arrived: %+v", a)
	}
	for _, e := range b.events() {
		if e.Kind == audit.Syscall {
			t.Errorf("a wall refused: %s by %s: %s", e.Target, e.Program, e.Why)
		}
	}
}
