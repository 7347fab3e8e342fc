package filter

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (seccomp(2)); the argument words are those of
// a little-endian machine, which amd64 and arm64 are.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// x32 is the lowest number of amd64's second set of numbers (x32, and -1). The
// numbers of other architectures do not reach it.
const x32 = 0x40000000

// span is a run of call numbers that share one answer.
type span struct {
	first uint32
	code  []unix.SockFilter
}

// Compile makes the filter of Table.
//
//	wrong architecture        kill
//	number from x32 upwards   ENOSYS
//	else                      binary search to the row, then its cases
//
// The architecture comes first: a number means nothing before it is known.
func Compile() ([]unix.SockFilter, error) {
	return CompileFor(Choice{})
}

// CompileRows makes the filter of another table, whose rows are in the order of
// their numbers.
func CompileRows(table []Row) ([]unix.SockFilter, error) { return compile(table, Absent) }

// compile answers unknown to a number that no row has.
func compile(table []Row, unknown Action) ([]unix.SockFilter, error) {
	spans, err := split(table, unknown)
	if err != nil {
		return nil, err
	}
	prog := make([]unix.SockFilter, 0, enough)
	prog = append(
		prog,
		load(offArch), jump(unix.BPF_JEQ, arch, 1, 0), ret(Kill),
		load(offNr), jump(unix.BPF_JGE, x32, 0, 1), ret(unknown),
	)
	return search(prog, spans), nil
}

// enough instructions for a filter; a longer one takes longer to make.
const enough = 1024

// split turns sorted rows into spans that cover every number from 0: what no
// row names is unknown, and neighbours with one answer are one span.
func split(table []Row, unknown Action) ([]span, error) {
	none := []unix.SockFilter{ret(unknown)}
	spans := append(make([]span, 0, room), span{0, none})
	code := make([]unix.SockFilter, 0, enough)
	next := uint32(0)
	for _, r := range table {
		nr := uint32(r.Nr)
		if r.Nr < 0 || nr < next {
			return nil, fmt.Errorf("compile filter: %s: number %d twice or out of order", r.Name, r.Nr)
		}
		from := len(code)
		var err error
		if code, err = judge(code, r); err != nil {
			return nil, fmt.Errorf("compile filter: %s: %w", r.Name, err)
		}
		if nr > next {
			spans = join(spans, span{next, none})
		}
		spans = join(spans, span{nr, code[from:len(code):len(code)]})
		next = nr + 1
	}
	return join(spans, span{next, none}), nil
}

// join appends s, unless the last span already answers the same.
func join(spans []span, s span) []span {
	last := &spans[len(spans)-1]
	if last.first == s.first {
		last.code = s.code
		return spans
	}
	if len(last.code) == 1 && len(s.code) == 1 && last.code[0] == s.code[0] {
		return spans
	}
	return append(spans, s)
}

// search appends a binary search over spans. The number is in the accumulator;
// every leaf returns.
func search(prog []unix.SockFilter, spans []span) []unix.SockFilter {
	if len(spans) == 1 {
		return append(prog, spans[0].code...)
	}
	mid, fork := len(spans)/2, len(prog)
	prog = search(append(prog, unix.SockFilter{}), spans[:mid])
	low := len(prog) - fork - 1
	prog[fork] = jump(unix.BPF_JGE, spans[mid].first, uint8(min(low, 255)), 0)
	if low > 255 { // a conditional jump has 8 bits, JA has 32
		prog[fork] = jump(unix.BPF_JGE, spans[mid].first, 0, 1)
		prog = slices.Insert(prog, fork+1, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(low)})
	}
	return search(prog, spans[mid:])
}

// judge appends the code of one row: its cases in order, then its action.
func judge(code []unix.SockFilter, r Row) ([]unix.SockFilter, error) {
	for _, c := range r.Cases {
		part := []unix.SockFilter{ret(c.Action)}
		for i := len(c.Tests) - 1; i >= 0; i-- {
			t, err := check(c.Tests[i], len(part))
			if err != nil {
				return nil, err
			}
			part = append(t, part...)
		}
		code = append(code, part...)
	}
	return append(code, ret(r.Action)), nil
}

// check falls through when the test holds, and skips the next miss
// instructions when it does not.
func check(t Test, miss int) ([]unix.SockFilter, error) {
	if t.Arg < 0 || t.Arg > 5 || len(t.Any) == 0 {
		return nil, fmt.Errorf("test of argument %d with %d values", t.Arg, len(t.Any))
	}
	low := uint32(offArgs + 8*t.Arg)
	if t.Mask>>32 == 0 {
		return half(low, uint32(t.Mask), t.Any, miss)
	}
	if len(t.Any) != 1 {
		return nil, fmt.Errorf("wide test of argument %d: %d values, want 1", t.Arg, len(t.Any))
	}
	l, err := half(low, uint32(t.Mask), []uint64{t.Any[0] & word}, miss)
	if err != nil {
		return nil, err
	}
	h, err := half(low+4, uint32(t.Mask>>32), []uint64{t.Any[0] >> 32}, miss+len(l))
	return append(h, l...), err
}

// half compares one 32-bit word of an argument.
func half(off, mask uint32, values []uint64, miss int) ([]unix.SockFilter, error) {
	if miss+len(values) > 255 {
		return nil, fmt.Errorf("jump over %d instructions: at most 255", miss+len(values))
	}
	code := []unix.SockFilter{load(off)}
	if mask != word {
		code = append(code, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask})
	}
	for i, v := range values {
		if v>>32 != 0 || uint32(v)&^mask != 0 {
			return nil, fmt.Errorf("value %#x can never pass mask %#x", v, mask)
		}
		left := len(values) - 1 - i
		if left > 0 {
			code = append(code, jump(unix.BPF_JEQ, uint32(v), uint8(left), 0))
			continue
		}
		code = append(code, jump(unix.BPF_JEQ, uint32(v), 0, uint8(miss)))
	}
	return code, nil
}

func load(off uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
}

func jump(op uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, Jt: yes, Jf: no, K: k}
}

func ret(a Action) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(a)}
}
