package plan

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

func input() Input {
	return Input{
		Name: "my-assistant",
		System: System{
			Folders: []string{"/usr"},
			Links:   map[string]string{"/bin": "usr/bin", "/lib": "usr/lib"},
			Etc:     []EtcEntry{{Path: "/etc/ssl/certs", Folder: true}, {Path: "/etc/ld.so.cache"}},
		},
		Workspace: "/home/me/.nemoclaw/my-assistant/workspace",
		Limits:    Limits{Pids: 1024, Files: 4096, TmpBytes: 1 << 30},
	}
}

// The host's folders that are anybody's business never appear in a plan,
// whatever else does.
func TestMountsAreConfined(t *testing.T) {
	in := input()
	in.Content = "/home/me/.nemoclaw/blueprints/content/abc"
	in.Mounts = []Mount{{Host: "/home/me/p", Target: "/sandbox/p"}, {Host: "/home/me/q", Target: "/sandbox/q", ReadOnly: true}}
	in.Files = []Shown{{Host: "/home/me/.nemoclaw/my-assistant/run/inference.log", Target: "/sandbox/.openclaw/inference.log"}}
	s, err := Make(in)
	if err != nil {
		t.Fatal(err)
	}
	writable := map[string]bool{"/sandbox": true, "/sandbox/p": true}
	for _, m := range s.Mounts {
		switch m.Kind {
		case spec.Bind, spec.Lower:
			device := strings.HasPrefix(m.Target, "/dev/")
			if !m.ReadOnly && !writable[m.Target] && !device {
				t.Errorf("%s is bound writable at %s", m.Source, m.Target)
			}
			for _, never := range []string{"/", "/etc", "/home", "/root", "/var", "/proc", "/sys", "/dev", "/run", "/tmp"} {
				if m.Source == never {
					t.Errorf("the host's %s is bound at %s", never, m.Target)
				}
			}
		}
		if strings.HasPrefix(m.Source, "/home/me/") && m.Owner && m.Links {
			t.Errorf("%s, which an agent may reach by another mount, may be a link", m.Source)
		}
		if m.Target == "/sandbox/q" && m.Kind != spec.Lower {
			t.Errorf("a read-only mount is a %s: host sockets beneath it are alive", m.Kind)
		}
	}
	for _, r := range s.Landlock.Rules {
		if r.Access == spec.ReadWrite && r.Path != "/sandbox" && r.Path != "/tmp" && !strings.HasPrefix(r.Path, "/dev/") {
			t.Errorf("Landlock grants writing beneath %s", r.Path)
		}
		for _, never := range []string{"/", "/etc", "/home", "/root", "/var", "/run"} {
			if r.Path == never {
				t.Errorf("Landlock grants %s beneath %s", r.Access, never)
			}
		}
	}
}

// What the zero value leaves out is enforced: a wall is missing from a plan
// only where the operator wrote so.
func TestMake(t *testing.T) {
	s, err := Make(input())
	if err != nil {
		t.Fatal(err)
	}
	if s.Landlock.Off || s.Seccomp.Off || s.Network.CaptureOff {
		t.Errorf("a layer is off that nobody switched off: %+v", s)
	}
	in := input()
	in.FilesystemOff = true
	if s, err = Make(in); err != nil || !s.Landlock.Off || s.Seccomp.Off {
		t.Errorf("filesystem off: Landlock off %v, seccomp off %v, %v", s.Landlock.Off, s.Seccomp.Off, err)
	}
}

func TestMakeRefuses(t *testing.T) {
	for name, change := range map[string]func(*Input){
		"target outside":      func(in *Input) { in.Mounts = []Mount{{Host: "/x", Target: "/etc/x"}} },
		"target climbs":       func(in *Input) { in.Mounts = []Mount{{Host: "/x", Target: "/sandbox/../etc"}} },
		"target is the root":  func(in *Input) { in.Mounts = []Mount{{Host: "/x", Target: "/sandbox"}} },
		"target is our state": func(in *Input) { in.Mounts = []Mount{{Host: "/x", Target: "/sandbox/.openclaw/x"}} },
		"no /usr":             func(in *Input) { in.System.Folders = nil },
	} {
		t.Run(name, func(t *testing.T) {
			in := input()
			change(&in)
			s, err := Make(in)
			var r *Refusal
			if !errors.As(err, &r) || r.Hint() == "" {
				t.Errorf("Make: %v; want a refusal with a hint", err)
			}
			if len(s.Mounts) > 0 {
				t.Error("a refused plan has mounts")
			}
		})
	}
}

// A blueprint adds to the environment and replaces what it names; nothing is
// inherited.
func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_OPERATOR", "x")
	in := input()
	in.Env = []string{"LANG=de_DE.UTF-8", "A=b"}
	in.Path = []string{"node_modules/.bin"}
	s, err := Make(in)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(s.Env, "\n")
	for _, want := range []string{"HOME=/sandbox", "TMPDIR=/tmp", "LANG=de_DE.UTF-8", "A=b", "PATH=/opt/nemoclaw/content/node_modules/.bin:"} {
		if !strings.Contains(all, want) {
			t.Errorf("environment lacks %s:\n%s", want, all)
		}
	}
	for _, never := range []string{"LANG=C.UTF-8", "SECRET_OF"} {
		if strings.Contains(all, never) {
			t.Errorf("environment has %s", never)
		}
	}
}

// Local time is a link to the zone's file where there is one: Node and Java tell
// the zone's name by it, and from a copy only by reading every zone that there is.
func TestLocalTime(t *testing.T) {
	zone := spec.Mount{Kind: spec.Symlink, Source: "/usr/share/zoneinfo/Europe/Bern", Target: "/etc/localtime"}
	for _, c := range []struct {
		name   string
		system System
		want   []spec.Mount
	}{
		{"UTC", System{}, nil},
		{"a copy", System{Localtime: []byte("TZif")}, []spec.Mount{{Kind: spec.File, Target: "/etc/localtime", Mode: 0o444, Data: []byte("TZif")}}},
		{"a zone that the tree has", System{Localtime: []byte("TZif"), LocalZone: zone.Source}, []spec.Mount{zone}},
	} {
		if diff := cmp.Diff(c.want, localtime(c.system)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}
