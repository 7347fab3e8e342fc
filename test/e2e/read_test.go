package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/test/internet"
)

const requestRules = `egress:
  - host: api.github.com
    port: 443
    http:
      - {methods: [GET], paths: ["/open/**"]}
  - host: git.example.org
    port: 443
    http:
      - {methods: [GET], paths: ["/**/info/refs"]}
      - {methods: [POST], paths: ["/**/git-upload-pack"]}
    credential: {secret: github, as: basic}
unlisted: deny
`

// token is the value of the credential.
const token = "ghp_0123456789abcdefghijklmnop"

// java asks by HTTP/2 where the server can.
const java = `import java.net.URI; import java.net.http.*;
class Get { public static void main(String[] a) throws Exception {
  var r = HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(a[0])).build(), HttpResponse.BodyHandlers.ofString());
  System.out.println(r.version() + " " + r.statusCode() + " " + r.body());
} }`

// readers are clients that ask as they always do; $1 is the address. None is
// told of an authority.
var readers = []struct{ needs, script, says string }{
	{"curl", `curl -sS --http1.1 -w '%{http_version} %{http_code}' "$1"`, "1.1"},
	{"curl", `curl -sS --http2 -w '%{http_version} %{http_code}' "$1"`, "2"},
	{"curl", `env -i /usr/bin/curl -sS -w '%{http_version} %{http_code}' "$1"`, "2"}, // trusts what is in the system's place
	{"node", `node -e 'fetch(process.argv[1]).then(async r => console.log(r.status, await r.text()))' "$1"`, ""},
	{"python3", `python3 -c 'import sys, urllib.request as u
try: print(u.urlopen(sys.argv[1]).read().decode())
except u.HTTPError as e: print(e.code, e.read().decode())' "$1"`, ""},
	{"python3", `env -i /usr/bin/python3 -c 'import sys, urllib.request as u
try: print(u.urlopen(sys.argv[1]).read().decode())
except u.HTTPError as e: print(e.code, e.read().decode())' "$1"`, ""},
	{"go", `/sandbox/get -get "$1"`, ""},
	{"go", `env -i /sandbox/get -get "$1"`, ""},
	{"javac", `java /sandbox/Get.java "$1"`, "HTTP_2"},
}

// Every client's requests are read and judged, whatever it trusts certificates
// by, and what is refused is told why.
func TestEveryClientIsRead(t *testing.T) {
	h := newHome(t)
	h.run(t.Context(), strings.NewReader(token), "secret", "set", "github", "--stdin")
	b := h.shell("box", requestRules)
	b.put("/sandbox/get", self(t))
	b.put("/sandbox/Get.java", []byte(java))
	for _, c := range readers {
		t.Run(c.needs, func(t *testing.T) {
			b := &box{&home{T: t, world: internet.Use(t), dir: b.dir, env: b.env}, b.name}
			if c.needs != "go" {
				b.needs(c.needs)
			}
			ok := b.exec("bash", "-c", c.script, "x", "https://api.github.com/open/x")
			if !strings.Contains(ok.out, `"host":"api.github.com"`) || !strings.Contains(ok.out, `"path":"/open/x"`) || !strings.Contains(ok.out, c.says) {
				t.Error(ok)
			}
			no := b.exec("bash", "-c", c.script, "x", "https://api.github.com/closed")
			if !strings.Contains(no.out, "GET /closed is not listed") {
				t.Error(no)
			}
			for _, a := range b.world.To("api.github.com") {
				for _, r := range a.Requests {
					if r.Path != "/open/x" {
						t.Errorf("arrived: %+v", r)
					}
				}
			}
		})
	}
	e := b.event("the refused request", func(e audit.Event) bool { return e.Kind == audit.HTTP && e.Verdict == "deny" })
	if e.Method != "GET" || e.Target != "api.github.com:443" || e.Path != "/closed" || e.Program == "" || e.Program == "unknown" {
		t.Errorf("%+v", e)
	}
	for path, want := range map[string]string{"/open/x": "allow", "/closed": "deny"} {
		var told struct{ Verdict, Why, Path string }
		if err := json.Unmarshal([]byte(b.do("policy", "explain", "api.github.com", "--method", "GET", "--path", path, "--json")), &told); err != nil || told.Verdict != want || told.Path != path {
			t.Errorf("explain %s: %+v, %v", path, told, err)
		}
	}
}

