package recent

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What runs on the thread asks nothing of Go's runtime: what the machine runs
// from clone(2) on is read, in init as it is built, until no new function is met.
func TestNothingIsCalled(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			calls := callsOf(t, arch)
			const first = "internal/confine/recent.start.abi0(SB)"
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
			// The control: this is how it looks where the runtime is needed, and
			// where nobody can tell what is called.
			if text := strings.Join(calls["internal/confine/recent.Start(SB)"], " "); !strings.Contains(text, "runtime.morestack") {
				t.Errorf("Start, whose stack grows, calls %s", text)
			}
			if to := calls["internal/confine/recent.(*Thread).Spawner(SB)"]; !slices.ContainsFunc(to, func(g string) bool { return !strings.HasSuffix(g, "(SB)") }) {
				t.Errorf("Spawner, which calls a function value, calls %s", to)
			}
		})
	}
}

var (
	function = regexp.MustCompile(`^TEXT (\S+)`)
	// Place, address, code, instruction.
	instruction = regexp.MustCompile(`^\s+\S+\t+0x([0-9a-f]+)\t+\S+\t+(\S.*)$`)
	// Whatever goes elsewhere than to the next instruction, but for RET.
	transfer = regexp.MustCompile(`^(CALL|J[A-Z]+|LOOP\w*|BLR?|BR|B|B(?:EQ|NE|CS|CC|HS|LO|MI|PL|VS|VC|HI|LS|GE|LT|GT|LE)|CBN?ZW?|TBN?Z)\s(?:.*\s)?(\S+)$`)
	// Where that is said without a name: amd64, arm64.
	place    = regexp.MustCompile(`^0x([0-9a-f]+)$`)
	distance = regexp.MustCompile(`^(-?[0-9]+)\(PC\)$`)
)

// callsOf lists, for each function of init, where it goes: everywhere but to
// places of its own.
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
	calls := map[string][]string{}
	for text := range strings.SplitSeq(strings.ReplaceAll(string(out), "github.com/nemoclaw/nemoclaw/", ""), "\n\n") {
		if m := function.FindStringSubmatch(text); m != nil {
			calls[m[1]] = leaves(t, text)
		}
	}
	return calls
}

// leaves lists where a function goes outside of itself.
func leaves(t *testing.T, text string) (to []string) {
	type jump struct {
		at         uint64
		how, where string
	}
	var jumps []jump
	own := map[uint64]bool{}
	for line := range strings.Lines(text) {
		m := instruction.FindStringSubmatch(strings.TrimRight(line, " \t\n"))
		if m == nil {
			if !strings.HasPrefix(line, "TEXT ") && strings.TrimSpace(line) != "" {
				t.Fatalf("cannot read %q", line)
			}
			continue
		}
		at, _ := strconv.ParseUint(m[1], 16, 64)
		own[at] = true
		if j := transfer.FindStringSubmatch(m[2]); j != nil {
			jumps = append(jumps, jump{at, j[1], j[2]})
		}
	}
	for _, j := range jumps {
		target := uint64(0)
		if m := place.FindStringSubmatch(j.where); m != nil {
			target, _ = strconv.ParseUint(m[1], 16, 64)
		} else if m := distance.FindStringSubmatch(j.where); m != nil {
			n, _ := strconv.ParseInt(m[1], 10, 64)
			target = j.at + uint64(4*n)
		}
		if !own[target] || j.how == "CALL" {
			to = append(to, j.where)
		}
	}
	return to
}
