package host

import (
	"testing"
	"testing/fstest"
)

// A sandbox's user is nobody's: where every id but one is given away, that one
// is found or nothing is.
func TestFreeUser(t *testing.T) {
	id, err := FreeUser(fstest.MapFS{})
	if err != nil || id < firstSandboxUser || id >= lastSandboxUser {
		t.Fatalf("on an empty machine: %d, %v", id, err)
	}
	all := fstest.MapFS{"etc/subuid": {Data: []byte("me:1900000000:100000000\n")}}
	if id, err := FreeUser(all); err == nil {
		t.Errorf("with every id given away: %d", id)
	}
	half := fstest.MapFS{
		"etc/subuid": {Data: []byte("# comment\nme:1900000000:50000000\n")},
		"etc/subgid": {Data: []byte("me:1950000000:49999000\n")},
		"etc/passwd": {Data: []byte("x:x:1999999999:1::/:/bin/sh\n")},
	}
	for range 20 {
		if id, err := FreeUser(half); err == nil && (id < 1_999_999_000 || id == 1_999_999_999) {
			t.Errorf("%d is somebody's", id)
		}
	}
}
