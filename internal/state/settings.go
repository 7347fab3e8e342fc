package state

import (
	"fmt"
	"math"
	"time"
)

// Settings is sandbox.yaml: what was decided when the sandbox was created.
// Nothing in it changes without a rebuild; its digest is kept with the active
// generation, and a sandbox whose file differs does not start.
type Settings struct {
	Version   int       `yaml:"version"` // SettingsVersion
	Name      string    `yaml:"name"`
	Created   time.Time `yaml:"created"`
	Agent     string    `yaml:"agent"` // openclaw, none
	Blueprint Blueprint `yaml:"blueprint"`
	Driver    string    `yaml:"driver"` // native
	Mounts    []Mount   `yaml:"mounts,omitempty"`
	Limits    Limits    `yaml:"limits"`
	Ports     Ports     `yaml:"ports"`
	Walls     Walls     `yaml:"walls"`
	// Proxy is the HTTP proxy that this machine's network is left by.
	Proxy Proxy `yaml:"proxy,omitempty"`
	// Notify is the operator's own command, by its absolute path, and its
	// arguments: run with a question as JSON on stdin when nobody watches.
	Notify []string `yaml:"notify,omitempty,flow"`
	// User is the host's uid and gid that the sandbox runs as when its
	// supervisor is root; 0 when the supervisor is an ordinary user, who the
	// sandbox then runs as.
	User uint32 `yaml:"user,omitempty"`
}

// SettingsVersion is the form of sandbox.yaml that this program writes.
const SettingsVersion = 1

// Proxy is a company's HTTP proxy; the zero value is none.
type Proxy struct {
	URL     string `yaml:"url"`                // http://HOST:PORT, without user and password
	NoProxy string `yaml:"no_proxy,omitempty"` // hosts that are reached without it, as in NO_PROXY
	// Credential is the stored secret that holds "user:password".
	Credential string `yaml:"credential,omitempty"`
}

// Blueprint names what is inside.
type Blueprint struct {
	Name    string `yaml:"name"`
	Version string `yaml:"version"`
	Digest  string `yaml:"digest"` // sha256:…
	// Tree is the digest of the index of all unpacked files, as they were when
	// this was locked; empty where the blueprint has none. It finds a cache that
	// was changed together with its own record.
	Tree string `yaml:"tree,omitempty"`
}

// Mount is a folder or file of the host that was handed over.
type Mount struct {
	Host     string `yaml:"host"`
	Sandbox  string `yaml:"sandbox"` // below /sandbox
	ReadOnly bool   `yaml:"read_only,omitempty"`
}

// Limits are the sandbox's shares of the machine; 0 is no limit of ours, and less
// than 0 is refused.
type Limits struct {
	MemoryBytes int64   `yaml:"memory_bytes"`
	Pids        int     `yaml:"pids"`
	CPUs        float64 `yaml:"cpus,omitempty"`
	Files       uint64  `yaml:"files"`     // open files of one process
	TmpBytes    int64   `yaml:"tmp_bytes"` // size of /tmp
	// DiskReserve is what stays free on the workspace's file system: below it
	// everything inside is paused. 0 is the default.
	DiskReserve int64 `yaml:"disk_reserve_bytes,omitempty"`
	// DiskBytes is how much /sandbox may hold, its :rw mounts not counted: above
	// it everything inside is paused, and no file may be larger. 0 is no limit.
	DiskBytes int64 `yaml:"disk_bytes,omitempty"`
	// Connections is how many may be open at one time, those to the router not
	// counted. 0 is the default, 1024.
	Connections int `yaml:"connections,omitempty"`
}

// check refuses what is no limit and might be taken for none.
func (l Limits) check() error {
	for _, x := range []struct {
		name string
		is   float64
	}{
		{"memory_bytes", float64(l.MemoryBytes)}, {"pids", float64(l.Pids)}, {"cpus", l.CPUs}, {"tmp_bytes", float64(l.TmpBytes)},
		{"disk_reserve_bytes", float64(l.DiskReserve)}, {"disk_bytes", float64(l.DiskBytes)}, {"connections", float64(l.Connections)},
	} {
		if !(x.is >= 0 && x.is <= math.MaxInt64) { // NaN is neither
			return fmt.Errorf("limits: %s: %v: want 0, which is none of ours, or more", x.name, x.is)
		}
	}
	return nil
}

// Ports are the host's loopback ports that lead inside.
type Ports struct {
	Gateway int `yaml:"gateway"` // to 127.0.0.1:18789 inside; 0 is none
}

// Walls says which of the operator's two choices were made. The zero value is
// enforced.
type Walls struct {
	NetworkOff    bool `yaml:"network_off,omitempty"`
	FilesystemOff bool `yaml:"filesystem_off,omitempty"`
	// Syscalls are refused calls that this sandbox may make, and AuditSyscalls
	// tells of those that are refused in silence as well. See `policy explain
	// --syscall NAME`.
	Syscalls      []string `yaml:"syscalls,omitempty,flow"`
	AuditSyscalls bool     `yaml:"audit_syscalls,omitempty"`
}
