package baretest

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

const module = "github.com/nemoclaw/nemoclaw/"

// AsksNothing fails the test where what begins with first calls the runtime, or
// something that cannot be told; allowed may be called. On the
// way it must meet last, and a system call.
func (c Code) AsksNothing(t *testing.T, first, last string, allowed ...string) {
	t.Helper()
	open, seen := []string{first}, map[string]bool{}
	for len(open) > 0 {
		f := open[0]
		if open = open[1:]; seen[f] {
			continue
		}
		seen[f] = true
		to, ok := c[f]
		if !ok {
			t.Errorf("%s is called: its code was not found", f)
		}
		for _, g := range to {
			switch {
			case slices.Contains(allowed, g):
				seen[g] = true // and not looked into
			case strings.HasPrefix(g, "runtime.") || !strings.HasSuffix(g, "(SB)"):
				t.Errorf("%s calls %s", f, g)
			}
		}
		open = append(open, to...)
	}
	const made, wrapped = "internal/runtime/syscall/linux.Syscall6(SB)", "internal/runtime/syscall/linux.Syscall6.abi0(SB)"
	if !seen[last] || !seen[made] && !seen[wrapped] {
		t.Errorf("did not come to the end: %v", seen)
	}
}

// MustAsk is the control: a function of which it is known that it needs the
// runtime, or calls what nobody can tell.
func (c Code) MustAsk(t *testing.T, f string) {
	t.Helper()
	if !slices.ContainsFunc(c[f], func(g string) bool { return strings.HasPrefix(g, "runtime.") || !strings.HasSuffix(g, "(SB)") }) {
		t.Errorf("%s calls %s", f, c[f])
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

// Code is, for each function of a program, where it goes: everywhere but to places
// of its own.
type Code map[string][]string

// Read builds the program cmd, for a processor, and reads the functions whose
// names match pattern, and those that make system calls. Names are short of the
// module's.
func Read(t *testing.T, cmd, arch, pattern string, flags ...string) Code {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", append(append([]string{"build", "-trimpath", "-o", file}, flags...), module+cmd)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command("go", "tool", "objdump", "-s", pattern+`|^syscall\.RawSyscall6$|runtime/syscall`, file).Output()
	if err != nil {
		t.Fatal(err)
	}
	calls := Code{}
	for text := range strings.SplitSeq(strings.ReplaceAll(string(out), module, ""), "\n\n") {
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
