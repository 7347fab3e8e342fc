package confine

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

func TestMergedEnvironment(t *testing.T) {
	got := merged([]string{"A=1", "B=2"}, []string{"C=3", "A=4", "C=5"})
	if want := []string{"A=4", "B=2", "C=5"}; !slices.Equal(got, want) {
		t.Errorf("%q: want %q", got, want)
	}
}

func TestFindLooksInThePath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"run": 0o755, "read": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"HOME=/", "PATH=/no/such:" + dir}
	if got, err := find("run", env, "/"); got != filepath.Join(dir, "run") || err != nil {
		t.Errorf("run: %q, %v", got, err)
	}
	if got, err := find("./x", env, "/"); got != "./x" || err != nil {
		t.Errorf("with a slash: %q, %v", got, err)
	}
	if got, err := find("run", []string{"PATH=."}, dir); got != filepath.Join(dir, "run") || err != nil {
		t.Errorf("relative: %q, %v", got, err)
	}
	if _, err := find("read", env, "/"); !errors.Is(err, syscall.EACCES) {
		t.Errorf("read: %v", err)
	}
	if _, err := find("none", env, "/"); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("none: %v", err)
	}
}

// Every ABI handles all rights that it knows, and grants nothing beyond.
func TestLandlockRights(t *testing.T) {
	const all = landlock.AccessFSResolveUnix<<1 - 1
	if got := handled(99); got != all {
		t.Errorf("newest handles %#x: want %#x", got, uint64(all))
	}
	if handled(2)&landlock.AccessFSTruncate != 0 || handled(2)&landlock.AccessFSRefer == 0 {
		t.Errorf("ABI 2 handles %#x", handled(2))
	}
	for a, bits := range granted {
		if bits&(landlock.AccessFSMakeChar|landlock.AccessFSMakeBlock) != 0 {
			t.Errorf("%s may make devices", a)
		}
	}
	if granted[spec.Read]&landlock.AccessFSWriteFile != 0 || granted[spec.Read]&landlock.AccessFSExecute != 0 {
		t.Error("read may more than read")
	}
}

// The kernel names the socket of a connection by its two ends, whichever
// family it was made in; a listener on one of them is none.
func TestSocketOfTwoEnds(t *testing.T) {
	var d diag
	if err := d.open(); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(d.fd)
	for _, c := range []struct{ name, listen, dial string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv6", "[::1]:0", "::1"},
		{"IPv4 by an IPv6 socket", "[::]:0", "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", c.listen)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			conn, err := net.Dial("tcp", net.JoinHostPort(c.dial, strconv.Itoa(l.Addr().(*net.TCPAddr).Port)))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			accepted, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer accepted.Close()
			local, remote := conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
			for _, end := range []struct {
				c    net.Conn
				a, b netip.AddrPort
			}{{conn, local, remote}, {accepted, remote, local}} {
				if got, err := d.inode(end.a, end.b); err != nil || got != inodeOf(t, end.c) {
					t.Errorf("%s → %s: %d, %v; want %d", end.a, end.b, got, err, inodeOf(t, end.c))
				}
			}
			nobody := netip.AddrPortFrom(local.Addr(), 1)
			if got, err := d.inode(remote, nobody); err == nil {
				t.Errorf("a connection that is none: %d", got)
			}
		})
	}
}

func inodeOf(t *testing.T, c net.Conn) (inode uint64) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		var st unix.Stat_t
		if err := unix.Fstat(int(fd), &st); err != nil {
			t.Error(err)
		}
		inode = st.Ino
	})
	if err != nil {
		t.Fatal(err)
	}
	return inode
}

// The prover's own program must be found and not be taken for an agent.
func TestProgramOfAProcess(t *testing.T) {
	p, ok := program(os.Getpid())
	exe, err := os.Readlink("/proc/self/exe")
	if !ok || err != nil || p.Exe != exe || p.PID != os.Getpid() {
		t.Errorf("%+v, %v, %v", p, ok, err)
	}
	if _, ok := program(1 << 22); ok {
		t.Error("found a process that cannot be")
	}
}

func TestSilenceProvesNothing(t *testing.T) {
	in := &inside{}
	if err := in.complete(spec.Spec{}, nil); err == nil {
		t.Error("no proof at all is enough")
	}
}
