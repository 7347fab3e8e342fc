package blueprint

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"
)

func debLock(t testing.TB) []byte {
	t.Helper()
	one := func(name string) Deb {
		return Deb{Name: name, Version: "1:2.0-1+deb12u1", Path: "pool/main/x/" + name + "_2.0-1+deb12u1_amd64.deb", Size: 5, Digest: Sum([]byte(name))}
	}
	text, err := EncodeDebianLock(DebianLock{Packages: map[string][]Deb{
		"amd64": {one("bash"), one("libstdc++6")}, "arm64": {one("bash"), one("libstdc++6")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// onDebian is recipeFiles on a pinned base.
func onDebian(t testing.TB) fstest.MapFS {
	files := recipeFiles()
	text := string(files[RecipeFile].Data)
	text = strings.Replace(text, "base: system", "base: debian\ndebian: {lock: debian-lock.json, leave: [usr/share/man], links: [{path: usr/bin/awk, target: mawk}]}", 1)
	files[RecipeFile] = &fstest.MapFile{Data: []byte(text)}
	files["debian-lock.json"] = &fstest.MapFile{Data: debLock(t)}
	return files
}

// TestPinnedBase: the lock is part of what the digest covers; what stands on
// the same base shares it, and another lock is another base.
func TestPinnedBase(t *testing.T) {
	files := onDebian(t)
	a, err := Build(files)
	if err != nil {
		t.Fatal(err)
	}
	if on := build(t).Manifest.BaseDigest(); on != "" {
		t.Errorf("on the machine's own: %s", on)
	}
	files["debian-lock.json"] = &fstest.MapFile{Data: bytes.Replace(debLock(t), []byte(`"size": 5`), []byte(`"size": 6`), 1)}
	b, err := Build(files)
	if err != nil || a.Digest == b.Digest || a.Manifest.BaseDigest() == b.Manifest.BaseDigest() {
		t.Errorf("another lock: %v, %s and %s", err, a.Digest, b.Digest)
	}
	deltas, err := Differences(build(t), a)
	if err != nil || !strings.Contains(deltaText(deltas), "package bash (amd64)") {
		t.Errorf("differences: %v, %v", deltas, err)
	}
}

func deltaText(all []Delta) string {
	var out strings.Builder
	for _, d := range all {
		out.WriteString(d.What + "\n")
	}
	return out.String()
}

// TestPinnedBaseRefuses: a base is whole or does not parse.
func TestPinnedBaseRefuses(t *testing.T) {
	for what, edit := range map[string]func(string) string{
		"no packages":     func(s string) string { return s[:strings.Index(s, "debian: {")] + s[strings.Index(s, "platforms"):] },
		"another base":    func(s string) string { return strings.Replace(s, "base: debian", "base: system", 1) },
		"an unknown base": func(s string) string { return strings.Replace(s, "base: debian", "base: ubuntu", 1) },
		"leave elsewhere": func(s string) string { return strings.Replace(s, "usr/share/man", "../usr", 1) },
		"link elsewhere":  func(s string) string { return strings.Replace(s, "usr/bin/awk", "/usr/bin/awk", 1) },
		"link to nothing": func(s string) string { return strings.Replace(s, "target: mawk", "target: ''", 1) },
		"an npm lock": func(s string) string {
			return strings.Replace(s, "lock: debian-lock.json", "lock: package-lock.json", 1)
		},
		"other platforms":  func(s string) string { return s },
		"a missing digest": func(s string) string { return s },
	} {
		t.Run(what, func(t *testing.T) {
			files := onDebian(t)
			files[RecipeFile] = &fstest.MapFile{Data: []byte(edit(string(files[RecipeFile].Data)))}
			lock := string(files["debian-lock.json"].Data)
			switch what {
			case "other platforms":
				lock = lock[:strings.Index(lock, `  ],
  "arm64"`)] + "  ]\n }\n}\n"
			case "a missing digest":
				lock = strings.Replace(lock, "sha256:", "", 1)
			}
			files["debian-lock.json"] = &fstest.MapFile{Data: []byte(lock)}
			if _, err := Build(files); err == nil {
				t.Error("it was built")
			}
		})
	}
}

// TestDebianLockRefuses: nothing parses but the one form of a lock in which
// every package has a digest and a place below pool.
func TestDebianLockRefuses(t *testing.T) {
	good := string(debLock(t))
	if _, err := ParseDebianLock([]byte(good)); err != nil {
		t.Fatalf("the control: %v", err)
	}
	for what, pair := range map[string][2]string{
		"an empty digest":       {`"digest": "sha256:` + Sum([]byte("bash")).Hex(), `"digest": "`},
		"a weak digest":         {"sha256:", "md5:"},
		"upper case":            {Sum([]byte("bash")).Hex(), strings.ToUpper(Sum([]byte("bash")).Hex())},
		"a path elsewhere":      {"pool/main/x/bash", "pool/../../x/bash"},
		"an absolute path":      {"pool/main/x/bash", "/pool/main/x/bash"},
		"a URL":                 {"pool/main/x/bash", "http://host.test/pool/bash"},
		"a query":               {"amd64.deb", "amd64.deb?x=.deb"},
		"no package":            {"amd64.deb", "amd64.exe"},
		"a name with a slash":   {`"name": "bash"`, `"name": "../bash"`},
		"twice":                 {`"name": "libstdc++6"`, `"name": "bash"`},
		"not in order":          {`"name": "bash"`, `"name": "zsh"`},
		"no size":               {`"size": 5`, `"size": 0`},
		"a size that is a bomb": {`"size": 5`, `"size": 999999999999`},
		"an unknown key":        {`"size": 5`, `"size": 5, "script": "rm"`},
		"an unknown platform":   {`"arm64"`, `"mips"`},
		"another format":        {`"format": 1`, `"format": 2`},
		"other spacing":         {`"format": 1`, `"format":  1`},
		"a repeated key":        {`"format": 1`, `"format": 1, "format": 1`},
	} {
		bad := strings.Replace(good, pair[0], pair[1], 1)
		if l, err := ParseDebianLock([]byte(bad)); err == nil || l.Packages != nil {
			t.Errorf("%s: parsed", what)
		}
	}
	if _, err := ParseDebianLock([]byte(good + "{}")); err == nil {
		t.Error("bytes behind the end: parsed")
	}
}

// FuzzDebianLock: what parses is what is written, and holds its bounds.
func FuzzDebianLock(f *testing.F) {
	f.Add(debLock(f))
	f.Add([]byte(`{"format": 1, "packages": {}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := ParseDebianLock(text)
		if err != nil {
			if l.Packages != nil {
				t.Error("a value with an error")
			}
			return
		}
		again, err := EncodeDebianLock(l)
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("written again it is another: %v", err)
		}
	})
}
