package program

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestConstants(t *testing.T) {
	for _, c := range []struct{ ours, theirs int }{
		{SysMemfdCreate, unix.SYS_MEMFD_CREATE}, {mfdCloexec, unix.MFD_CLOEXEC}, {mfdAllowSealing, unix.MFD_ALLOW_SEALING},
		{mfdExec, unix.MFD_EXEC}, {AddSeals, unix.F_ADD_SEALS},
		{Seals, unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE},
	} {
		if c.ours != c.theirs {
			t.Errorf("%#x: the kernel's is %#x", c.ours, c.theirs)
		}
	}
}

// The compiler lays embedded files out as file says.
func TestInPlace(t *testing.T) {
	all, err := built.ReadDir("init")
	if err != nil || len(all) == 0 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	for _, f := range all {
		name := "init/" + f.Name()
		want, err := built.ReadFile(name)
		if got := inPlace(&built, name); err != nil || len(got) == 0 || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d; %v", name, len(got), len(want), err)
		}
	}
	if b := inPlace(&built, "init/none"); b != nil {
		t.Errorf("%d bytes of nothing", len(b))
	}
	if unsafe.Sizeof(built) != unsafe.Sizeof(uintptr(0)) {
		t.Errorf("an embed.FS is %d bytes", unsafe.Sizeof(built))
	}
}

// What is in memory is what was given, for nobody to read or change.
func TestFrom(t *testing.T) {
	text := strings.Repeat("0123456789", 100_000)
	name := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := From("test", func() ([]byte, error) { return os.ReadFile(name) })
	p.Fill(nil) // two at a time
	fd, err := p.File()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text)+1)
	if n, err := unix.Pread(fd, b, 0); err != nil || string(b[:n]) != text {
		t.Errorf("%d of %d bytes, %v", n, len(text), err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&0o777 != 0o111 {
		t.Errorf("mode %o, %v", st.Mode, err)
	}
	if _, err := unix.Pwrite(fd, b[:1], 0); err != unix.EPERM {
		t.Errorf("write: %v", err)
	}
	if err := unix.Ftruncate(fd, 0); err != unix.EPERM {
		t.Errorf("truncate: %v", err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	bad := From("test", func() ([]byte, error) { return nil, os.ErrNotExist })
	if _, err := bad.File(); err == nil || !strings.Contains(err.Error(), "test") {
		t.Errorf("%v", err)
	}
}
