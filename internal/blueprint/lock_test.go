package blueprint

import (
	"fmt"
	"strings"
	"testing"
)

func lockOf(entries ...string) []byte {
	return []byte(`{"lockfileVersion": 3, "packages": {"": {}, ` + strings.Join(entries, ", ") + `}}`)
}

func entryOf(where, more string) string {
	return fmt.Sprintf(`%q: {"version": "1.0.0", "integrity": %q%s}`, where, integrity, more)
}

// TestLockFor: each machine gets its own packages and no others.
func TestLockFor(t *testing.T) {
	lock, err := ParseLock(lockOf(
		entryOf("node_modules/a", ""),
		entryOf("node_modules/n-x64", `, "optional": true, "os": "linux", "cpu": "x64"`),
		entryOf("node_modules/n-arm64", `, "optional": true, "os": ["linux"], "cpu": ["arm64"]`),
		entryOf("node_modules/n-arm64/node_modules/b", ``),
		entryOf("node_modules/w", `, "optional": true, "os": ["win32"]`),
		entryOf("node_modules/l", `, "optional": true, "os": ["!win32"]`),
		entryOf("node_modules/m", `, "optional": true, "libc": ["musl"]`),
		entryOf("node_modules/d", `, "dev": true`),
		`"node_modules/a/node_modules/bundled": {"version": "1.0.0", "inBundle": true}`,
	))
	if err != nil {
		t.Fatal(err)
	}
	for platform, want := range map[Platform]string{
		{OS: "linux", Arch: "amd64"}:               "a l n-x64",
		{OS: "linux", Arch: "arm64"}:               "a l n-arm64 b",
		{OS: "linux", Arch: "amd64", Libc: "musl"}: "a l m n-x64",
	} {
		chosen, err := lock.For(platform)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range chosen {
			got = append(got, p.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: %v, want %s", platform, got, want)
		}
	}
}

// TestLockMissesPlatform: a needed package that is not for this machine is an
// error, not a hole.
func TestLockMissesPlatform(t *testing.T) {
	lock, err := ParseLock(lockOf(entryOf("node_modules/n", `, "cpu": ["x64"]`)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.For(Platform{OS: "linux", Arch: "amd64"}); err != nil {
		t.Error(err)
	}
	if got, err := lock.For(Platform{OS: "linux", Arch: "arm64"}); err == nil {
		t.Errorf("arm64 gets %v", got)
	}
}

func TestLockRefuses(t *testing.T) {
	if _, err := ParseLock(lockOf(entryOf("node_modules/@s/a/node_modules/b", `, "name": "@t/c"`))); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	for _, bad := range []string{
		entryOf("../a", ""), entryOf("/node_modules/a", ""), entryOf("node_modules/../a", ""), entryOf("node_modules/a/..", ""),
		entryOf("packages/a", ""), entryOf("node_modules", ""), entryOf("node_modules/a/b/c", ""), entryOf("node_modules/./a", ""),
		entryOf("node_modules/a", `, "name": "../b"`), entryOf("node_modules/a", `, "link": true`),
		entryOf("node_modules/a", `, "bin": {"../x": "a.js"}`), entryOf("node_modules/a", `, "bin": {"x": "../../a.js"}`),
		`"node_modules/a": {"version": "1.0.0"}`,
		`"node_modules/a": {"version": "1.0.0", "integrity": "sha512-AAAA"}`,
		`"node_modules/a": {"version": "git+ssh://x", "integrity": "` + integrity + `"}`,
	} {
		if got, err := ParseLock(lockOf(bad)); err == nil {
			t.Errorf("%s: parsed as %+v", bad, got)
		}
	}
	if _, err := ParseLock([]byte(`{"lockfileVersion": 1, "packages": {}}`)); err == nil {
		t.Error("an old lockfile parsed")
	}
}

// FuzzLock holds that every package of a lockfile that parses lies below
// node_modules and has a sha512.
func FuzzLock(f *testing.F) {
	f.Add(lockOf(entryOf("node_modules/@s/a/node_modules/b", `, "bin": {"b": "b.js"}`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		lock, err := ParseLock(b)
		if err != nil && lock.Packages != nil {
			t.Error("a value with an error")
		}
		for _, p := range lock.Packages {
			if !strings.HasPrefix(p.Path, "node_modules/") || hasUp(p.Path) {
				t.Errorf("place %q", p.Path)
			}
			if p.Integrity.Algorithm() != "sha512" {
				t.Errorf("integrity %q", p.Integrity)
			}
		}
	})
}

func hasUp(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}
