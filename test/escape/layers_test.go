package escape

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// layers are what a plan for tests, and nothing else, can take away.
var layers = []struct {
	name string
	drop func(*spec.Spec, *world)
}{
	{"Landlock", func(s *spec.Spec, _ *world) { s.Landlock.Off = true }},
	{"seccomp", func(s *spec.Spec, _ *world) { s.Seccomp.Off = true }},
	{"capture", func(s *spec.Spec, _ *world) { s.Network.CaptureOff = true }},
	// The built-up root with the host's folder in it, for all to write: as if
	// nothing had been left out.
	{"mounts", func(s *spec.Spec, w *world) {
		s.Mounts = append(s.Mounts, spec.Mount{Kind: spec.Bind, Source: w.Folder, Target: "/outside"})
		for _, p := range []*string{&w.Secret, &w.Socket, &w.Packets, &w.Shared} {
			*p = "/outside/" + filepath.Base(*p)
		}
		w.Folder, w.Bound, w.Root, w.System = "/outside", "/outside/bound", "/outside/root", "/outside/program"
	}},
}

// Every case again with one layer taken away: what still holds is held twice.
// The table that this prints is the one in the threat model; here a case may
// depend on a single layer only where single says so.
func TestLayersAreIndependent(t *testing.T) {
	for _, l := range layers {
		t.Run("without "+l.name, func(t *testing.T) {
			s := start(t, outside(t), l.drop)
			var through, unexpected []string
			for _, c := range cases() {
				if c.residue != "" || !s.attack(t, c).Escaped {
					continue
				}
				through = append(through, c.id)
				if !slices.Contains(single[l.name], c.id) {
					unexpected = append(unexpected, c.id)
				}
			}
			t.Logf("held by %s alone: %s", l.name, strings.Join(through, ", "))
			if *table {
				fmt.Printf("%d held by %s alone: %s\n", len(through), l.name, strings.Join(through, ", "))
			}
			if len(unexpected) > 0 {
				t.Errorf("got through without %s, though two layers should hold them: %s", l.name, strings.Join(unexpected, ", "))
			}
		})
	}
}

// single are the cases that one layer alone refuses. Most are calls for which
// the filter is the only wall there can be.
var single = map[string][]string{
	"Landlock": {"D197 signal", "D197 pidfd"},
	"capture":  {"A19"},
	// Landlock does not know metadata, and below ABI 9 no socket files. Who
	// runs the test without root owns the files, and may change theirs.
	"mounts": {"C50 exists", "C68", "C199", "E94", "E96", "C67 chmod", "C67 chown", "C67 times", "C67 xattr", "C159"},
	"seccomp": {
		"A16 rules", "A7 UDP-Lite", "A8 vsock", "A8 diag", "A8 uevent", "D81 socket", "A9",
		"C66 chmod", "C66 create", "C61 rename", "C59 handle", "C59 fsconfig",
		"D80", "D80 x32", "D81 TIOCSTI", "D82 TIOCSTI", "D82 TIOCLINUX", "D82 TIOCSETD", "D163",
		"D79 perf", "D79 userfaultfd", "D79 keyctl", "D79 add_key", "D79 request_key", "D79 quotactl",
		"D79 personality", "D79 vmsplice",
		"D197 limits", "D197 nice", "D197 user", "D197 io", "D197 cpu", "D197 scheduler",
	},
}
