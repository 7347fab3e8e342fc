package blueprint

import "time"

// Format is the form of Manifest and of recipes that this program reads and
// writes.
const Format = 1

// ContentDir is where a blueprint's unpacked packages stand inside the
// sandbox, read-only.
const ContentDir = "/opt/nemoclaw/content"

// Manifest says what is inside: the config blob of a blueprint's OCI manifest.
// Its encoding is canonical: one Manifest has one sequence of bytes.
type Manifest struct {
	Format int `json:"format"`
	Identity
	Policies Policies  `json:"policies"`
	Seeds    []Seed    `json:"seeds,omitempty"`
	Debian   *Debian   `json:"debian,omitempty"` // where Base is that
	Packages *Packages `json:"packages,omitempty"`
	// Layers are archives of files (tar, gzip) that are unpacked into
	// ContentDir, one over the other; no two may bring the same file.
	Layers []Blob `json:"layers,omitempty"`
}

// HasContent says whether there is anything to unpack; without, a blueprint is
// nothing but its base.
func (m Manifest) HasContent() bool { return m.Packages != nil || len(m.Layers) > 0 }

// Addition is a file laid among the unpacked packages. It cannot take the
// place of a file that a package brings.
type Addition struct {
	Path string `json:"path"` // below ContentDir, in a folder that a package brings
	File Blob   `json:"file"`
}

// Identity is the part that recipe and manifest share.
type Identity struct {
	Name      string       `json:"name" yaml:"name"`
	Version   string       `json:"version" yaml:"version"`         // semantic, without v
	Published string       `json:"published" yaml:"published"`     // YYYY-MM-DD
	Needs     string       `json:"needs" yaml:"needs"`             // the oldest nemoclaw (and openshell) that can start it
	Kernel    *KernelNeeds `json:"kernel,omitempty" yaml:"kernel"` // what it needs of the kernel; nil: what every sandbox does
	Changes   []string     `json:"changes" yaml:"changes"`         // what is new, for people
	Base      Base         `json:"base" yaml:"base"`
	Platforms []string     `json:"platforms" yaml:"platforms"` // linux/amd64 …; where it runs

	// Agent is nil where nothing starts by itself.
	Agent *Agent `json:"agent,omitempty" yaml:"agent"`
	// Login is the program and arguments of a session that names no command.
	Login []string `json:"login" yaml:"login"`
	// Path are the folders below ContentDir that PATH begins with.
	Path []string `json:"path,omitempty" yaml:"path"`
	// Env is added to the sandbox's environment; it cannot set PATH, HOME or
	// the other names that the plan owns.
	Env   map[string]string `json:"env,omitempty" yaml:"env"`
	Ports []Port            `json:"ports,omitempty" yaml:"ports"`
}

// Base is what lies under the blueprint's own files.
type Base string

// The bases that there are.
const (
	// System is this machine's /usr: the only one that is not pinned.
	System Base = "system"
	// Debianed is a /usr of Debian packages, the same on every machine.
	Debianed Base = "debian"
)

// Describe says it for people.
func (b Base) Describe() string {
	switch b {
	case System:
		return "this machine's /usr, not pinned"
	case Debianed:
		return "Debian packages, each pinned by its SHA-256"
	}
	return string(b)
}

// Agent is the program that runs while the sandbox does.
type Agent struct {
	Name   string   `json:"name" yaml:"name"` // for people: OpenClaw
	Argv   []string `json:"argv" yaml:"argv"` // looked up in PATH inside
	Dir    string   `json:"dir" yaml:"dir"`   // working folder inside
	Health Health   `json:"health" yaml:"health"`
	// Start is how long it may take until Health.Ready answers on a slow
	// machine; Stop how long it has between TERM and KILL.
	Start Duration `json:"start" yaml:"start"`
	Stop  Duration `json:"stop" yaml:"stop"`
}

// Health is how the agent is asked, over HTTP on the sandbox's loopback.
// A path answers 200 when what it stands for holds.
type Health struct {
	Port  uint16 `json:"port" yaml:"port"`
	Live  string `json:"live" yaml:"live"`   // the process is up: /healthz
	Ready string `json:"ready" yaml:"ready"` // it takes work: /readyz
}

// Port is a port of the sandbox's loopback that the host's loopback leads to.
type Port struct {
	Name string `json:"name" yaml:"name"` // gateway
	Port uint16 `json:"port" yaml:"port"` // inside, and the host's first choice
}

// Policies are the files that a new sandbox begins with; the operator's own
// from then on.
type Policies struct {
	Network   Blob `json:"network"`   // network-policy.yaml
	Inference Blob `json:"inference"` // inference.yaml
}

// Seed is a file that is put into the workspace where it is missing. Fill says
// that its placeholders are to be filled.
type Seed struct {
	Path string `json:"path"` // absolute, below /sandbox
	Mode string `json:"mode"` // octal: 0600 or 0644
	Fill bool   `json:"fill,omitempty"`
	File Blob   `json:"file"`
}

// Packages come from the package registry that npm's own configuration names,
// as the lockfile says. The two sizes are for displays and for asking whether
// the disk has room; nothing is decided by them.
type Packages struct {
	Lock      Blob       `json:"lock"`
	Additions []Addition `json:"additions,omitempty"`
	// Moves are folders that lie elsewhere than npm would lay them, in order. They
	// come before Removals and Additions, which name the new place.
	Moves []Move `json:"moves,omitempty"`
	// Removals are files of packages that are left out: what an install script,
	// which is never run, would have removed.
	Removals []string `json:"removals,omitempty"`
	Download int64    `json:"download,omitempty"` // bytes over the wire
	Unpacked int64    `json:"unpacked,omitempty"` // bytes on disk
}

// Move lays the folder that stands at From at To, where nothing stands.
type Move struct {
	From string `json:"from" yaml:"from"`
	To   string `json:"to" yaml:"to"`
}

// Blob is a descriptor: bytes by their digest, an OCI layer of the artifact.
type Blob struct {
	MediaType string `json:"mediaType"`
	Digest    Digest `json:"digest"`
	Size      int64  `json:"size"`
	Title     string `json:"title"` // the file's name in the recipe
}

// Duration is a time.Duration that files write as 30s.
type Duration time.Duration

// MarshalText writes 30s.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads 30s.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// Ref names m, without its digest.
func (i Identity) Ref() Ref { return Ref{Name: i.Name, Version: i.Version} }

// Blobs are the files that m names, each once, in a fixed order.
func (m Manifest) Blobs() []Blob {
	all := []Blob{m.Policies.Network, m.Policies.Inference}
	for _, seed := range m.Seeds {
		all = append(all, seed.File)
	}
	if m.Debian != nil {
		all = append(all, m.Debian.Lock)
	}
	if m.Packages != nil {
		all = append(all, m.Packages.Lock)
		for _, added := range m.Packages.Additions {
			all = append(all, added.File)
		}
	}
	all = append(all, m.Layers...)
	var once []Blob
	seen := map[Digest]bool{}
	for _, blob := range all {
		if !seen[blob.Digest] {
			once = append(once, blob)
		}
		seen[blob.Digest] = true
	}
	return once
}
