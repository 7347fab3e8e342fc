package host

import (
	"bufio"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// version reads "6.8.0-45-generic".
func version(release string) Version {
	major, rest, _ := strings.Cut(release, ".")
	minor := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	a, err := strconv.Atoi(major)
	if err != nil {
		return Version{}
	}
	b, err := strconv.Atoi(minor)
	if err != nil {
		return Version{a, 0}
	}
	return Version{a, b}
}

// wsl tells Microsoft's kernels by their names: "…-microsoft-standard-WSL2",
// and "…-Microsoft" for the first, which is no Linux.
func wsl(release string) int {
	switch {
	case strings.Contains(release, "microsoft"):
		return 2
	case strings.Contains(release, "Microsoft"):
		return 1
	}
	return 0
}

func distro(root string) string {
	for l := range strings.Lines(text(root, "etc/os-release")) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(l), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"'`)
		}
	}
	return ""
}

func namespaces(root string) Namespaces {
	n := Namespaces{Max: -1}
	if v, err := strconv.ParseInt(line(root, "proc/sys/user/max_user_namespaces"), 10, 64); err == nil {
		n.Max = v
	}
	n.CloneOff = line(root, "proc/sys/kernel/unprivileged_userns_clone") == "0"
	n.AppArmor = line(root, "proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1"
	return n
}

func seccomp(root string) Seccomp {
	a := strings.Fields(text(root, "proc/sys/kernel/seccomp/actions_avail"))
	return Seccomp{Actions: a, Notify: slices.Contains(a, "user_notif")}
}

// capture reads the kernel's configuration where it lies, else the lists of
// modules. A kernel that shows neither is unknown, not lacking.
func capture(root, release string) Capture {
	if options := config(root, release); options != nil {
		return Capture{known(options, "CONFIG_NF_TABLES"), known(options, "CONFIG_NFT_TPROXY")}
	}
	dir := filepath.Join("lib/modules", release)
	builtin, modules := text(root, filepath.Join(dir, "modules.builtin")), text(root, filepath.Join(dir, "modules.dep"))
	if builtin == "" || modules == "" {
		return Capture{Unknown, Unknown}
	}
	in := func(name string) Known {
		switch {
		case strings.Contains(builtin, "/"+name+".ko"):
			return BuiltIn
		case strings.Contains(modules, "/"+name+".ko"):
			return Module
		}
		return Absent
	}
	return Capture{in("nf_tables"), in("nft_tproxy")}
}

// vsock looks for the setting by which package launch/birth divides the family, and
// for the family among those that sockets are made of, or its module: whoever makes
// such a socket has the kernel load it.
func vsock(root, release string) Vsock {
	var fs unix.Statfs_t
	if unix.Statfs(filepath.Join(root, "proc/sys/net/vsock/child_ns_mode"), &fs) == nil && fs.Flags&unix.ST_RDONLY == 0 {
		return Divided
	}
	if strings.Contains(text(root, "proc/self/net/protocols"), "AF_VSOCK") ||
		strings.Contains(text(root, filepath.Join("lib/modules", release, "modules.dep")), "/vsock.ko") {
		return Shared
	}
	return NoVsock
}

func known(options map[string]string, name string) Known {
	switch options[name] {
	case "y":
		return BuiltIn
	case "m":
		return Module
	}
	return Absent
}

// config is the options of the running kernel, nil where they cannot be read.
func config(root, release string) map[string]string {
	if f, err := os.Open(filepath.Join(root, "proc/config.gz")); err == nil {
		defer f.Close()
		if z, err := gzip.NewReader(f); err == nil {
			return options(z)
		}
	}
	for _, p := range []string{"boot/config-" + release, "lib/modules/" + release + "/config"} {
		if f, err := os.Open(filepath.Join(root, p)); err == nil {
			defer f.Close()
			return options(f)
		}
	}
	return nil
}

func options(r io.Reader) map[string]string {
	out := map[string]string{}
	for s := bufio.NewScanner(r); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), "="); ok {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
