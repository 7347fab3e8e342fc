package recent

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What runs on the thread asks nothing of Go's runtime: what the machine runs
// from serve on is read, in init as it is built, until no new function is met.
func TestNothingIsCalled(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			calls := callsOf(t, arch)
			const first = "internal/confine/recent.serve(SB)"
			open, seen := []string{first}, map[string]bool{}
			for len(open) > 0 {
				f := open[0]
				if open = open[1:]; seen[f] {
					continue
				}
				seen[f] = true
				to, ok := calls[f]
				if !ok {
					t.Errorf("%s is called: its code was not found", f)
				}
				for _, g := range to {
					if strings.HasPrefix(g, "runtime.") || !strings.HasSuffix(g, "(SB)") {
						t.Errorf("%s calls %s", f, g)
					}
				}
				open = append(open, to...)
			}
			if !seen["internal/confine/recent.(*Thread).say(SB)"] || !seen["internal/runtime/syscall/linux.Syscall6(SB)"] && !seen["internal/runtime/syscall/linux.Syscall6.abi0(SB)"] {
				t.Errorf("did not come to the end: %v", seen)
			}
			// The control: this is how it looks where the runtime is needed.
			if text := strings.Join(calls["internal/confine/recent.Start(SB)"], " "); !strings.Contains(text, "runtime.morestack") {
				t.Errorf("Start, whose stack grows, calls %s", text)
			}
		})
	}
}

var (
	function = regexp.MustCompile(`^TEXT (\S+)`)
	// Behind the place, the address and the code; a jump within a function has no name.
	transfer = regexp.MustCompile(`\t(?:CALL|JMP|J[A-Z]+|B|BL|BR)\s+(\S+\(SB\)|[A-Z][A-Z0-9]*|\([A-Z0-9]+\)|0\([A-Z0-9]+\))\s*$`)
)

// callsOf lists, for each function of init, where it goes.
func callsOf(t *testing.T, arch string) map[string][]string {
	file := filepath.Join(t.TempDir(), "init")
	build := exec.Command("go", "build", "-trimpath", "-o", file, "../../../cmd/init")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command("go", "tool", "objdump", "-s", `confine/recent\.|^syscall\.RawSyscall6$|runtime/syscall`, file).Output()
	if err != nil {
		t.Fatal(err)
	}
	calls, f := map[string][]string{}, ""
	for line := range strings.Lines(string(out)) {
		line = strings.ReplaceAll(strings.TrimRight(line, " \n"), "github.com/nemoclaw/nemoclaw/", "")
		if m := function.FindStringSubmatch(line); m != nil {
			f = m[1]
			calls[f] = nil
		} else if m := transfer.FindStringSubmatch(line); m != nil {
			calls[f] = append(calls[f], m[1])
		}
	}
	return calls
}
