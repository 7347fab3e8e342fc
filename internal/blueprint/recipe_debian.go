package blueprint

import (
	"fmt"
	"io/fs"
)

// Wanted is what a recipe wants of Debian, for `blueprint lock`.
type Wanted struct {
	Suites        []string // bookworm, bookworm-security …
	Architectures []string // amd64 …
	Want, Without []string
	Lock          string // the file of the recipe that the lock is written to
}

// WantedOfDebian reads it.
func WantedOfDebian(dir fs.FS) (Wanted, error) {
	r, err := readRecipe(dir)
	if err != nil {
		return Wanted{}, err
	}
	d := r.Debian
	if d == nil || len(d.Suites) == 0 || len(d.Want) == 0 {
		return Wanted{}, fmt.Errorf("lock %s: the recipe wants nothing of Debian: it has no debian: with suites and want", r.Ref())
	}
	if !fs.ValidPath(d.Lock) {
		return Wanted{}, fmt.Errorf("lock %s: lock %q: want a file of the recipe", r.Ref(), clip(d.Lock))
	}
	w := Wanted{Suites: d.Suites, Want: d.Want, Without: d.Without, Lock: d.Lock}
	for _, name := range r.Platforms {
		p, err := ParsePlatform(name)
		if err != nil {
			return Wanted{}, err
		}
		w.Architectures = append(w.Architectures, p.Arch)
	}
	return w, nil
}
