package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPinnedBase: a sandbox on a pinned base has nothing of the machine's own
// /usr, what it has works, the walls are as everywhere, and status says so.
func TestPinnedBase(t *testing.T) {
	h := newHome(t)
	h.store() // which has the base's packages, of the built-in blueprint that stands on the same
	recipe := t.TempDir()
	from := filepath.Join("..", "..", "blueprints", "openclaw", "0.3.0")
	lock, err := os.ReadFile(filepath.Join(from, "debian-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(from, "blueprint.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(whole), "\ndebian:\n")
	base, _, _ := strings.Cut(rest, "\npackages:\n")
	for name, text := range map[string]string{
		"debian-lock.json": string(lock),
		"n.yaml":           "unlisted: deny\n",
		"i.yaml":           "routes: [{model: '*', to: ollama/tiny}]\nproviders: {ollama: {url: 'http://127.0.0.1:11434'}}\n",
		"blueprint.yaml": "format: 1\nname: pinned\nversion: 1.0.0\npublished: 2026-11-27\nneeds: 0.1.0\nchanges: [first]\nbase: debian\n" +
			"platforms: [linux/amd64, linux/arm64]\nlogin: [/bin/bash, -l]\npolicies: {network: n.yaml, inference: i.yaml}\n" +
			"run: [[/bin/sh, -c, 'test ! -e /usr/bin/make && git --version > /sandbox/content/made-on']]\ndebian:\n" + base + "\n",
	} {
		if err := os.WriteFile(filepath.Join(recipe, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.must("blueprint", "build", recipe)
	if out := h.must("blueprint", "inspect", "pinned"); !strings.Contains(out, "Base: Debian packages, each pinned by its SHA-256") {
		t.Error(out)
	}
	own, pinned := h.shell("own", ""), h.shell("pin", "", "--blueprint", "pinned")

	if out := own.do("status"); !strings.Contains(out, "Base: this machine's /usr, not pinned") {
		t.Error(out)
	}
	if out := pinned.do("status"); !strings.Contains(out, "Base: Debian packages, each pinned by its SHA-256") {
		t.Error(out)
	}
	own.prints("/usr/bin/make", "command -v make") // the control: tests cannot run where it is missing
	pinned.prints("", "command -v make || true")
	pinned.prints("git version 2.39.5", "cat /opt/nemoclaw/content/made-on")
	pinned.prints("Debian GNU/Linux 12 (bookworm)", ". /etc/os-release; echo $PRETTY_NAME")
	pinned.prints("ok", "echo 1 2 | awk '$1 == 1 { print \"ok\" }'")
	pinned.prints("ok", `python3 -c 'import json, sqlite3, ssl, zoneinfo; ssl.create_default_context(); zoneinfo.ZoneInfo("Asia/Tokyo"); print("ok")'`)
	pinned.prints("ok", "cd /tmp && git init -q a && cd a && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --format=%s | grep -q x && echo ok")
	pinned.prints("nemoclaw", "openssl storeutl -noout -certs /etc/ssl/certs/ca-certificates.crt >/dev/null && openssl x509 -in /etc/ssl/certs/nemoclaw.pem -noout -subject | grep -io nemoclaw | head -1")
	if r := pinned.sh("echo x > /usr/bin/mine"); r.code == 0 || !strings.Contains(r.err, "Permission denied") && !strings.Contains(r.err, "Read-only") {
		t.Error(r)
	}
	if out := pinned.do("verify"); !strings.Contains(out, " 0 got through") {
		t.Error(out)
	}
}
