package launchtest

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// GatePort is the port of the transparent listeners of Spec.
const GatePort = 12345

// Spec is a sandbox on the machine's own /usr, with workspace as /sandbox.
func Spec(workspace string) spec.Spec {
	var m []spec.Mount
	var rules []spec.PathRule
	for _, d := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"} {
		st, err := os.Lstat(d)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case st.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(d)
			m = append(m, spec.Mount{Kind: spec.Symlink, Source: to, Target: d})
		default:
			m = append(m, spec.Mount{Kind: spec.Bind, Source: d, Target: d, ReadOnly: true})
			rules = append(rules, spec.PathRule{Path: d, Access: spec.ReadExec})
		}
	}
	m = append(m, spec.Mount{Kind: spec.Dir, Target: "/etc", Mode: 0o311})
	for name, text := range map[string]string{
		"/etc/passwd":        "root:x:0:0:root:/root:/bin/false\nsandbox:x:1000:1000::/sandbox:/bin/bash\n",
		"/etc/group":         "root:x:0:\nsandbox:x:1000:\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
		"/etc/hosts":         "127.0.0.1 localhost\n::1 localhost\n",
		"/etc/resolv.conf":   "nameserver 192.0.2.53\n",
		"/etc/hostname":      "test\n",
	} {
		m = append(m, spec.Mount{Kind: spec.File, Target: name, Mode: 0o444, Data: []byte(text)})
		rules = append(rules, spec.PathRule{Path: name, Access: spec.ReadFile})
	}
	for _, p := range []string{"/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl/certs", "/etc/ssl/openssl.cnf"} {
		if _, err := os.Stat(p); err == nil {
			m = append(m, spec.Mount{Kind: spec.Bind, Source: p, Target: p, ReadOnly: true, Links: true})
			rules = append(rules, spec.PathRule{Path: p, Access: spec.Read})
		}
	}
	for _, d := range []string{"/home", "/root", "/var"} {
		m = append(m, spec.Mount{Kind: spec.Dir, Target: d})
	}
	m = append(m, spec.Mount{Kind: spec.Proc, Target: "/proc"})
	for _, p := range []string{"kallsyms", "kcore", "keys", "sysrq-trigger", "timer_list", "scsi", "absent"} {
		m = append(m, spec.Mount{Kind: spec.Mask, Target: "/proc/" + p})
	}
	m = append(m, devices()...)
	for _, n := range nodes {
		rules = append(rules, spec.PathRule{Path: "/dev/" + n, Access: spec.Device})
	}
	m = append(m,
		spec.Mount{Kind: spec.Tmpfs, Target: "/tmp", Mode: 0o1777, Size: 64 << 20},
		spec.Mount{Kind: spec.Bind, Source: workspace, Target: "/sandbox", Owner: true})
	rules = append(rules,
		spec.PathRule{Path: "/proc", Access: spec.Read},
		spec.PathRule{Path: "/dev/pts", Access: spec.Device},
		spec.PathRule{Path: "/dev/shm", Access: spec.ReadWrite},
		spec.PathRule{Path: "/tmp", Access: spec.ReadWrite},
		spec.PathRule{Path: "/sandbox", Access: spec.ReadWrite})
	return spec.Spec{
		Version:  spec.Version,
		Name:     "test",
		Mounts:   m,
		Landlock: spec.Landlock{Rules: rules},
		Network: spec.Network{
			GatePort: GatePort,
			Routers: []netip.AddrPort{
				netip.MustParseAddrPort("127.0.0.1:11434"),
				netip.MustParseAddrPort("[::1]:11434"),
			},
		},
		Env: []string{"HOME=/sandbox", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin", "TMPDIR=/tmp", "LANG=C.UTF-8"},
		Dir: "/sandbox",
	}
}

var nodes = []string{"null", "zero", "full", "random", "urandom", "tty"}

func devices() []spec.Mount {
	m := []spec.Mount{{Kind: spec.Tmpfs, Target: "/dev", Mode: 0o755, Size: 64 << 10}}
	for _, n := range nodes {
		m = append(m, spec.Mount{Kind: spec.Bind, Source: "/dev/" + n, Target: "/dev/" + n, NoExec: true})
	}
	m = append(m,
		spec.Mount{Kind: spec.Devpts, Target: "/dev/pts"},
		spec.Mount{Kind: spec.Tmpfs, Target: "/dev/shm", Mode: 0o1777, Size: 16 << 20},
		spec.Mount{Kind: spec.Mqueue, Target: "/dev/mqueue"})
	for name, to := range map[string]string{"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		m = append(m, spec.Mount{Kind: spec.Symlink, Source: to, Target: "/dev/" + name})
	}
	return m
}
