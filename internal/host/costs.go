package host

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
)

// Cost is something that this machine has not, with which a sandbox starts all
// the same, and what is weaker without it.
type Cost struct {
	Without string // "Landlock ABI 9 (have 7)"
	Lost    string // what it costs, in words for an operator
	Remedy  string // "" where only a newer kernel brings it
}

// landlockCosts are what later versions of Landlock refuse, oldest first. See
// landlock(7), "ABI versions".
var landlockCosts = []struct {
	abi  int
	lost string
}{
	{3, "truncating a file is refused by the mounts alone"},
	{5, "requests to devices are refused by the filter and the mounts alone"},
	{6, "signals to PID 1 and abstract sockets are kept apart by namespaces alone"},
	{9, "a Unix socket that a host program makes below a :rw mount can be reached from inside"},
}

// Costs lists what is weaker here than it could be. None of it keeps a sandbox
// from starting; what does is in Missing.
func (f Facts) Costs() []Cost {
	var out []Cost
	for _, c := range landlockCosts {
		if f.Landlock.ABI > 0 && f.Landlock.ABI < c.abi {
			out = append(out, Cost{Without: fmt.Sprintf("Landlock ABI %d (have %d)", c.abi, f.Landlock.ABI), Lost: c.lost})
		}
	}
	if f.Vsock == Shared {
		out = append(out, Cost{Without: "vsock that network namespaces divide (Linux 7.0, with /proc/sys writable)", Lost: "sockets to the hypervisor are refused by the filter alone"})
	}
	if f.Cgroup.Version == 0 {
		out = append(out, Cost{Without: "a control group", Lost: "memory and CPU of a sandbox are not limited, processes and open files are"})
	}
	if f.WSL == 2 {
		out = append(out, Cost{
			Without: "a machine of its own (this is WSL 2)",
			Lost:    "all distributions share one kernel, and Windows ends it, with its sandboxes, when the last terminal is closed",
			Remedy:  `in Windows, %UserProfile%\.wslconfig: [wsl2] vmIdleTimeout=-1`,
		})
	}
	if f.Logout {
		out = append(out, Cost{
			Without: "lingering",
			Lost:    "this system kills what runs in the background when you log out, running sandboxes among it",
			Remedy:  "sudo loginctl enable-linger " + orElse(f.User, "$USER"),
		})
	}
	return out
}

// logout says whether systemd-logind would end this user's processes with the
// last session (logind.conf(5), KillUserProcesses).
func logout(root, name string) bool {
	if !exists(filepath.Join(root, "run/systemd/system")) {
		return false // another boot system
	}
	if exists(filepath.Join(root, "var/lib/systemd/linger", name)) {
		return false
	}
	// Later files count before earlier ones; a name in /etc hides the same one
	// in /run and /usr/lib (systemd.unit(5)).
	files := map[string]string{}
	for _, dir := range []string{"usr/lib", "run", "etc"} {
		found, _ := filepath.Glob(filepath.Join(root, dir, "systemd/logind.conf.d/*.conf"))
		for _, f := range found {
			files[filepath.Base(f)] = f
		}
	}
	names := make([]string, 0, len(files))
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	order := []string{filepath.Join(root, "etc/systemd/logind.conf")}
	for _, n := range names {
		order = append(order, files[n])
	}
	kills := false
	for _, f := range order {
		for l := range strings.Lines(text("/", f)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(l), "KillUserProcesses="); ok {
				kills = slices.Contains([]string{"yes", "true", "on", "1"}, strings.ToLower(strings.TrimSpace(value)))
			}
		}
	}
	return kills
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// userName is who we are, "" where nobody knows.
func userName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
