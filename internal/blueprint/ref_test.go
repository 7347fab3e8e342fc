package blueprint

import "testing"

func TestParseRef(t *testing.T) {
	for _, c := range []struct{ text, same, want string }{
		{"openclaw@0.1.0", "", "openclaw@0.1.0"},
		{"openclaw@v0.1.0", "", "openclaw@0.1.0"},
		{"v0.4.1", "", "openclaw@0.4.1"}, // as the article writes it
		{"0.4.1", "shell", "shell@0.4.1"},
		{"0.4.1-rc.1", "", "openclaw@0.4.1-rc.1"},
		{"shell", "openclaw", "shell"}, // its newest
	} {
		got, err := ParseRef(c.text, c.same)
		if err != nil || got.String() != c.want {
			t.Errorf("%q of %q is %s (%v), want %s", c.text, c.same, got, err, c.want)
		}
	}
	for _, bad := range []string{
		"", "@", "@0.1.0", "openclaw@", "openclaw@latest", "openclaw@0.1", "openclaw@0.1.0+evil", "openclaw@0.1.0@0.2.0",
		"Openclaw", "../openclaw", "openclaw/x", "openclaw@../0.1.0", "0.4", "1", "openclaw@00.1.0", "-x",
	} {
		if got, err := ParseRef(bad, ""); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}

func TestDigest(t *testing.T) {
	if d, err := ParseDigest(string(Sum(nil))); err != nil || d.Short() != "sha256:e3b0c44298..." {
		t.Errorf("%s, %v", d.Short(), err)
	}
	if d, err := ParseIntegrity("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= " + integrity); err != nil || d.Algorithm() != "sha512" {
		t.Errorf("%s, %v", d, err)
	}
	for _, bad := range []string{"", "sha256:", "sha256:00", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", string(Sum(nil)) + "0"} {
		if _, err := ParseDigest(bad); err == nil {
			t.Errorf("%q is a digest", bad)
		}
	}
}

func TestRunsOn(t *testing.T) {
	i := Identity{Name: "demo", Version: "1.0.0", Needs: "0.2.0", Platforms: []string{"linux/amd64"}}
	if err := i.RunsOn(Platform{OS: "linux", Arch: "amd64"}); err != nil {
		t.Error(err)
	}
	if i.RunsOn(Platform{OS: "linux", Arch: "riscv64"}) == nil {
		t.Error("runs on riscv64")
	}
}
