package blueprint

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

// recipeFiles is the smallest recipe that has everything.
func recipeFiles() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		RecipeFile: file(`
format: 1
name: demo
version: 1.2.3
published: 2026-01-02
needs: 0.1.0
changes: [first]
base: system
platforms: [linux/amd64, linux/arm64]
agent:
  name: Demo
  argv: [demo, serve]
  dir: /sandbox
  health: {port: 18789, live: /healthz, ready: /readyz}
  start: 1m
  stop: 10s
login: [/bin/sh]
path: [node_modules/.bin]
env: {DEMO: "1"}
ports: [{name: gateway, port: 18789}]
policies: {network: n.yaml, inference: i.yaml}
seeds: [{path: /sandbox/.demo.json, mode: "0600", fill: true, file: demo.json}]
packages: {lock: package-lock.json}
`),
		"n.yaml":    file("egress: []\nunlisted: ask\n"),
		"i.yaml":    file("routes: []\n"),
		"demo.json": file(`{"name": "{{name}}", "port": {{gateway_port}}, "token": "{{gateway_token}}", "model": "{{model}}"}`),
		"package-lock.json": file(`{"lockfileVersion": 3, "packages": {"": {"dependencies": {"a": "1.0.0"}},
			"node_modules/a": {"version": "1.0.0", "integrity": "` + integrity + `", "bin": {"a": "cli.js"}}}}`),
	}
}

const integrity = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==" // of no bytes

