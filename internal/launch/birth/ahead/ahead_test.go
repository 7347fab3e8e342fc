package ahead

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const entry = "-E github.com/nemoclaw/nemoclaw/internal/launch/birth/ahead.enter"

// begins is the program that begins here and says what was begun, for a processor.
func begins(t *testing.T, arch string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "begins")
	build := exec.Command("go", "build", "-o", file, "-ldflags", entry, "./testdata/begins")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// said is what the program says of what was begun, and of itself, when it is
// started by a shell after before; looked sees it while it lasts.
func said(t *testing.T, file, before, words string, looked func(begun []string)) (begun, self []string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", before+` exec "$0" `+words, file)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, to := range []*[]string{&begun, &self} {
		if !lines.Scan() {
			t.Fatalf("said no more: %v", cmd.Wait())
		}
		*to = strings.Fields(lines.Text())
	}
	looked(begun)
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	return begun, self
}

// needsNamespaces skips where nobody may make them.
func needsNamespaces(t *testing.T) {
	t.Helper()
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	if err := cmd.Run(); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skip("this machine makes no user namespaces")
	}
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// onOne has what the test starts run on one processor.
func onOne(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	var was, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &was); err != nil {
		t.Fatal(err)
	}
	for i := 0; one.Count() == 0; i++ {
		if was.IsSet(i) {
			one.Set(i)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.SchedSetaffinity(0, &was); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
}

// A stream that is missing is the runtime's to open: nothing of ours may be taken
// for it, whoever comes first.
func TestMissingStream(t *testing.T) {
	needsNamespaces(t)
	file := begins(t, runtime.GOARCH)
	for range 20 {
		_, self := said(t, file, "exec 2>&-;", "run", func([]string) {})
		if self[3] != os.DevNull {
			t.Fatalf("standard error is %v", self)
		}
	}
}

// Elsewhere than on the machine's own processor an emulator begins the program. It
// makes no such process, so that the thread comes as far as to try, and gives back
// what it has.
func TestEmulated(t *testing.T) {
	arch, emulator := "arm64", "qemu-aarch64"
	if runtime.GOARCH == arch {
		arch, emulator = "amd64", "qemu-x86_64"
	}
	if _, err := exec.LookPath(emulator); err != nil {
		t.Skip("needs " + emulator)
	}
	file := begins(t, arch)
	_, plain := said(t, emulator, "", file+" walk", func([]string) {})
	for words, want := range map[string]string{"run -- true": "failed", "walk": "nothing", "": "nothing", "runs": "nothing"} {
		begun, self := said(t, emulator, "", file+" "+words, func([]string) {})
		if begun[0] != want || self[1] != plain[1] || number(t, self[2]) > number(t, plain[2]) {
			t.Errorf("%s: %v, %v; without it %v", words, begun, self, plain)
		}
	}
}

func TestAhead(t *testing.T) {
	needsNamespaces(t)
	file := begins(t, runtime.GOARCH)
	_, plain := said(t, file, "", "walk", func([]string) {})
	for name, c := range map[string]struct{ before, words, want string }{
		"a run":                     {"", "run -- true", ""},
		"one word":                  {"", "run", ""},
		"no word":                   {"", "", "nothing"},
		"another word":              {"", "walk", "nothing"},
		"a longer one":              {"", "runs", "nothing"},
		"not the first":             {"", "x run", "nothing"},
		"an empty one":              {"", `"" run`, "nothing"},
		"with too few descriptors":  {"ulimit -n 9;", "run", "failed"},
		"with as many as it needs":  {"ulimit -n 16;", "run", ""},
		"on one processor":          {"", "run -- one", ""},
		"where signals are ignored": {`trap "" INT TERM;`, "run", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasSuffix(c.words, "one") {
				onOne(t)
			}
			end := -1
			begun, self := said(t, file, c.before, c.words, func(begun []string) {
				if pid, err := strconv.Atoi(begun[0]); err == nil {
					end, err = unix.PidfdOpen(pid, 0)
					if err != nil {
						t.Errorf("the process is not there: %v", err)
					}
				}
			})
			if c.want != "" {
				if begun[0] != c.want {
					t.Errorf("%v, want %s", begun, c.want)
				}
				if have, want := number(t, self[2]), number(t, plain[2]); have > want {
					t.Errorf("%d descriptors, of which the program itself has %d", have, want)
				}
				return
			}
			if len(begun) != 3 || begun[1] != self[0] || begun[2] == self[1] {
				t.Errorf("the process has %v, its starter %v", begun, self)
			}
			if strings.Trim(self[1], "0") != "" {
				t.Errorf("signals are kept from the program: %v", self)
			}
			if end >= 0 {
				defer unix.Close(end)
				if n, err := unix.Poll([]unix.PollFd{{Fd: int32(end), Events: unix.POLLIN}}, 10_000); n != 1 {
					t.Errorf("the process outlives its starter: %v", err)
				}
			}
		})
	}
}
