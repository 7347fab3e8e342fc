package host

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nemoclaw/nemoclaw/internal/plan"
)

// good is a machine that lacks nothing.
func good() Facts {
	return Facts{
		Arch: "amd64", Release: "6.8.0-45-generic", Kernel: Version{6, 8}, Distro: "Ubuntu 24.04.1 LTS", UID: 1000, Binary: "/usr/local/bin/nemoclaw",
		Landlock:   Landlock{ABI: 4, Tried: true, Refuses: true, Renames: true, Truncate: true},
		Namespaces: Namespaces{Works: true, Max: 31231},
		Seccomp:    Seccomp{Actions: []string{"user_notif", "allow"}, Notify: true},
		Capture:    Capture{Module, Module},
		Memory:     Memory{Total: 8 << 30, Available: 6 << 30},
		Disk:       Disk{Path: "/home/me", Free: 40 << 30},
		Cgroup:     Cgroup{Version: 2, Path: "/sys/fs/cgroup/user.slice", Unified: true, Mounted: true},
	}
}

func TestMissing(t *testing.T) {
	if got := good().Missing(); got != nil {
		t.Fatalf("a good machine lacks %v", got)
	}
	for _, c := range []struct {
		name   string
		change func(*Facts)
		says   string // Error
		hint   string // a part of Hint
		advice bool
	}{
		{
			"kernel too old", func(f *Facts) {
				f.Release, f.Kernel, f.Distro = "5.15.0-105-generic", Version{5, 15}, "Ubuntu 22.04.4 LTS"
			},
			"Linux kernel: have 5.15.0-105-generic, want 5.19 or newer", "linux-generic-hwe-22.04", false,
		}, {
			"landlock not built", func(f *Facts) { f.Landlock = Landlock{} },
			"filesystem wall: Landlock: have none in Linux 6.8.0-45-generic, want ABI 2 or newer", "CONFIG_SECURITY_LANDLOCK=y", false,
		}, {
			"landlock off at boot", func(f *Facts) { f.Landlock = Landlock{Off: true, Modules: "lockdown,capability,yama,apparmor"} },
			"filesystem wall: Landlock: have built into this kernel, but switched off at boot, want ABI 2 or newer", "lsm=landlock,lockdown,capability,yama,apparmor", false,
		}, {
			"landlock too old", func(f *Facts) { f.Landlock.ABI = 1 },
			"filesystem wall: Landlock: have ABI 1, want ABI 2 or newer", "kernel 5.19 or newer", false,
		}, {
			"landlock that does not hold", func(f *Facts) { f.Landlock.Refuses = false },
			"filesystem wall: Landlock: have ABI 4, which does not do what it says (refuses: false, renames: true), want a kernel whose Landlock holds", "update the kernel", false,
		}, {
			"landlock that lets truncate", func(f *Facts) { f.Landlock.Truncate = false },
			"filesystem wall: Landlock: have ABI 4, which lets files outside the rules be truncated, want a kernel whose Landlock holds", "update the kernel", false,
		}, {
			"no user namespaces", func(f *Facts) { f.Namespaces = Namespaces{Why: "no space left on device"} },
			"network wall: user namespaces: have user.max_user_namespaces = 0, want one for this user, with rights inside", "user.max_user_namespaces = 15000", false,
		}, {
			"debian's switch", func(f *Facts) { f.Namespaces = Namespaces{Why: "operation not permitted", Max: 9, CloneOff: true} },
			"network wall: user namespaces: have kernel.unprivileged_userns_clone = 0, want one for this user, with rights inside", "kernel.unprivileged_userns_clone = 1", false,
		}, {
			"ubuntu's restriction", func(f *Facts) { f.Namespaces = Namespaces{Why: "operation not permitted", Max: 9, AppArmor: true} },
			"network wall: user namespaces: have kernel.apparmor_restrict_unprivileged_userns = 1, want an AppArmor profile that lets this program have one", "profile nemoclaw /usr/local/bin/nemoclaw flags=(unconfined) {\n  userns,", false,
		}, {
			"inside a container", func(f *Facts) { f.Namespaces = Namespaces{Why: "operation not permitted", Max: 9} },
			"network wall: user namespaces: have operation not permitted, want one for this user, with rights inside", "container", false,
		}, {
			"no notifications", func(f *Facts) { f.Seccomp = Seccomp{Actions: []string{"errno"}} },
			"process wall: seccomp: have no filter that can tell a supervisor (user_notif), want user_notif among /proc/sys/kernel/seccomp/actions_avail", "kernel", false,
		}, {
			"no transparent capture", func(f *Facts) { f.Capture.TProxy = Absent },
			"network wall: nft_tproxy: have not in Linux 6.8.0-45-generic, want built in or a module", "linux-modules-extra-6.8.0-45-generic", false,
		}, {
			"little memory", func(f *Facts) { f.Memory.Total = 1 << 30 },
			"memory: have 1.0 GiB, want 2.0 GiB", "swapon", true,
		}, {
			"little memory by limit", func(f *Facts) { f.Memory.Limit, f.Memory.LimitedBy = 1<<30, "/sys/fs/cgroup/x" },
			"memory: have 1.0 GiB (limit of control group /sys/fs/cgroup/x; the machine has 8.0 GiB), want 2.0 GiB", "raise the limit of /sys/fs/cgroup/x to 2.0 GiB", true,
		}, {
			"little disk", func(f *Facts) { f.Disk.Free = 1 << 30 },
			"free disk: have 1.0 GiB at /home/me, want 3.0 GiB", "free 2.0 GiB", true,
		}, {
			"a home of somebody else", func(f *Facts) { f.Disk.Refused = "permission denied" },
			"folder for sandboxes: have /home/me: permission denied, want one that this user may write to", "NEMOCLAW_HOME", true,
		}, {
			"nothing delegated", func(f *Facts) { f.Cgroup = Cgroup{Unified: true, Mounted: true, Systemd: true} },
			"control groups: have none that this user may make, want a delegated one, for limits on memory, processes and CPU together", "systemd-run --user", true,
		}, {
			"another processor", func(f *Facts) { f.Arch = "riscv64" },
			"process wall: processor: have riscv64, want amd64 or arm64", "another machine", false,
		}, {
			"WSL 1", func(f *Facts) { f.WSL = 1 },
			"Linux kernel: have WSL 1, which has none, want WSL 2", "wsl --set-version", false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := good()
			c.change(&f)
			got := f.Missing()
			if len(got) != 1 {
				t.Fatalf("lacks %v, want one thing", got)
			}
			if got[0].Error() != c.says {
				t.Errorf("says\n%q, want\n%q", got[0].Error(), c.says)
			}
			if !strings.Contains(got[0].Hint(), c.hint) {
				t.Errorf("hint %q lacks %q", got[0].Hint(), c.hint)
			}
			if got[0].Advice != c.advice {
				t.Errorf("advice %t, want %t", got[0].Advice, c.advice)
			}
		})
	}
}

