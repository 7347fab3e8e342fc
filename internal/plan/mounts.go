package plan

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Modes of folders that a program may pass through but not list, and of those
// that it may do nothing with. The root is mounted read-only, so the owner
// cannot change them back.
const (
	passOnly = 0o311
	closed   = 0o000
)

// mounts is the built-up root, parents first. Nothing of the host is in it
// but what stands here.
func mounts(in Input) []spec.Mount {
	var m []spec.Mount
	m = append(m, systemMounts(in.System)...)
	m = append(m, etcMounts(in)...)
	m = append(m,
		spec.Mount{Kind: spec.Dir, Target: "/home", Mode: closed},
		spec.Mount{Kind: spec.Dir, Target: "/root", Mode: closed},
		spec.Mount{Kind: spec.Dir, Target: "/var", Mode: closed},
	)
	m = append(m, kernelMounts()...)
	m = append(m, deviceMounts()...)
	m = append(m, spec.Mount{Kind: spec.Tmpfs, Target: "/tmp", Mode: 0o1777, Size: in.Limits.TmpBytes})
	if in.Content != "" {
		for _, d := range parents(blueprint.ContentDir) {
			m = append(m, spec.Mount{Kind: spec.Dir, Target: d, Mode: 0o755})
		}
		m = append(m, spec.Mount{Kind: spec.Bind, Source: in.Content, Target: blueprint.ContentDir, ReadOnly: true, Links: true})
	}
	m = append(m, spec.Mount{Kind: spec.Bind, Source: in.Workspace, Target: "/sandbox", Links: true})
	for _, x := range in.Mounts {
		kind := spec.Bind
		if x.ReadOnly {
			// A read-only bind still hands over the host's Unix sockets; the
			// only layer of an overlay does not.
			kind = spec.Lower
		}
		m = append(m, spec.Mount{Kind: kind, Source: x.Host, Target: x.Target, ReadOnly: x.ReadOnly, Owner: true})
	}
	for _, f := range in.Files {
		m = append(m, shown(f.Host, f.Target))
	}
	return m
}

func systemMounts(s System) []spec.Mount {
	var m []spec.Mount
	for _, d := range s.Folders {
		m = append(m, spec.Mount{Kind: spec.Bind, Source: path.Join(s.Root, d), Target: d, ReadOnly: true, Links: true})
	}
	for _, l := range slices.Sorted(maps.Keys(s.Links)) {
		m = append(m, spec.Mount{Kind: spec.Symlink, Source: s.Links[l], Target: l})
	}
	return m
}

func etcMounts(in Input) []spec.Mount {
	m := []spec.Mount{{Kind: spec.Dir, Target: "/etc", Mode: passOnly}}
	for _, f := range etcFiles(in) {
		m = append(m, spec.Mount{Kind: spec.File, Target: f.path, Mode: 0o444, Data: []byte(f.text)})
	}
	for _, p := range famous {
		m = append(m, spec.Mount{Kind: spec.File, Target: p, Mode: closed})
	}
	m = append(m, localtime(in.System)...)
	made := map[string]bool{"/etc": true}
	for _, e := range in.System.Etc {
		for _, d := range parents(e.Path) {
			if !made[d] {
				made[d] = true
				m = append(m, spec.Mount{Kind: spec.Dir, Target: d, Mode: passOnly})
			}
		}
		if in.Trust == nil || e.Path != CertificateFolder {
			m = append(m, e.mount())
		}
	}
	m = append(m, in.Trust.browserMounts(made)...)
	return append(m, in.Trust.mounts(in.System)...)
}

// localtime is a link wherever it can be one: from a copy Node and Java tell a
// zone's name only by comparing it with every file of every zone, which takes a
// process of Node's some 5 ms.
func localtime(s System) []spec.Mount {
	const target = "/etc/localtime"
	switch {
	case s.LocalZone != "":
		return []spec.Mount{{Kind: spec.Symlink, Source: s.LocalZone, Target: target}}
	case len(s.Localtime) > 0:
		return []spec.Mount{{Kind: spec.File, Target: target, Mode: 0o444, Data: s.Localtime}}
	}
	return nil
}

// mount shows e. What a pinned base has was looked up in that base, and stands
// where it was found: a link on the way there would lead elsewhere.
func (e EtcEntry) mount() spec.Mount {
	m := shown(e.source(), e.Path)
	m.Links = e.Source == ""
	return m
}

// shown is a file or folder of the host's that is data.
func shown(source, target string) spec.Mount {
	return spec.Mount{Kind: spec.Bind, Source: source, Target: target, ReadOnly: true, NoExec: true, Links: true}
}

// parents are the folders above p and below the root, outermost first.
func parents(p string) []string {
	var out []string
	for d := path.Dir(p); d != "/" && d != "."; d = path.Dir(d) {
		out = append(out, d)
	}
	slices.Reverse(out)
	return out
}

// famous are the files that everybody tries first. They are empty and closed,
// so that the answer is "permission denied", not a guess about this machine.
var famous = []string{"/etc/gshadow", "/etc/shadow", "/etc/sudoers"}

