package blueprint

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"

	"go.yaml.in/yaml/v4"
)

// RecipeFile is the file of a recipe that the others are named in.
const RecipeFile = "blueprint.yaml"

// recipe is what people write: a manifest in which files are named by their
// name, since Build takes their digests.
type recipe struct {
	Format   int `yaml:"format"`
	Identity `yaml:",inline"`
	Policies struct {
		Network   string `yaml:"network"`
		Inference string `yaml:"inference"`
	} `yaml:"policies"`
	Seeds []struct {
		Path string `yaml:"path"`
		Mode string `yaml:"mode"`
		Fill bool   `yaml:"fill"`
		File string `yaml:"file"`
	} `yaml:"seeds"`
	// Files are laid into the content: a file or a whole folder of the recipe.
	Files []struct {
		Path string `yaml:"path"`
		Mode string `yaml:"mode"` // of a file; 0644 where it is left out
		File string `yaml:"file"`
	} `yaml:"files"`
	// Run are commands, each with its arguments, that make more files.
	Run [][]string `yaml:"run"`
	// Debian is where the base is that. Suites, Want and Without are what
	// `blueprint lock` makes the lock of, and go into nothing else.
	Debian *struct {
		Suites   []string `yaml:"suites"`
		Want     []string `yaml:"want"`
		Without  []string `yaml:"without"`
		Lock     string   `yaml:"lock"`
		Leave    []string `yaml:"leave"`
		Links    []Link   `yaml:"links"`
		Download int64    `yaml:"download"`
		Unpacked int64    `yaml:"unpacked"`
	} `yaml:"debian"`
	Packages *struct {
		Lock      string `yaml:"lock"`
		Additions []struct {
			Path string `yaml:"path"`
			File string `yaml:"file"`
		} `yaml:"additions"`
		Moves    []Move   `yaml:"moves"`
		Removals []string `yaml:"removals"`
		Download int64    `yaml:"download"`
		Unpacked int64    `yaml:"unpacked"`
	} `yaml:"packages"`
}

// Build makes the artifact of the recipe in dir. The same files always give
// the same digest: neither time, machine nor user go into it.
func Build(dir fs.FS) (Artifact, error) { return BuildWith(dir, nil) }

// Commands are what the recipe in dir wants run before BuildWith, in a sandbox
// that reaches nothing.
func Commands(dir fs.FS) ([][]string, error) {
	r, err := readRecipe(dir)
	return r.Run, err
}

// BuildWith is Build of a recipe whose commands have made tree; nil is none.
func BuildWith(dir, tree fs.FS) (Artifact, error) {
	r, err := readRecipe(dir)
	if err != nil {
		return Artifact{}, err
	}
	if (tree == nil) != (len(r.Run) == 0) {
		return Artifact{}, fmt.Errorf("build %s: the recipe runs commands, and there is nothing that they made, or the other way round", r.Ref())
	}
	return r.build(dir, tree)
}

// BuildUnder is Build of the recipe as if it ran no commands: what those run on.
func BuildUnder(dir fs.FS) (Artifact, error) {
	r, err := readRecipe(dir)
	if err != nil {
		return Artifact{}, err
	}
	return r.build(dir, nil)
}

func (r recipe) build(dir, tree fs.FS) (Artifact, error) {
	files := shelf{dir: dir, files: map[Digest][]byte{}}
	m := Manifest{Format: r.Format, Identity: r.Identity}
	m.Policies.Network = files.blob(r.Policies.Network, TypeNetworkPolicy)
	m.Policies.Inference = files.blob(r.Policies.Inference, TypeInference)
	for _, seed := range r.Seeds {
		file := files.blob(seed.File, TypeSeed)
		m.Seeds = append(m.Seeds, Seed{Path: seed.Path, Mode: seed.Mode, Fill: seed.Fill, File: file})
	}
	if d := r.Debian; d != nil {
		m.Debian = &Debian{Lock: files.blob(d.Lock, TypeDebianLock), Leave: d.Leave, Links: d.Links, Download: d.Download, Unpacked: d.Unpacked}
	}
	if p := r.Packages; p != nil {
		m.Packages = &Packages{Lock: files.blob(p.Lock, TypeNpmLock), Moves: p.Moves, Removals: p.Removals, Download: p.Download, Unpacked: p.Unpacked}
		for _, added := range p.Additions {
			m.Packages.Additions = append(m.Packages.Additions, Addition{Path: added.Path, File: files.blob(added.File, TypeAddition)})
		}
	}
	if len(r.Files) > 0 {
		m.Layers = append(m.Layers, files.layer("files.tar.gz", r.laid(dir)))
	}
	if tree != nil {
		m.Layers = append(m.Layers, files.layer("run.tar.gz", whole(tree)))
	}
	if files.err != nil {
		return Artifact{}, fmt.Errorf("build %s: %w", m.Ref(), files.err)
	}
	a, err := pack(m, files.files)
	if err != nil {
		return Artifact{}, fmt.Errorf("build %s: %w", m.Ref(), err)
	}
	return a, a.rehearse()
}

// readRecipe reads blueprint.yaml strictly: an unknown key is an error.
func readRecipe(dir fs.FS) (recipe, error) {
	text, err := fs.ReadFile(dir, RecipeFile)
	if err != nil {
		return recipe{}, fmt.Errorf("read recipe: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	var r recipe
	if err := d.Decode(&r); err != nil {
		return recipe{}, fmt.Errorf("read recipe: %w", err)
	}
	if err := d.Decode(new(yaml.Node)); err != io.EOF {
		return recipe{}, fmt.Errorf("read recipe: more than one document")
	}
	return r, nil
}

// rehearse finds what would only fail on the machine of a user: a lockfile
// without integrity, a seed with an unknown placeholder, a platform that lacks
// a package.
func (a Artifact) rehearse() error {
	lock, err := a.Lock()
	if err != nil {
		return fmt.Errorf("build %s: %w", a.Manifest.Ref(), err)
	}
	debs, err := a.Debs()
	if err != nil {
		return fmt.Errorf("build %s: %w", a.Manifest.Ref(), err)
	}
	for _, name := range a.Manifest.Platforms {
		platform, err := ParsePlatform(name)
		if err != nil {
			return err
		}
		if _, err := lock.For(platform); err != nil {
			return fmt.Errorf("build %s: %w", a.Manifest.Ref(), err)
		}
		if a.Manifest.Debian == nil {
			continue
		}
		if _, err := debs.For(platform); err != nil {
			return fmt.Errorf("build %s: %w", a.Manifest.Ref(), err)
		}
	}
	for _, seed := range a.Manifest.Seeds {
		if _, err := a.Seed(seed, Values{}); err != nil {
			return fmt.Errorf("build %s: %w", a.Manifest.Ref(), err)
		}
	}
	return nil
}

// shelf reads the files of a recipe and remembers the first error.
type shelf struct {
	dir   fs.FS
	files map[Digest][]byte
	err   error
}

func (s *shelf) blob(name, mediaType string) Blob {
	if s.err != nil {
		return Blob{}
	}
	body, err := fs.ReadFile(s.dir, name)
	if err != nil {
		s.err = err
		return Blob{}
	}
	sum := Sum(body)
	s.files[sum] = body
	return Blob{MediaType: mediaType, Digest: sum, Size: int64(len(body)), Title: name}
}