// Swap makes up for little memory; the article's own remedy must help.
func TestSwapHelps(t *testing.T) {
	f := good()
	f.Memory = Memory{Total: 1 << 30, Swap: 8 << 30}
	if got := f.Missing(); got != nil {
		t.Errorf("lacks %v", got)
	}
}

func TestLackIsAnErrorWithAHint(t *testing.T) {
	var err error = Lack{What: "x", Have: "0", Want: "1", Remedy: "do y"}
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || hinted.Hint() != "do y" {
		t.Errorf("%v has no hint", err)
	}
}

// write lays files out below a new folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for p, data := range files {
		full := filepath.Join(root, p)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestReadFixtures(t *testing.T) {
	const release = "6.8.0-45-generic"
	ubuntu := map[string]string{
		"proc/sys/kernel/osrelease":                                             release + "\n",
		"etc/os-release":                                                        "NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\n",
		"proc/sys/user/max_user_namespaces":                                     "31231\n",
		"proc/sys/kernel/unprivileged_userns_clone":                             "1\n",
		"proc/sys/kernel/apparmor_restrict_unprivileged_userns":                 "1\n",
		"proc/sys/kernel/seccomp/actions_avail":                                 "kill_process kill_thread trap errno user_notif trace log allow\n",
		"sys/kernel/security/lsm":                                               "lockdown,capability,landlock,yama,apparmor\n",
		"boot/config-" + release:                                                "# Linux\nCONFIG_NF_TABLES=m\nCONFIG_NFT_TPROXY=m\n",
		"proc/meminfo":                                                          "MemTotal:        8000000 kB\nMemFree: 1 kB\nMemAvailable:    4000000 kB\nSwapTotal:       2000000 kB\n",
		"proc/self/cgroup":                                                      "0::/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope\n",
		"proc/self/mountinfo":                                                   "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
		"sys/fs/cgroup/cgroup.controllers":                                      "cpu memory pids\n",
		"sys/fs/cgroup/user.slice/cgroup.controllers":                           "cpu memory pids\n",
		"sys/fs/cgroup/user.slice/user-1000.slice/memory.max":                   "4294967296\n",
		"sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/memory.max": "max\n",
		"sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers": "memory pids\n",
		"sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.procs":       "",
	}
	got := read(write(t, ubuntu))
	want := Facts{
		Release: release, Kernel: Version{6, 8}, Distro: "Ubuntu 24.04.1 LTS",
		Landlock:   Landlock{Modules: "lockdown,capability,landlock,yama,apparmor"},
		Namespaces: Namespaces{Max: 31231, AppArmor: true},
		Seccomp:    Seccomp{Actions: strings.Fields("kill_process kill_thread trap errno user_notif trace log allow"), Notify: true},
		Capture:    Capture{Module, Module},
		Memory:     Memory{Total: 8000000 << 10, Available: 4000000 << 10, Swap: 2000000 << 10, Limit: 4 << 30, LimitedBy: "/sys/fs/cgroup/user.slice/user-1000.slice"},
		Cgroup:     Cgroup{Version: 2, Path: "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service", Unified: true, Mounted: true, Systemd: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got.Memory.Usable() != 4<<30 {
		t.Errorf("usable memory %d, want the group's limit", got.Memory.Usable())
	}

	for _, c := range []struct {
		name  string
		files map[string]string
		check func(Facts) bool
	}{
		{"an empty machine", nil, func(f Facts) bool {
			return f.Kernel == Version{} && f.Namespaces.Max == -1 && !f.Seccomp.Notify && f.Capture == Capture{Unknown, Unknown} && f.Cgroup == Cgroup{} && f.Memory == Memory{}
		}},
		{"modules without tproxy", map[string]string{
			"proc/sys/kernel/osrelease": "6.1.0-1-cloud", "lib/modules/6.1.0-1-cloud/modules.builtin": "kernel/fs/ext4.ko\n",
			"lib/modules/6.1.0-1-cloud/modules.dep": "kernel/net/netfilter/nf_tables.ko.xz:\n",
		}, func(f Facts) bool { return f.Capture == Capture{Module, Absent} }},
		{"version 1 with a limit", map[string]string{
			"proc/self/cgroup":    "4:memory:/process_api/a\n0::/\n",
			"proc/self/mountinfo": "1 1 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n2 1 0:2 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory/process_api/a/memory.limit_in_bytes": "1073741824\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/unified/cgroup.controllers": "hugetlb\n", "sys/fs/cgroup/unified/cgroup.procs": "",
		}, func(f Facts) bool {
			return f.Cgroup.Version == 1 && f.Cgroup.Path == "/sys/fs/cgroup/memory/process_api/a" && f.Memory.Limit == 1<<30
		}},
		{"WSL 2", map[string]string{"proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2\n"}, func(f Facts) bool {
			return f.WSL == 2 && f.Kernel == Version{5, 15}
		}},
		{"the machine's vsock", map[string]string{"proc/self/net/protocols": "AF_VSOCK  1240 0\n"}, func(f Facts) bool { return f.Vsock == Shared }},
		{"a vsock of its own", map[string]string{"proc/self/net/protocols": "AF_VSOCK  1240 0\n", "proc/sys/net/vsock/child_ns_mode": "global\n"}, func(f Facts) bool { return f.Vsock == Divided }},
		{"vsock that can be loaded", map[string]string{
			"proc/sys/kernel/osrelease": "6.1.0-1-cloud", "lib/modules/6.1.0-1-cloud/modules.dep": "kernel/net/vmw_vsock/vsock.ko.xz:\n",
		}, func(f Facts) bool { return f.Vsock == Shared }},
		{"no vsock", map[string]string{"proc/self/net/protocols": "UNIX  1240 0\n"}, func(f Facts) bool { return f.Vsock == NoVsock }},
		{"WSL 1", map[string]string{"proc/sys/kernel/osrelease": "4.4.0-19041-Microsoft\n"}, func(f Facts) bool { return f.WSL == 1 }},
		{"a release candidate", map[string]string{"proc/sys/kernel/osrelease": "7.1-rc2\n"}, func(f Facts) bool { return f.Kernel == Version{7, 1} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if f := read(write(t, c.files)); !c.check(f) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestProfile(t *testing.T) {
	if got := Profile("/home/a b/[x]/nemoclaw"); !strings.Contains(got, `profile nemoclaw "/home/a b/\[x\]/nemoclaw" flags=(unconfined) {`) {
		t.Errorf("path not quoted:\n%s", got)
	}
	if got := InstallProfile("/usr/bin/nemoclaw"); !strings.HasPrefix(got, "sudo tee /etc/apparmor.d/nemoclaw") || !strings.HasSuffix(got, "}\nEND") {
		t.Errorf("command:\n%s", got)
	}
}

// This machine: whatever it is, what Look says must agree with itself, and
// looking must leave nothing behind.
func TestLookHere(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("NEMOCLAW_HOME", filepath.Join(temp, "not", "there", "yet"))
	f := Look()
	t.Logf("%+v", f)
	for _, l := range f.Missing() {
		t.Log(l, "→", l.Hint())
	}
	if f.Kernel == (Version{}) || f.Memory.Total == 0 || f.Disk.Free == 0 || f.Disk.Path != temp {
		t.Errorf("saw no kernel, memory or disk: %+v", f)
	}
	if f.Landlock.ABI >= MinABI && (!f.Landlock.Tried || !f.Landlock.Refuses || !f.Landlock.Renames) {
		t.Errorf("Landlock ABI %d does not hold: %+v", f.Landlock.ABI, f.Landlock)
	}
	if f.Namespaces.Works == slices.ContainsFunc(f.Missing(), func(l Lack) bool { return l.What == "user namespaces" }) {
		t.Errorf("namespaces %+v, missing %v", f.Namespaces, f.Missing())
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// The thread that tried Landlock is gone with its rules.
	if err := os.WriteFile(filepath.Join(temp, "x"), nil, 0o600); err != nil {
		t.Errorf("still confined: %v", err)
	}
}

// The zone of the machine's local time is known where a link names a file of the
// tree's own; anything else stays a copy.
func TestLocalTime(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, zones, "Europe"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{zones + "Europe/Bern", "etc-of-ours"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("TZif"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"of-the-machine": filepath.Join(root, zones, "Europe/Bern"), "Swiss": zones + "Europe/Bern"} {
		if err := os.Symlink(to, filepath.Join(root, zones, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ to, zone string }{
		{"/usr/share/zoneinfo/Europe/Bern", "/usr/share/zoneinfo/Europe/Bern"},
		{"/usr/share//zoneinfo/./Europe/Bern", "/usr/share/zoneinfo/Europe/Bern"},
		{"/usr/share/zoneinfo/Europe/Basel", ""}, // the tree has not that one
		{"/usr/share/zoneinfo/Europe", ""},
		{"/usr/share/zoneinfo/../../../etc-of-ours", ""},
		{"/usr/share/zoneinfo/of-the-machine", ""}, // a link of the tree's that leads out of it
		{"/usr/share/zoneinfo/Swiss", "/usr/share/zoneinfo/Swiss"},
	} {
		if zone := zoneOf(c.to, root); zone != c.zone {
			t.Errorf("%s: got %q, want %q", c.to, zone, c.zone)
		}
	}
	if data, zone := localTime(filepath.Join(root, "none"), root); data != nil || zone != "" {
		t.Errorf("without a file: %q, %q; want UTC", data, zone)
	}
}

// A pinned base is somebody's blueprint: whatever its links say, and wherever they
// stand, nothing of this machine is taken for a part of it.
func TestPinnedStaysInside(t *testing.T) {
	root, machine := t.TempDir(), t.TempDir()
	for name, body := range map[string]string{"/usr/lib/os-release": "base", "/usr/share/terminfo/x": "base", "/etc/services": "base", machine + "/certs": "", machine + "/key": "secret"} {
		if !strings.HasPrefix(name, machine) {
			name = filepath.Join(root, name)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(body), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"/etc/os-release": "../usr/lib/os-release",
		"/etc/terminfo":   "/usr/share/terminfo",
		"/usr/lib/out":    machine,
		"/etc/magic":      "../usr/lib/out/key", // through a link on the way
		"/etc/mime.types": machine + "/key",
		"/etc/protocols":  strings.Repeat("../", 20) + machine + "/key",
		"/etc/ssl":        machine,
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []plan.EtcEntry{
		{Path: "/etc/os-release", Source: real + "/usr/lib/os-release"},
		{Path: "/etc/services", Source: real + "/etc/services"},
		{Path: "/etc/terminfo", Source: real + "/usr/share/terminfo", Folder: true},
	}
	if got := Pinned(root).Etc; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