type etcFile struct{ path, text string }

// etcFiles are the synthetic ones: who one is, and that names are asked of the
// gate. Any server address would do; this one is nobody's.
func etcFiles(in Input) []etcFile {
	return []etcFile{
		{"/etc/passwd", fmt.Sprintf("root:x:0:0:root:/root:/usr/sbin/nologin\nsandbox:x:%d:%d:sandbox:/sandbox:%s\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n", spec.UID, spec.GID, shell)},
		{"/etc/group", fmt.Sprintf("root:x:0:\ntty:x:5:\nsandbox:x:%d:\nnogroup:x:65534:\n", spec.GID)},
		{"/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"},
		{"/etc/hosts", "127.0.0.1 localhost " + in.Name + "\n::1 localhost ip6-localhost ip6-loopback\n"},
		{"/etc/hostname", in.Name + "\n"},
		{"/etc/host.conf", "multi on\n"},
		{"/etc/resolv.conf", "nameserver 192.0.2.53\noptions timeout:3 attempts:2\n"},
		{"/etc/shells", "/bin/sh\n/bin/bash\n"},
		{"/etc/profile", "export PS1='\\u@\\h:\\w\\$ '\n"},
	}
}

// masked are the files of /proc that tell of the machine, not of the sandbox,
// or that act on it.
var masked = []string{
	"/proc/acpi", "/proc/asound", "/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/key-users",
	"/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/sysrq-trigger", "/proc/timer_list", "/proc/timer_stats",
}

func kernelMounts() []spec.Mount {
	m := []spec.Mount{{Kind: spec.Proc, Target: "/proc"}}
	for _, p := range masked {
		m = append(m, spec.Mount{Kind: spec.Mask, Target: p})
	}
	return m
}

// nodes are the devices that every program may count on; none of them reaches
// hardware.
var nodes = []string{"null", "zero", "full", "random", "urandom", "tty"}

func deviceMounts() []spec.Mount {
	m := []spec.Mount{{Kind: spec.Tmpfs, Target: "/dev", Mode: 0o755, Size: 64 << 10}}
	for _, n := range nodes {
		m = append(m, spec.Mount{Kind: spec.Bind, Source: "/dev/" + n, Target: "/dev/" + n, NoExec: true, Links: true})
	}
	m = append(m,
		spec.Mount{Kind: spec.Devpts, Target: "/dev/pts"},
		spec.Mount{Kind: spec.Tmpfs, Target: "/dev/shm", Mode: 0o1777, Size: 256 << 20},
		spec.Mount{Kind: spec.Mqueue, Target: "/dev/mqueue"})
	for _, l := range [][2]string{{"ptmx", "pts/ptmx"}, {"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}} {
		m = append(m, spec.Mount{Kind: spec.Symlink, Source: l[1], Target: "/dev/" + l[0]})
	}
	return m
}

// rules is the Landlock layer: on its own, with the built-up root taken away,
// it must still refuse everything but this.
func rules(in Input) []spec.PathRule {
	var r []spec.PathRule
	for _, d := range in.System.Folders {
		r = append(r, spec.PathRule{Path: d, Access: spec.ReadExec})
	}
	for _, f := range etcFiles(in) {
		r = append(r, spec.PathRule{Path: f.path, Access: spec.ReadFile, Optional: true})
	}
	r = append(r, spec.PathRule{Path: "/etc/localtime", Access: spec.ReadFile, Optional: true})
	for _, e := range in.System.Etc {
		access := spec.ReadFile
		if e.Folder {
			access = spec.Read
		}
		r = append(r, spec.PathRule{Path: e.Path, Access: access})
	}
	r = append(r, in.Trust.rules(in.System.Etc)...)
	for _, d := range browserFolders {
		r = append(r, spec.PathRule{Path: d, Access: spec.Read, Optional: true})
	}
	r = append(r, spec.PathRule{Path: "/proc", Access: spec.Read})
	for _, n := range nodes {
		r = append(r, spec.PathRule{Path: "/dev/" + n, Access: spec.Device})
	}
	r = append(r,
		spec.PathRule{Path: "/dev/pts", Access: spec.Device},
		spec.PathRule{Path: "/dev/shm", Access: spec.ReadWrite},
		spec.PathRule{Path: "/dev/mqueue", Access: spec.ReadWrite, Optional: true},
		spec.PathRule{Path: "/tmp", Access: spec.ReadWrite})
	if in.Content != "" {
		r = append(r, spec.PathRule{Path: blueprint.ContentDir, Access: spec.ReadExec})
	}
	r = append(r, spec.PathRule{Path: "/sandbox", Access: spec.ReadWrite})
	return r
}

// Mounted says m as status shows it.
func Mounted(m Mount) string {
	mode := "rw"
	if m.ReadOnly {
		mode = "ro"
	}
	return strings.Join([]string{m.Host, " → ", m.Target, " (", mode, ")"}, "")
}
