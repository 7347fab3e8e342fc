package filter

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// asked is one system call as the kernel shows it to a filter.
type asked struct {
	nr, arch uint32
	args     [6]uint64
}

// plainly reads the table as its documentation says, without any of the
// compiler's cleverness. It is the other side of the law.
func plainly(table []Row, a asked) Action {
	if a.arch != arch {
		return Kill
	}
	i := slices.IndexFunc(table, func(r Row) bool { return uint32(r.Nr) == a.nr })
	if i < 0 {
		return Absent
	}
	for _, c := range table[i].Cases {
		if !slices.ContainsFunc(c.Tests, func(t Test) bool { return !slices.Contains(t.Any, a.args[t.Arg]&t.Mask) }) {
			return c.Action
		}
	}
	return table[i].Action
}

// virtual runs a compiled filter as the kernel would.
type virtual struct{ vm *bpf.VM }

func assemble(t testing.TB, prog []unix.SockFilter) virtual {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(prog))
	for i, p := range prog {
		raw[i] = bpf.RawInstruction{Op: p.Code, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	list, all := bpf.Disassemble(raw)
	if !all {
		t.Fatal("the filter has an instruction that classic BPF has not")
	}
	vm, err := bpf.NewVM(list)
	if err != nil {
		t.Fatal(err)
	}
	return virtual{vm}
}

// run lays a out as struct seccomp_data. The VM reads words in network order
// and the kernel in the machine's, so each word is written whole.
func (v virtual) run(t testing.TB, a asked) Action {
	t.Helper()
	b := make([]byte, offArgs+6*8)
	binary.BigEndian.PutUint32(b[offNr:], a.nr)
	binary.BigEndian.PutUint32(b[offArch:], a.arch)
	for i, arg := range a.args {
		binary.BigEndian.PutUint32(b[offArgs+8*i:], uint32(arg))
		binary.BigEndian.PutUint32(b[offArgs+8*i+4:], uint32(arg>>32))
	}
	got, err := v.vm.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	return Action(uint32(got))
}

// interesting gives, for each argument of r, the values at which its answer may
// turn: those it is compared with, their neighbours, and the same under high bits.
func interesting(r Row) [6][]uint64 {
	var out [6][]uint64
	for i := range out {
		out[i] = []uint64{0}
	}
	for _, c := range r.Cases {
		for _, t := range c.Tests {
			for _, v := range append([]uint64{0, 1, t.Mask, ^uint64(0), ^t.Mask}, t.Any...) {
				out[t.Arg] = append(out[t.Arg], v, v|1<<32, v|1<<63, v+1, v-1, v|t.Mask&-t.Mask)
			}
		}
	}
	for i := range out {
		slices.Sort(out[i])
		out[i] = slices.Compact(out[i])
	}
	return out
}

// vectors is every combination of r's interesting values.
func vectors(r Row) [][6]uint64 {
	out := [][6]uint64{{}}
	for arg, values := range interesting(r) {
		var next [][6]uint64
		for _, v := range out {
			for _, x := range values {
				v[arg] = x
				next = append(next, v)
			}
		}
		out = next
	}
	return out
}

func TestCompiledEqualsTable(t *testing.T) {
	table := Table()
	prog, err := Compile()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows, %d instructions", len(table), len(prog))
	vm := assemble(t, prog)
	same := func(a asked) {
		if got, want := vm.run(t, a), plainly(table, a); got != want {
			t.Fatalf("%s(%#x) arch %#x: compiled %v, table %v", Name(int(a.nr)), a.args, a.arch, got, want)
		}
	}
	for nr := range uint32(1024) {
		same(asked{nr: nr, arch: arch})
		same(asked{nr: nr | x32, arch: arch})
		same(asked{nr: nr, arch: unix.AUDIT_ARCH_I386})
		same(asked{nr: nr, arch: unix.AUDIT_ARCH_ARM})
	}
	same(asked{nr: ^uint32(0), arch: arch})
	for _, r := range table {
		for _, v := range vectors(r) {
			same(asked{nr: uint32(r.Nr), arch: arch, args: v})
		}
	}
}

func FuzzCompiledEqualsTable(f *testing.F) {
	table := Table()
	prog, err := Compile()
	if err != nil {
		f.Fatal(err)
	}
	vm := assemble(f, prog)
	for _, r := range table {
		for i, v := range vectors(r) {
			if i%499 == 0 {
				f.Add(uint32(r.Nr), uint32(arch), v[0], v[1], v[2], v[3], v[4], v[5])
			}
		}
	}
	f.Fuzz(func(t *testing.T, nr, machine uint32, a, b, c, d, e, g uint64) {
		call := asked{nr, machine, [6]uint64{a, b, c, d, e, g}}
		if got, want := vm.run(t, call), plainly(table, call); got != want {
			t.Fatalf("%+v: compiled %v, table %v", call, got, want)
		}
	})
}

// A search that has to jump further than eight bits reach.
func TestLongJumps(t *testing.T) {
	var table []Row
	for nr := range 400 {
		table = append(table, Row{Name: "made up", Nr: 2 * nr, Action: Errno(unix.Errno(1 + nr%100)), Cases: []Case{when(Allow, is(0, uint64(nr)))}})
	}
	prog, err := compile(table, Absent)
	if err != nil {
		t.Fatal(err)
	}
	vm := assemble(t, prog)
	for nr := range uint32(900) {
		for _, arg := range []uint64{0, uint64(nr / 2), uint64(nr/2) | 1<<40} {
			a := asked{nr: nr, arch: arch, args: [6]uint64{arg}}
			if got, want := vm.run(t, a), plainly(table, a); got != want {
				t.Fatalf("%d(%d): compiled %v, table %v", nr, arg, got, want)
			}
		}
	}
}

func TestCompileRefusesNonsense(t *testing.T) {
	for name, table := range map[string][]Row{
		"twice":          {{Name: "a", Nr: 1, Action: Allow}, {Name: "b", Nr: 1, Action: Allow}},
		"out of order":   {{Name: "a", Nr: 2, Action: Allow}, {Name: "b", Nr: 1, Action: Allow}},
		"negative":       {{Name: "a", Nr: -1, Action: Allow}},
		"argument 6":     {{Name: "a", Nr: 1, Cases: []Case{when(Allow, is(6, 0))}}},
		"no values":      {{Name: "a", Nr: 1, Cases: []Case{when(Allow, is(0))}}},
		"never true":     {{Name: "a", Nr: 1, Cases: []Case{when(Allow, bits(0, 1, 2))}}},
		"two wide":       {{Name: "a", Nr: 1, Cases: []Case{when(Allow, Test{0, ^uint64(0), []uint64{0, 1}})}}},
		"high int value": {{Name: "a", Nr: 1, Cases: []Case{when(Allow, is(0, 1<<32))}}},
	} {
		if prog, err := compile(table, Absent); err == nil || prog != nil {
			t.Errorf("%s: got %d instructions, error %v", name, len(prog), err)
		}
	}
}
