package egress

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// The sites that real clients go to. The hosts of packages are the world's own.
const sites = `egress:
  - {host: git.example, port: 443}
  - {host: packages.example, port: 443}
  - {host: ws.example, port: 443}
  - {host: api.example, port: 443}
unlisted: deny
`

// client is a program that people use, as they use it: no proxy, no setting of
// ours. argv gets the folder that it may write to.
type client struct {
	name, needs string
	site        func(*testing.T, *bench)
	argv        func(dir string) []string
	host        string                      // what it reaches
	got         func(out, dir string) error // what it must have got
}

func shell(script string) func(string) []string {
	return func(dir string) []string {
		return []string{"sh", "-c", "cd " + dir + " && export HOME=" + dir + " && " + script}
	}
}

// TestRealClients: each reaches what is listed, over the real capture, and
// fails where it is not; what arrived is what it asked for.
func TestRealClients(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			if _, err := exec.LookPath(c.needs); err != nil {
				t.Skip("needs " + c.needs)
			}
			b := newBench(t, sites, nil)
			if c.site != nil {
				c.site(t, b)
			}
			dir := t.TempDir()
			argv := c.argv(dir)
			out, err := b.inside.Run(argv...)
			if err != nil {
				t.Fatalf("%s, %v", out, err)
			}
			if err := c.got(out, dir); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if a := b.world.To(c.host); len(a) == 0 || a[0].SNI != c.host || len(a[0].Requests) == 0 {
				t.Errorf("arrived: %+v", a)
			}
			for i := range argv {
				argv[i] = strings.ReplaceAll(argv[i], c.host, "unlisted.example")
				argv[i] = strings.ReplaceAll(argv[i], dir, t.TempDir())
			}
			if out, err := b.inside.Run(argv...); err == nil {
				t.Errorf("unlisted, and it got through: %s", out)
			}
			b.events.await(t, to("unlisted.example:443", policy.Deny))
			if a := b.world.To("unlisted.example"); len(a) > 0 {
				t.Errorf("arrived: %+v", a)
			}
		})
	}
}

func says(word string) func(string, string) error {
	return func(out, _ string) error {
		if !strings.Contains(out, word) {
			return fmt.Errorf("no %q", word)
		}
		return nil
	}
}

func holds(path, word string) func(string, string) error {
	return func(_, dir string) error {
		text, err := os.ReadFile(filepath.Join(dir, path))
		if err == nil && !strings.Contains(string(text), word) {
			err = fmt.Errorf("%s has no %q", path, word)
		}
		return err
	}
}

func clients() []client {
	return []client{
		{name: "curl HTTP/1.1", needs: "curl", host: "api.example",
			argv: shell(`curl -fsS -m 20 --http1.1 https://api.example/x`), got: says(`"proto":"HTTP/1.1"`)},
		{name: "curl HTTP/2", needs: "curl", host: "api.example",
			argv: shell(`curl -fsS -m 20 --http2 https://api.example/x`), got: says(`"proto":"HTTP/2.0"`)},
		{name: "git", needs: "git", host: "git.example", site: gitSite,
			argv: shell(`git clone -q https://git.example/repo.git`), got: holds("repo/README", "from the repository")},
		{name: "npm", needs: "npm", host: "packages.example", site: npmSite,
			argv: shell(`npm install --no-audit --no-fund --fetch-retries=0 --registry https://packages.example/npm/ tiny`), got: holds("node_modules/tiny/index.js", "from the package")},
		{name: "pip", needs: "python3", host: "packages.example", site: pipSite,
			argv: shell(`python3 -m pip install -q --disable-pip-version-check --no-cache-dir --retries 0 --cert "$SSL_CERT_FILE" --index-url https://packages.example/simple/ --target lib tiny`), got: holds("lib/tiny.py", "from the wheel")},
		{name: "go", needs: "go", host: "packages.example", site: goSite,
			// Without telemetry, whose process outlives the command and writes below HOME.
			argv: shell(`mkdir -p .config/go/telemetry && echo off >.config/go/telemetry/mode && XDG_CONFIG_HOME=$HOME/.config GOMODCACHE=$HOME/mod GOCACHE=$HOME/cache GOFLAGS=-modcacherw GOTOOLCHAIN=local GOSUMDB=off GOPROXY=https://packages.example/go go mod download -x tiny.example/m@v1.0.0`), got: holds("mod/tiny.example/m@v1.0.0/m.go", "from the module")},
		{name: "node fetch", needs: "node", host: "api.example",
			argv: shell(`node -e 'fetch("https://api.example/x").then(r => r.text()).then(console.log)'`), got: says(`"path":"/x"`)},
		{name: "node WebSocket", needs: "node", host: "ws.example", site: wsSite,
			argv: shell(`node --no-warnings --experimental-websocket -e 'const w = new WebSocket("wss://ws.example/chat"); w.onopen = () => w.send("hello"); w.onmessage = m => { console.log("heard " + m.data); process.exit(0) }; w.onerror = () => process.exit(1)'`), got: says("heard hello")},
		{name: "Python asyncio", needs: "python3", host: "api.example", argv: shell(`cat > a.py <<'X'
import asyncio, ssl
async def main():
    r, w = await asyncio.open_connection("api.example", 443, ssl=ssl.create_default_context())
    w.write(b"GET /x HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n")
    print((await r.read()).decode())
asyncio.run(main())
X
python3 a.py`), got: says(`"path":"/x"`)},
		{name: "Java HttpClient", needs: "keytool", host: "api.example", argv: shell(`cat > Get.java <<'X'
import java.net.URI; import java.net.http.*;
public class Get { public static void main(String[] a) throws Exception {
	System.out.println(HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create("https://api.example/x")).build(), HttpResponse.BodyHandlers.ofString()).body());
} }
X
keytool -importcert -noprompt -alias world -file "$NODE_EXTRA_CA_CERTS" -keystore trust -storetype PKCS12 -storepass changeit 2>/dev/null >&2
java -Xshare:auto -XX:TieredStopAtLevel=1 -Djavax.net.ssl.trustStore=trust -Djavax.net.ssl.trustStorePassword=changeit Get.java`), got: says(`"path":"/x"`)},
	}
}

