package host

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
)

// What a sandbox needs of a machine.
const (
	// MinABI is Landlock's version with renames between folders (Linux 5.19);
	// without them npm and git break.
	MinABI = 2
	// WantMemory holds the agent (1.1 GiB at its peak) and the rest of the desk.
	WantMemory = 2 << 30
	// WantDisk holds the agent's packages, twice while they are unpacked.
	WantDisk = 3 << 30
)

// oldest is the first kernel with MinABI and with notifications that signals
// do not multiply.
var oldest = Version{5, 19}

// Missing lists what this machine lacks, walls first; empty when a sandbox can
// start and do well.
func (f Facts) Missing() []Lack {
	return slices.Concat(f.platform(), f.landlock(), f.namespaces(), f.seccomp(), f.capture(), f.resources())
}

func (f Facts) platform() []Lack {
	switch {
	case f.WSL == 1:
		return []Lack{{What: "Linux kernel", Have: "WSL 1, which has none", Want: "WSL 2", Remedy: "in Windows: wsl --set-version " + orElse(f.Distro, "DISTRIBUTION") + " 2"}}
	case f.Arch != "amd64" && f.Arch != "arm64":
		return []Lack{{Wall: "process", What: "processor", Have: f.Arch, Want: "amd64 or arm64", Remedy: "use another machine: the system call filter is written for these two"}}
	case f.Kernel.Before(oldest):
		return []Lack{{What: "Linux kernel", Have: f.Release, Want: oldest.String() + " or newer", Remedy: kernelRemedy(f.Distro)}}
	}
	return nil
}

func kernelRemedy(distro string) string {
	switch {
	case strings.HasPrefix(distro, "Ubuntu 22.04"):
		return "sudo apt install linux-generic-hwe-22.04 (6.8), then reboot"
	case strings.HasPrefix(distro, "Debian GNU/Linux 11"):
		return "sudo apt install -t bullseye-backports linux-image-amd64 (6.1), then reboot"
	case strings.HasPrefix(distro, "Ubuntu 20.04"):
		return "upgrade to Ubuntu 22.04 or newer (sudo do-release-upgrade); 20.04's newest kernel is 5.15"
	}
	return "install a kernel " + oldest.String() + " or newer from your distribution, then reboot"
}

func (f Facts) landlock() []Lack {
	l := f.Landlock
	lack := Lack{Wall: "filesystem", What: "Landlock", Want: fmt.Sprintf("ABI %d or newer", MinABI)}
	switch {
	case l.Off:
		lack.Have = "built into this kernel, but switched off at boot"
		list := "landlock"
		if l.Modules != "" {
			list += "," + l.Modules
		}
		lack.Remedy = "add lsm=" + list + " to GRUB_CMDLINE_LINUX in /etc/default/grub, run sudo update-grub, reboot"
	case l.ABI == 0:
		lack.Have = "none in Linux " + f.Release
		lack.Remedy = "boot a kernel with CONFIG_SECURITY_LANDLOCK=y: " + kernelRemedy(f.Distro)
	case l.ABI < MinABI:
		lack.Have = fmt.Sprintf("ABI %d", l.ABI)
		lack.Remedy = kernelRemedy(f.Distro)
	case l.Tried && (!l.Refuses || !l.Renames):
		lack.Have = fmt.Sprintf("ABI %d, which does not do what it says (refuses: %t, renames: %t)", l.ABI, l.Refuses, l.Renames)
		lack.Want = "a kernel whose Landlock holds"
		lack.Remedy = "update the kernel (" + f.Release + ") and reboot"
	case l.Tried && l.ABI >= 3 && !l.Truncate:
		lack.Have = fmt.Sprintf("ABI %d, which lets files outside the rules be truncated", l.ABI)
		lack.Want = "a kernel whose Landlock holds"
		lack.Remedy = "update the kernel (" + f.Release + ") and reboot"
	default:
		return nil
	}
	return []Lack{lack}
}

func (f Facts) namespaces() []Lack {
	n := f.Namespaces
	if n.Works {
		return nil
	}
	lack := Lack{Wall: "network", What: "user namespaces", Have: orElse(n.Why, "refused"), Want: "one for this user, with rights inside"}
	switch {
	case n.Max == 0:
		lack.Have = "user.max_user_namespaces = 0"
		lack.Remedy = persist("user.max_user_namespaces", "15000")
	case n.CloneOff:
		lack.Have = "kernel.unprivileged_userns_clone = 0"
		lack.Remedy = persist("kernel.unprivileged_userns_clone", "1")
	case n.AppArmor:
		lack.Have = "kernel.apparmor_restrict_unprivileged_userns = 1"
		lack.Want = "an AppArmor profile that lets this program have one"
		lack.Remedy = InstallProfile(f.Binary)
	default:
		lack.Remedy = "something above this process forbids them (a container's filter, a security module): run nemoclaw on the machine itself, or start the container with --security-opt seccomp=unconfined"
	}
	return []Lack{lack}
}

