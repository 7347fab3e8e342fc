package spare

import (
	"io/fs"
	"math/rand/v2"
	"testing"
	"testing/fstest"
)

func user(files fstest.MapFS) (uint32, error) {
	return User(func(name string) ([]byte, error) { return fs.ReadFile(files, name) }, rand.Uint64)
}

// A sandbox's user is nobody's: where every id but one is given away, that one
// is found or nothing is.
func TestUser(t *testing.T) {
	id, err := user(fstest.MapFS{})
	if err != nil || id < first || id >= last {
		t.Fatalf("on an empty machine: %d, %v", id, err)
	}
	all := fstest.MapFS{"etc/subuid": {Data: []byte("me:1900000000:100000000")}}
	if id, err := user(all); err == nil {
		t.Errorf("with every id given away: %d", id)
	}
	half := fstest.MapFS{
		"etc/subuid": {Data: []byte("# comment\n\nme:1900000000:50000000\n")},
		"etc/subgid": {Data: []byte("me:1950000000:49999000\n")},
		"etc/passwd": {Data: []byte("x:x:1999999999:1::/:/bin/sh\n")},
		"etc/group":  {Data: []byte("x:x:1999999998\nx:x:wrong:\nx:x:99999999999:\n")},
	}
	for range 200 {
		if id, err := user(half); err == nil && (id < 1_999_999_000 || id >= 1_999_999_998) {
			t.Errorf("%d is somebody's", id)
		}
	}
	unreadable := func(string) ([]byte, error) { return nil, fs.ErrPermission }
	if id, err := User(unreadable, rand.Uint64); err == nil {
		t.Errorf("on a machine whose users are not known: %d", id)
	}
}