// gitSite is a repository that is nothing but files.
func gitSite(t *testing.T, b *bench) {
	dir := t.TempDir()
	make := `git init -q work && cd work && echo from the repository > README && git add . && git -c user.name=a -c user.email=a@example commit -qm x && git clone -q --bare . ../repo.git && git -C ../repo.git update-server-info`
	c := exec.CommandContext(t.Context(), "sh", "-c", make)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b.world.Site("git.example", http.FileServer(http.Dir(dir)))
}

// npmSite is a registry with one package.
func npmSite(t *testing.T, b *bench) {
	var text bytes.Buffer
	z := gzip.NewWriter(&text)
	w := tar.NewWriter(z)
	for name, body := range map[string]string{"package/package.json": `{"name":"tiny","version":"1.0.0"}`, "package/index.js": "// from the package\n"} {
		check(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body))}))
		_, err := io.WriteString(w, body)
		check(t, err)
	}
	check(t, w.Close())
	check(t, z.Close())
	b.world.Site("packages.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/npm/tiny":
			fmt.Fprintf(rw, `{"name":"tiny","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"name":"tiny","version":"1.0.0","dist":{"tarball":"https://packages.example/npm/tiny.tgz","shasum":"%x"}}}}`, sha1.Sum(text.Bytes()))
		case "/npm/tiny.tgz":
			_, _ = rw.Write(text.Bytes())
		default:
			http.NotFound(rw, r)
		}
	}))
}

func zipped(t *testing.T, files ...string) []byte {
	var text bytes.Buffer
	w := zip.NewWriter(&text)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		check(t, err)
		_, err = io.WriteString(f, files[i+1])
		check(t, err)
	}
	check(t, w.Close())
	return text.Bytes()
}

// pipSite is an index with one wheel.
func pipSite(t *testing.T, b *bench) {
	const info = "tiny-1.0.0.dist-info/"
	wheel := zipped(t, "tiny.py", "# from the wheel\n", info+"METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0.0\n",
		info+"WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		info+"RECORD", "tiny.py,,\n"+info+"METADATA,,\n"+info+"WHEEL,,\n"+info+"RECORD,,\n")
	b.world.Site("packages.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/simple/tiny/":
			rw.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(rw, `<a href="/tiny-1.0.0-py3-none-any.whl">tiny</a>`)
		case "/tiny-1.0.0-py3-none-any.whl":
			_, _ = rw.Write(wheel)
		default:
			http.NotFound(rw, r)
		}
	}))
}

// goSite is a module proxy with one module.
func goSite(t *testing.T, b *bench) {
	const mod = "module tiny.example/m\n"
	files := map[string][]byte{
		"info": []byte(`{"Version":"v1.0.0","Time":"2026-01-01T00:00:00Z"}`), "mod": []byte(mod),
		"zip": zipped(t, "tiny.example/m@v1.0.0/go.mod", mod, "tiny.example/m@v1.0.0/m.go", "package m // from the module\n"),
	}
	b.world.Site("packages.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		kind, found := strings.CutPrefix(r.URL.Path, "/go/tiny.example/m/@v/v1.0.0.")
		if !found || files[kind] == nil {
			http.NotFound(rw, r)
			return
		}
		_, _ = rw.Write(files[kind])
	}))
}

// wsSite accepts a WebSocket and says each short text back (RFC 6455).
func wsSite(t *testing.T, b *bench) {
	b.world.Site("ws.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		c, both, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(key[:]))
		for head := make([]byte, 6); ; {
			if _, err := io.ReadFull(both, head); err != nil {
				return
			}
			body := make([]byte, head[1]&0x7f)
			if _, err := io.ReadFull(both, body); err != nil {
				return
			}
			for i := range body {
				body[i] ^= head[2+i%4]
			}
			_, _ = c.Write(append([]byte{head[0], byte(len(body))}, body...))
		}
	}))
}
