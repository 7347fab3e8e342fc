package host

import (
	"strings"
	"testing"
)

func TestCosts(t *testing.T) {
	best := Facts{Landlock: Landlock{ABI: 9}, Cgroup: Cgroup{Version: 2}}
	if got := best.Costs(); len(got) != 0 {
		t.Errorf("of a machine that has all: %v", got)
	}
	for name, c := range map[string]struct {
		change func(*Facts)
		says   []string
	}{
		"Landlock 7": {func(f *Facts) { f.Landlock.ABI = 7 }, []string{"ABI 9 (have 7)"}},
		"Landlock 2": {func(f *Facts) { f.Landlock.ABI = 2 }, []string{"ABI 3 (have 2)", "ABI 5", "ABI 6", "ABI 9"}},
		"vsock":      {func(f *Facts) { f.Vsock = Shared }, []string{"vsock"}},
		"its own":    {func(f *Facts) { f.Vsock = Divided }, nil},
		"no group":   {func(f *Facts) { f.Cgroup.Version = 0 }, []string{"control group"}},
		"WSL":        {func(f *Facts) { f.WSL = 2 }, []string{"WSL 2"}},
		"logout":     {func(f *Facts) { f.Logout, f.User = true, "ann" }, []string{"lingering"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := best
			c.change(&f)
			got := f.Costs()
			if len(got) != len(c.says) {
				t.Fatalf("%v: want %d", got, len(c.says))
			}
			for i, want := range c.says {
				if !strings.Contains(got[i].Without, want) || got[i].Lost == "" {
					t.Errorf("%+v does not name %q", got[i], want)
				}
			}
		})
	}
}

func TestLogout(t *testing.T) {
	const running = "run/systemd/system/x"
	for name, c := range map[string]struct {
		files map[string]string
		want  bool
	}{
		"nothing said":      {map[string]string{running: ""}, false},
		"killed":            {map[string]string{running: "", "etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\n"}, true},
		"a comment":         {map[string]string{running: "", "etc/systemd/logind.conf": "#KillUserProcesses=yes\n"}, false},
		"another system":    {map[string]string{"etc/systemd/logind.conf": "KillUserProcesses=yes\n"}, false},
		"a later file":      {map[string]string{running: "", "etc/systemd/logind.conf": "KillUserProcesses=no\n", "usr/lib/systemd/logind.conf.d/5.conf": "KillUserProcesses=true\n"}, true},
		"hidden by etc":     {map[string]string{running: "", "usr/lib/systemd/logind.conf.d/5.conf": "KillUserProcesses=1\n", "etc/systemd/logind.conf.d/5.conf": "\n"}, false},
		"lingering":         {map[string]string{running: "", "etc/systemd/logind.conf": "KillUserProcesses=yes\n", "var/lib/systemd/linger/ann": ""}, false},
		"another lingering": {map[string]string{running: "", "etc/systemd/logind.conf": "KillUserProcesses=yes\n", "var/lib/systemd/linger/bob": ""}, true},
	} {
		if got := logout(write(t, c.files), "ann"); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