func build(t *testing.T) Artifact {
	t.Helper()
	a, err := Build(recipeFiles())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestBuildIsReproducible: the digest is of what the files say, and of all of
// them.
func TestBuildIsReproducible(t *testing.T) {
	first, again := build(t), build(t)
	if first.Digest != again.Digest {
		t.Errorf("built twice: %s and %s", first.Digest, again.Digest)
	}
	for name := range recipeFiles() {
		files := recipeFiles()
		text := string(files[name].Data)
		files[name].Data = []byte(strings.NewReplacer("first", "second", "egress", " egress", "routes", " routes", `"name"`, `"Name"`, "1.0.0", "1.0.1").Replace(text))
		other, err := Build(files)
		if err != nil {
			t.Fatal(name, err)
		}
		if other.Digest == first.Digest {
			t.Errorf("%s changed, and the digest did not", name)
		}
	}
}

// TestOpenArtifact: what was packed opens from its bytes alone, and with any
// bit of any blob turned it does not.
func TestOpenArtifact(t *testing.T) {
	a := build(t)
	from := func(blobs map[Digest][]byte) Load {
		return func(b Blob) ([]byte, error) { return blobs[b.Digest], nil }
	}
	if _, err := OpenArtifact(a.Digest, a.Image, from(a.Blobs)); err != nil {
		t.Fatalf("the right bytes: %v", err)
	}
	for digest, body := range a.Blobs {
		blobs := map[Digest][]byte{}
		for d, b := range a.Blobs {
			blobs[d] = b
		}
		for what, bad := range map[string][]byte{
			"changed":   append([]byte{body[0] ^ 1}, body[1:]...),
			"truncated": body[:len(body)-1],
			"longer":    append(bytes.Clone(body), ' '),
			"missing":   nil,
		} {
			blobs[digest] = bad
			_, err := OpenArtifact(a.Digest, a.Image, from(blobs))
			var m *Mismatch
			if !errors.As(err, &m) || m.Want != digest {
				t.Errorf("%s %s: got %v, want a Mismatch of it", what, digest.Short(), err)
			}
		}
	}
	if _, err := OpenArtifact(a.Digest, append(bytes.Clone(a.Image), '\n'), from(a.Blobs)); err == nil {
		t.Error("an image with a byte more opened")
	}
}

// TestImageIsOnlyABlueprint: an OCI image manifest that says what no blueprint
// does is refused, though its own digest is right.
func TestImageIsOnlyABlueprint(t *testing.T) {
	a := build(t)
	for more, before := range map[string]string{
		`"subject":{"mediaType":"a/b","digest":"sha256:00","size":0}`: `"config"`,
		`"data":"AAAA"`: `"annotations"`,
		`"platform":{"architecture":"amd64","os":"linux"}`: `"annotations"`,
		`"urls":["https://a.test/"]`:                       `"annotations"`,
	} {
		image := bytes.Replace(a.Image, []byte(before), []byte(more+","+before), 1)
		if _, err := OpenArtifact(Sum(image), image, nil); err == nil || !strings.Contains(err.Error(), "unknown field") {
			t.Errorf("%s: %v", more, err)
		}
	}
}

// TestMismatchText is the article's error and its remedy.
func TestMismatchText(t *testing.T) {
	m := &Mismatch{Blueprint: "demo@1.2.3", What: "package a@1.0.0", Want: Sum([]byte("a")), Got: Sum([]byte("b")), Sandbox: "my-assistant"}
	for _, want := range []string{"Blueprint digest mismatch", "demo@1.2.3", "a@1.0.0", "expected " + string(m.Want), "got " + string(m.Got)} {
		if !strings.Contains(m.Error(), want) {
			t.Errorf("%q does not say %q", m, want)
		}
	}
	for _, want := range []string{"nemoclaw blueprint cache clear", "nemoclaw my-assistant rebuild", "do not proceed"} {
		if !strings.Contains(m.Hint(), want) {
			t.Errorf("hint %q does not say %q", m.Hint(), want)
		}
	}
}

// TestManifestRefuses: each edit of a good manifest makes it a bad one.
func TestManifestRefuses(t *testing.T) {
	good, err := EncodeManifest(build(t).Manifest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseManifest(good); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	lockDigest := string(build(t).Manifest.Packages.Lock.Digest)
	for _, edit := range [][2]string{
		{`{"format":1`, `{"format":2`},
		{`{"format":1`, `{"format":1,"extra":true`},
		{`{"format":1`, `{"format":1,"format":1`},
		{`{"format":1`, `{ "format":1`},
		{`"name":"demo"`, `"Name":"demo"`},
		{`"name":"demo"`, `"name":"../demo"`},
		{`"name":"demo"`, `"name":"1demo"`},
		{`"version":"1.2.3"`, `"version":"v1.2.3"`},
		{`"version":"1.2.3"`, `"version":"1.2"`},
		{`"version":"1.2.3"`, `"version":""`},
		{`"published":"2026-01-02"`, `"published":"yesterday"`},
		{`"base":"system"`, `"base":"debian"`},
		{`linux/amd64`, `windows/amd64`},
		{`"/bin/sh"`, `""`},
		{`"/bin/sh"`, `"/bin/sh\u001b[2J"`},
		{`"DEMO":"1"`, `"LD_PRELOAD":"1"`},
		{`"DEMO":"1"`, `"PATH":"1"`},
		{`"DEMO":"1"`, `"A=B":"1"`},
		{`node_modules/.bin`, `../bin`},
		{`"port":18789,"live"`, `"port":0,"live"`},
		{`"/healthz"`, `"healthz"`},
		{`"start":"1m0s"`, `"start":"0s"`},
		{`"/sandbox/.demo.json"`, `"/etc/passwd"`},
		{`"/sandbox/.demo.json"`, `"/sandbox/../etc/passwd"`},
		{`"0600"`, `"4755"`},
		{`"0600"`, `"0666"`},
		{`"digest":"` + lockDigest + `"`, `"digest":""`},
		{`"digest":"` + lockDigest + `",`, ``},
		{`"digest":"` + lockDigest + `"`, `"digest":"` + strings.ToUpper(lockDigest) + `"`},
		{`"digest":"` + lockDigest + `"`, `"digest":"` + lockDigest[:40] + `"`},
		{TypeNpmLock, "application/x-tar"},
		{`"title":"n.yaml"`, `"title":"../n.yaml"`},
	} {
		bad := strings.Replace(string(good), edit[0], edit[1], 1)
		if bad == string(good) {
			t.Fatalf("%s: not in the manifest", edit[0])
		}
		if m, err := ParseManifest([]byte(bad)); err == nil {
			t.Errorf("%s for %s: parsed as %+v", edit[1], edit[0], m)
		}
	}
	if _, err := ParseManifest(append(good, good...)); err == nil {
		t.Error("two manifests in one parsed")
	}
}

// TestRecipeRefuses: a mistake is found when the blueprint is built, not on a
// user's machine.
func TestRecipeRefuses(t *testing.T) {
	for what, edit := range map[string][3]string{
		"unknown key":         {RecipeFile, "changes:", "chnages:"},
		"second document":     {RecipeFile, "packages:", "---\npackages:"},
		"file not there":      {RecipeFile, "n.yaml", "m.yaml"},
		"file outside":        {RecipeFile, "n.yaml", "../n.yaml"},
		"unknown placeholder": {"demo.json", "{{name}}", "{{nmae}}"},
		"weak integrity":      {"package-lock.json", integrity, "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="},
		"no integrity":        {"package-lock.json", integrity, ""},
	} {
		files := recipeFiles()
		text := strings.Replace(string(files[edit[0]].Data), edit[1], edit[2], 1)
		if text == string(files[edit[0]].Data) {
			t.Fatalf("%s: nothing edited", what)
		}
		files[edit[0]].Data = []byte(text)
		if _, err := Build(files); err == nil {
			t.Errorf("%s: built", what)
		}
	}
}

// TestSeed: values cannot leave the quotes they stand in.
func TestSeed(t *testing.T) {
	a := build(t)
	hostile := "x\", \"admin\": true, \"y\": \"\n{{name}}"
	body, err := a.Seed(a.Manifest.Seeds[0], Values{Name: "box", GatewayPort: 18789, GatewayToken: "t", Model: hostile})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if len(got) != 4 || got["model"] != hostile || got["name"] != "box" || got["port"] != 18789.0 {
		t.Errorf("filled: %v", got)
	}
}

// FuzzManifest holds the law: what parses is the encoding of what was parsed.
func FuzzManifest(f *testing.F) {
	a, err := Build(recipeFiles())
	if err != nil {
		f.Fatal(err)
	}
	good, err := EncodeManifest(a.Manifest)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(b)
		if err != nil {
			return
		}
		again, err := EncodeManifest(m)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q parses and encodes to %q (%v)", b, again, err)
		}
		for _, blob := range m.Blobs() {
			if blob.Digest == "" {
				t.Errorf("%q parses without a digest", b)
			}
		}
	})
}

func TestMoveForm(t *testing.T) {
	if err := (Move{"node_modules/@s/a", "node_modules/b/c"}).check(); err != nil {
		t.Error(err)
	}
	for _, wrong := range []Move{
		{"node_modules/a", "node_modules/a"}, {"node_modules/a", "node_modules/a/b"}, {"node_modules/a/b", "node_modules/a"},
		{"node_modules/a", "../a"}, {"node_modules/a", "node_modules/../../a"}, {"bin/a", "node_modules/a"}, {"node_modules/a", "/node_modules/a"},
		{"node_modules/a", ""}, {"node_modules/a", "node_modules/b/"},
	} {
		if wrong.check() == nil {
			t.Errorf("%+v passes", wrong)
		}
	}
}