// packages are clients of registries as they come; each installs, and is refused
// when it would write.
var packages = []struct{ name, needs, script, writes string }{
	{"npm", "npm", `npm install --registry https://npm.example.org/ --no-audit --no-fund --ignore-scripts --fetch-retries 0 express@5.1.0 && node -e 'require("express"); console.log("installed")'`,
		`echo '{"name":"mine","version":"1.0.0"}' > package.json; npm publish --registry https://npm.example.org/ --//npm.example.org/:_authToken=x --fetch-retries 0`},
	{"pip", "/usr/bin/python3", `/usr/bin/python3 -m venv venv && env -u PIP_FIND_LINKS venv/bin/pip install -q --retries 0 --index-url https://pip.example.org/simple/ tzdata && venv/bin/python -c 'import tzdata; print("installed")'`,
		`venv/bin/python -c 'from pip._vendor import requests; r = requests.post("https://pip.example.org/legacy/", data={":action": "file_upload"}); print(r.status_code, r.text)'`},
	{"requests", "/usr/bin/python3", `[ -x venv/bin/python ] || /usr/bin/python3 -m venv venv; venv/bin/python -c 'from pip._vendor import requests; r = requests.get("https://pip.example.org/simple/tzdata/"); print("installed" if r.ok and "tzdata" in r.text else r.text)'`,
		`venv/bin/python -c 'from pip._vendor import requests
with requests.Session() as s:
	s.get("https://pip.example.org/simple/tzdata/")
	r = s.delete("https://pip.example.org/simple/tzdata/"); print(r.status_code, r.text)'`},
}

// The clients of registries install over TLS that ends at the gate, where only
// reading is listed, and publish nothing.
func TestRegistriesAreRead(t *testing.T) {
	b := newShell(t, `egress:
  - {host: npm.example.org, port: 443, http: [{methods: [GET, HEAD], paths: ["/**"]}]}
  - {host: pip.example.org, port: 443, http: [{methods: [GET, HEAD], paths: ["/**"]}]}
unlisted: deny
`)
	b.registries("../../.cache/registry")
	b.prints("", `mkdir /sandbox/work`)
	for _, c := range packages {
		t.Run(c.name, func(t *testing.T) {
			b := b.in(t)
			b.needs(c.needs)
			if r := b.sh("cd /sandbox/work && " + c.script); !strings.Contains(r.out, "installed") {
				t.Fatal(r)
			}
			if r := b.sh("cd /sandbox/work && " + c.writes); !strings.Contains(r.out+r.err, "403") {
				t.Errorf("it wrote: %s", r)
			}
		})
	}
	for _, host := range []string{"npm.example.org", "pip.example.org"} {
		arrived := b.world.To(host)
		if len(arrived) == 0 {
			t.Errorf("nothing arrived at %s", host)
		}
		for _, a := range arrived {
			for _, r := range a.Requests {
				if a.SNI != host || r.Method != "GET" && r.Method != "HEAD" {
					t.Errorf("arrived: %s %+v", a.SNI, r)
				}
			}
		}
	}
}

// A WebSocket of Node's own passes through the gate.
func TestWebSocketIsRead(t *testing.T) {
	b := newShell(t, requestRules)
	b.needs("node")
	b.world.Site("api.github.com", http.HandlerFunc(echoSocket))
	script := `
const s = new WebSocket(process.argv[1]);
s.onopen = () => s.send("hello");
s.onmessage = m => { console.log("came back:", m.data); s.close(); };
s.onerror = e => { console.log("refused"); };`
	for path, want := range map[string]string{"/open/socket": "came back: hello", "/closed": "refused"} {
		if r := b.exec("node", "--no-warnings", "--experimental-websocket", "-e", script, "wss://api.github.com"+path); !strings.Contains(r.out, want) {
			t.Errorf("%s: %s", path, r)
		}
	}
}

