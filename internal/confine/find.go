package confine

import (
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// merged is base with more after it; of several values of one name the last
// counts.
func merged(base, more []string) []string {
	if len(more) == 0 {
		return base
	}
	at := map[string]int{}
	var out []string
	for _, list := range [][]string{base, more} {
		for _, e := range list {
			name, _, _ := strings.Cut(e, "=")
			if i, ok := at[name]; ok {
				out[i] = e
				continue
			}
			at[name] = len(out)
			out = append(out, e)
		}
	}
	return out
}

// find looks name up in the PATH of env, as execvp(3) does; dir is what
// relative names are relative to. Error: ENOENT, or EACCES where only files
// that cannot be executed were found.
func find(name string, env []string, dir string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	worst := syscall.ENOENT
	for _, e := range env {
		list, ok := strings.CutPrefix(e, "PATH=")
		if !ok {
			continue
		}
		for p := range strings.SplitSeq(list, ":") {
			if p == "" {
				p = "."
			}
			full := path.Join(p, name)
			if !path.IsAbs(full) {
				full = path.Join(dir, full)
			}
			switch err := executable(full); err {
			case nil:
				return full, nil
			case syscall.EACCES:
				worst = syscall.EACCES
			}
		}
	}
	return "", worst
}

func executable(p string) error {
	var st unix.Stat_t
	if err := unix.Stat(p, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return syscall.EACCES
	}
	return unix.Access(p, unix.X_OK)
}
