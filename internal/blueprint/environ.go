package blueprint

import (
	"path"
	"slices"
	"strings"
)

// systemPath is the machine's part of PATH inside.
const systemPath = "/usr/local/bin:/usr/bin:/bin"

// Environ is what the blueprint adds to the sandbox's environment, PATH first,
// the others in order of their names.
func (i Identity) Environ() []string {
	var folders []string
	for _, folder := range i.Path {
		folders = append(folders, path.Join(ContentDir, folder))
	}
	env := []string{"PATH=" + strings.Join(append(folders, systemPath), ":")}
	names := make([]string, 0, len(i.Env))
	for name := range i.Env {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		env = append(env, name+"="+i.Env[name])
	}
	return env
}