// echoSocket agrees to a WebSocket (RFC 6455, 4.2.2) and sends its first short
// message back.
func echoSocket(w http.ResponseWriter, r *http.Request) {
	c, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n")
	rw.Flush()
	head := make([]byte, 6)
	if _, err := io.ReadFull(rw, head); err != nil {
		return
	}
	text := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(rw, text); err != nil {
		return
	}
	for i := range text {
		text[i] ^= head[2+i%4]
	}
	rw.Write(append([]byte{0x81, byte(len(text))}, text...))
	rw.Flush()
	_, _ = bufio.NewReader(rw).Peek(1) // its close
}

// git clones by a credential that the sandbox never sees, and cannot push.
func TestGitWithACredential(t *testing.T) {
	h := newHome(t)
	work, bare := filepath.Join(h.dir, "..", "work"), filepath.Join(h.dir, "..", "repo.git")
	for _, argv := range [][]string{
		{"git", "init", "-q", "-b", "main", work}, {"git", "-C", work, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "--allow-empty", "-m", "a word of the server"},
		{"git", "clone", "-q", "--bare", work, bare}, {"git", "-C", bare, "config", "http.receivepack", "true"},
	} {
		c := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
		c.Env = h.env
		if out, err := c.CombinedOutput(); err != nil {
			t.Skipf("needs git: %v: %s", err, out)
		}
	}
	h.world.Site("git.example.org", gitServer(t, h, filepath.Dir(bare)))
	b := h.shell("box", requestRules)
	b.needs("git")
	const clone = `cd /tmp && rm -rf c && GIT_TERMINAL_PROMPT=0 git clone -q https://git.example.org/repo.git c && git -C c log --format=%s`
	if r := b.sh(clone); r.code == 0 || !strings.Contains(r.err, "403") {
		t.Errorf("without the secret: %s", r)
	}
	h.run(t.Context(), strings.NewReader(token+"\n"), "secret", "set", "github", "--stdin")
	b.await("the secret", func() bool { return b.sh(clone).code == 0 })
	b.prints("a word of the server", `git -C /tmp/c log --format=%s`)
	push := b.sh(`cd /tmp/c && git -c user.name=y -c user.email=y@y commit -q --allow-empty -m mine && GIT_TERMINAL_PROMPT=0 git push -q origin main`)
	if push.code == 0 || !strings.Contains(push.err, "403") {
		t.Errorf("push: %s", push)
	}
	for _, where := range []string{`env`, `cat /proc/self/environ /proc/1/environ`, `grep -rs . /sandbox /tmp /etc`} {
		if r := b.sh(where + ` | grep -a ` + token); strings.Contains(r.out, token) {
			t.Errorf("%s shows the token", where)
		}
	}
	book := b.do("audit", "tail", "--json", "-n", "10000")
	if strings.Contains(book, token) || strings.Contains(book, base64.StdEncoding.EncodeToString([]byte("x-access-token:"+token))) {
		t.Error("the token is in the book")
	}
}

// gitServer is git's own, behind the one password.
func gitServer(t *testing.T, h *home, root string) http.Handler {
	core, err := exec.CommandContext(t.Context(), "git", "--exec-path").Output()
	if err != nil {
		t.Skipf("needs git: %v", err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(string(bytes.TrimSpace(core)), "git-http-backend"), Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x", "HOME=" + filepath.Dir(h.dir)},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "x-access-token" || password != token {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	})
}

// self is this very program, a client of Go's.
func self(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A throw-away sandbox has an authority of its own where a rule needs one, and
// leaves nothing of it behind.
func TestRunReadsRequests(t *testing.T) {
	h := newHome(t)
	h.run(t.Context(), strings.NewReader(token), "secret", "set", "github", "--stdin")
	rules := filepath.Join(t.TempDir(), "p.yaml")
	text := `egress: [{host: api.github.com, port: 443, http: [{methods: [GET], paths: ["/open/**"]}], credential: github}]`
	if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 1)
	h.world.Site("api.github.com", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Get("Authorization") }))
	for path, want := range map[string]string{"/open/x": "200", "/closed": "403"} {
		if r := h.nemoclaw("run", "--policy", rules, "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "https://api.github.com"+path); r.out != want {
			t.Errorf("%s: %s", path, r)
		}
	}
	if got := <-seen; got != "Bearer "+token {
		t.Errorf("the server saw %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(h.tmp(), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
