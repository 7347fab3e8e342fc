package filter

import (
	"cmp"
	"fmt"
	"slices"
)

// Row is one system call of the table.
type Row struct {
	Name   string
	Nr     int
	Action Action // where no Case decides
	Cases  []Case
	Why    string // where the row is not plain
}

// Case decides a call whose arguments pass every Test.
type Case struct {
	Action Action
	Tests  []Test
}

// Test holds when the argument, masked, is one of Any.
type Test struct {
	Arg  int    // 0–5
	Mask uint64 // beyond 32 bits only for pointers and unsigned longs, with one Any
	Any  []uint64
}

// word is the mask of an int argument: the kernel ignores the upper half.
const word = 0xffffffff

// when makes a Case.
func when(a Action, t ...Test) Case { return Case{a, t} }

// is holds when the int argument is one of the values.
func is(arg int, values ...uint64) Test { return Test{arg, word, values} }

// bits holds when the masked int argument is one of the values.
func bits(arg int, mask uint64, values ...uint64) Test { return Test{arg, mask, values} }

// null holds when the pointer argument is nil.
func null(arg int) Test { return Test{arg, ^uint64(0), []uint64{0}} }

// call is a name and its number on this architecture.
type call struct {
	name string
	nr   int
}

// rows gives the same action and reason to several calls.
func rows(a Action, why string, calls ...call) []Row {
	out := make([]Row, len(calls))
	for i, c := range calls {
		out[i] = Row{Name: c.name, Nr: c.nr, Action: a, Why: why}
	}
	return out
}

// Table returns every row for this architecture, by number. The slice is the
// caller's.
func Table() []Row {
	t := slices.Concat(plain(), legacy(), silent(), refused(), judged())
	slices.SortFunc(t, func(a, b Row) int { return cmp.Compare(a.Nr, b.Nr) })
	return t
}

// Name says what a call is named, "syscall 999" where the table has no row. It
// may be called from several goroutines.
func Name(nr int) string {
	if r, ok := byNumber()[nr]; ok {
		return r.Name
	}
	return fmt.Sprintf("syscall %d", nr)
}
