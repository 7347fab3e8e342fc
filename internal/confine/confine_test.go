package confine

import (
	"bufio"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

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

// Two lines of a real table, and one that a kernel would not write.
const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2CAA 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0000000000000000 100 0 0 10 0
   1: 057100CB:D431 057100CB:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 5151 1 0000000000000000 20 4 30 10 -1
   2: garbage
   3: 0000000000000000FFFF0000057100CB:0050 B80D0120000000000000000001000000:01BB 01 0:0 00:0 0 1000 0 6161 1
`

func TestSocketTables(t *testing.T) {
	for _, c := range []struct {
		local, remote string
		inode         uint64
		ok            bool
	}{
		{"203.0.113.5:54321", "203.0.113.5:443", 5151, true},
		{"[::ffff:203.0.113.5]:54321", "203.0.113.5:443", 5151, true},
		{"203.0.113.5:80", "[2001:db8::1]:443", 6161, true},
		{"203.0.113.5:54321", "203.0.113.5:444", 0, false},
	} {
		got, ok := scanTable(bufio.NewScanner(strings.NewReader(table)), netip.MustParseAddrPort(c.local), netip.MustParseAddrPort(c.remote))
		if got != c.inode || ok != c.ok {
			t.Errorf("%s → %s: %d, %v", c.local, c.remote, got, ok)
		}
	}
}

func FuzzHexAddrPort(f *testing.F) {
	for _, s := range []string{"0100007F:1F90", "00000000000000000000000001000000:0050", ":", "zz:0", "0100007F"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := hexAddrPort(s)
		if ok && !a.Addr().IsValid() {
			t.Errorf("%q gave %v", s, a)
		}
	})
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

// Law: a report is read as it was written, and a part of one is none.
func TestReportsAreWhole(t *testing.T) {
	r := report{
		Proofs: []spec.Proof{
			{Wall: spec.ProcessWall, Layer: layerSeccomp, Tried: "x y", Got: "no: z", Refused: true},
			{Wall: spec.NetworkWall, Layer: layerCapture, Tried: "x", Got: "done"},
		},
		Connects: []connect{{To: nobody[0], From: netip.MustParseAddrPort("192.0.2.1:1")}, {To: nobody[1], Error: "refused"}},
	}
	b := r.encode()
	if got, err := decodeReport(b); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v", got, err)
	}
	for i := 1; i < len(b); i++ {
		if b[i-1] == '\n' {
			continue // a whole line less: see complete
		}
		if got, err := decodeReport(b[:i]); err == nil {
			t.Fatalf("%q gave %+v", b[:i], got)
		}
	}
}

func TestSilenceProvesNothing(t *testing.T) {
	in := &inside{}
	if err := in.complete(spec.Spec{}, nil); err == nil {
		t.Error("no proof at all is enough")
	}
}