// persist sets a sysctl now and at every boot.
func persist(key, value string) string {
	return fmt.Sprintf("echo '%s = %s' | sudo tee /etc/sysctl.d/60-nemoclaw.conf && sudo sysctl --system", key, value)
}

func (f Facts) seccomp() []Lack {
	if f.Seccomp.Notify {
		return nil
	}
	have := "no filter that can tell a supervisor (user_notif)"
	if len(f.Seccomp.Actions) == 0 {
		have = "no seccomp filters in Linux " + f.Release
	}
	return []Lack{{Wall: "process", What: "seccomp", Have: have, Want: "user_notif among /proc/sys/kernel/seccomp/actions_avail", Remedy: kernelRemedy(f.Distro)}}
}

func (f Facts) capture() []Lack {
	for _, c := range []struct {
		what  string
		known Known
	}{{"nf_tables", f.Capture.Tables}, {"nft_tproxy", f.Capture.TProxy}} {
		if c.known != Absent {
			continue
		}
		remedy := "install the rest of this kernel's modules (package linux-modules-extra-" + f.Release + " on Ubuntu, kernel-modules-extra on Fedora), or another kernel"
		if f.WSL == 2 {
			remedy = "in Windows: wsl --update; then in PowerShell: wsl --shutdown"
		}
		return []Lack{{Wall: "network", What: c.what, Have: "not in Linux " + f.Release, Want: "built in or a module", Remedy: remedy}}
	}
	return nil
}

func (f Facts) resources() []Lack {
	var out []Lack
	if m := f.Memory; m.Total > 0 && m.Usable() < WantMemory {
		lack := Lack{What: "memory", Have: humanize.IBytes(m.Usable()), Want: humanize.IBytes(WantMemory), Advice: true}
		lack.Remedy = "add swap: sudo fallocate -l 8G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile"
		if m.Usable() < m.Total {
			lack.Have += fmt.Sprintf(" (limit of control group %s; the machine has %s)", m.LimitedBy, humanize.IBytes(m.Total))
			lack.Remedy = fmt.Sprintf("raise the limit of %s to %s or more", m.LimitedBy, humanize.IBytes(WantMemory))
		}
		if m.Usable() == m.Total && m.Total+m.Swap >= WantMemory {
			lack.Have = "" // swap makes up for it
		}
		if lack.Have != "" {
			out = append(out, lack)
		}
	}
	if d := f.Disk; d.Path != "" && d.Free < WantDisk {
		out = append(out, Lack{What: "free disk", Have: humanize.IBytes(d.Free) + " at " + d.Path, Want: humanize.IBytes(WantDisk), Advice: true,
			Remedy: "free " + humanize.IBytes(WantDisk-d.Free) + ", or set NEMOCLAW_HOME to a folder on a larger disk"})
	}
	if d := f.Disk; d.Refused != "" { // `run` needs none
		out = append(out, Lack{What: "folder for sandboxes", Have: d.Path + ": " + d.Refused, Want: "one that this user may write to", Advice: true,
			Remedy: "export NEMOCLAW_HOME=/path/to/a/folder/of/your/own"})
	}
	if f.Cgroup.Version == 0 {
		out = append(out, f.ungrouped())
	}
	return out
}

func (f Facts) ungrouped() Lack {
	lack := Lack{What: "control groups", Have: "none that this user may make", Want: "a delegated one, for limits on memory, processes and CPU together", Advice: true}
	switch {
	case !f.Cgroup.Mounted:
		lack.Have = "none mounted"
		lack.Remedy = "limits fall back to rlimits; mount cgroup2 at /sys/fs/cgroup for more"
	case f.Cgroup.Unified && f.Cgroup.Systemd:
		lack.Remedy = "limits fall back to rlimits; for more, start nemoclaw with: systemd-run --user --scope -p Delegate=yes nemoclaw …"
	case f.Cgroup.Unified:
		lack.Remedy = "limits fall back to rlimits; for more: sudo loginctl enable-linger $USER, and log in again"
	default:
		lack.Remedy = "limits fall back to rlimits; for more, run nemoclaw as root, or give this user folders of its own in the v1 hierarchies"
	}
	return lack
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
