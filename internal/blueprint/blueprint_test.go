package blueprint

import (
	"bytes"
	"strings"
	"testing"
)

func TestBuiltin(t *testing.T) {
	first, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"claude-code@0.1.0", "codex@0.1.0", "gemini-cli@0.1.0", "openclaw@0.1.0", "openclaw@0.2.0", "openclaw@0.3.0", "opencode@0.1.0", "pi@0.1.0", "shell@0.1.0"}
	if len(first) != len(want) {
		t.Fatalf("%d built-in blueprints, want %v", len(first), want)
	}
	for i, a := range first {
		if got := a.Manifest.Ref().String(); got != want[i] {
			t.Errorf("built-in %d is %s, want %s", i, got, want[i])
		}
		if a.Digest != again[i].Digest || !bytes.Equal(a.Image, again[i].Image) {
			t.Errorf("%s: built twice, two digests", want[i])
		}
		body, err := EncodeManifest(a.Manifest)
		if err != nil || !strings.Contains(string(a.Image), Sum(body).Hex()) {
			t.Errorf("%s: its image does not name its manifest (%v)", want[i], err)
		}

	}
}
