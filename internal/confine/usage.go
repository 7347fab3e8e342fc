package confine

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// deepest is how many folders may lie in each other before what is below them
// is not looked at: each keeps a descriptor open.
const deepest = 200

// usage answers how much the workspace holds, beside the rest: it may take long.
func (in *inside) usage(id uint64) {
	u := used{whole: true, most: in.limit(unix.RLIMIT_FSIZE)}
	u.folder(unix.AT_FDCWD, workspace, 0)
	// An error means that the supervisor is gone, and the next Receive ends us.
	_ = in.up.Send(spec.Message{Op: spec.OpUsed, ID: id, Count: int(u.bytes), Whole: u.whole, Places: u.largest})
}

// workspace is where the agent keeps what lasts.
const workspace = "/sandbox"

// used adds up what lies in a tree, without what is mounted in it. The tree is
// the agent's: it may change meanwhile, and no link is followed.
type used struct {
	bytes int64
	whole bool // nothing was left out

	most    uint64   // how large a file may be; 0 is no limit
	largest []string // one that is as large, by its name alone
}

func (u *used) folder(at int, name string, depth int) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil || depth > deepest {
		u.whole = u.whole && err == unix.ENOENT // it went meanwhile
		if err == nil {
			unix.Close(fd)
		}
		return
	}
	defer unix.Close(fd)
	var b [8 << 10]byte
	for {
		n, err := unix.Getdents(fd, b[:])
		if n <= 0 || err != nil {
			u.whole = u.whole && err == nil
			return
		}
		for rest := b[:n]; len(rest) > direntName; {
			size := min(int(binary.NativeEndian.Uint16(rest[direntSize:])), len(rest))
			name, _, _ := bytes.Cut(rest[direntName:size], []byte{0})
			u.entry(fd, string(name), depth)
			rest = rest[size:]
		}
	}
}

func (u *used) entry(at int, name string, depth int) {
	if name == "." || name == ".." {
		return
	}
	var st unix.Statx_t
	err := unix.Statx(at, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE|unix.STATX_NLINK|unix.STATX_BLOCKS|unix.STATX_SIZE, &st)
	if err != nil {
		u.whole = u.whole && err == unix.ENOENT
		return
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return // another's
	}
	dir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if u.most > 0 && st.Size >= u.most && st.Mode&unix.S_IFMT == unix.S_IFREG && len(u.largest) == 0 {
		u.largest = []string{name}
	}
	if size := int64(st.Blocks) * 512; dir || st.Nlink < 2 {
		u.bytes += size
	} else {
		u.bytes += size / int64(st.Nlink) // each of its names adds its part
	}
	if dir {
		u.folder(at, name, depth+1)
	}
}
