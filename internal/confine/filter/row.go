package filter

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
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

// list is a table in the making. It grows in place: every start makes one.
type list struct{ rows []Row }

// all appends the same action and reason for several calls.
func (l *list) all(a Action, why string, calls ...call) {
	for _, c := range calls {
		l.rows = append(l.rows, Row{Name: c.name, Nr: c.nr, Action: a, Why: why})
	}
}

// add appends rows.
func (l *list) add(rows ...Row) { l.rows = append(l.rows, rows...) }

// room is for all rows that there are, and some.
const room = 512

// Table returns every row for this architecture, by number. The slice is the
// caller's.
func Table() []Row {
	l := &list{make([]Row, 0, room)}
	plain(l)
	legacy(l)
	silent(l)
	refused(l)
	judged(l)
	// Numbers are sorted and not rows, which are eleven words each.
	order := make([]int, len(l.rows))
	for i, r := range l.rows {
		order[i] = r.Nr<<32 | i
	}
	slices.Sort(order)
	t := make([]Row, len(order))
	for i, o := range order {
		t[i] = l.rows[uint32(o)]
	}
	return t
}

// find is the row of a call. It may be called from several goroutines.
func find(nr int) (Row, bool) {
	t := table()
	i, ok := slices.BinarySearchFunc(t, nr, func(r Row, nr int) int { return cmp.Compare(r.Nr, nr) })
	if !ok {
		return Row{}, false
	}
	return t[i], true
}

// table is a Table that nobody changes.
var table = sync.OnceValue(Table)

// Name says what a call is named, "syscall 999" where the table has no row. It
// may be called from several goroutines.
func Name(nr int) string {
	if r, ok := find(nr); ok {
		return r.Name
	}
	return fmt.Sprintf("syscall %d", nr)
}
