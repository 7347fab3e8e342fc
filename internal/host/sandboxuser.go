package host

import (
	"io/fs"
	"math/rand/v2"

	"github.com/nemoclaw/nemoclaw/internal/host/spare"
)

// FreeUser picks a uid, which is also its gid, that nobody on this machine has,
// see package spare.
func FreeUser(root fs.FS) (uint32, error) {
	return spare.User(func(name string) ([]byte, error) { return fs.ReadFile(root, name) }, rand.Uint64)
}
