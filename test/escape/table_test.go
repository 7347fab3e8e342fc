package escape

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

var table = flag.Bool("table", false, "print a line a case on standard output")

// fate is what came of one case.
type fate string

const (
	wasRefused fate = "refused"
	wasResidue fate = "residue" // it worked, as the threat model says
	wasMended  fate = "MENDED"  // it did not, though the threat model says so
	escaped    fate = "ESCAPED"
	skipped    fate = "skipped"
)

// fateOf judges a case by how it went inside and in its control; why says what
// a skipped one needs.
func fateOf(c attackCase, inside, outside outcome) (f fate, why string) {
	switch {
	case c.residue != "" && inside.Escaped:
		return wasResidue, c.residue
	case inside.Escaped:
		return escaped, "it worked"
	case inside.Needs != "":
		return skipped, "needs " + inside.Needs + " inside"
	case c.residue != "":
		return wasMended, "the threat model is out of date"
	case !outside.Escaped && c.root && os.Getuid() != 0:
		return skipped, "needs root, without which the kernel itself refuses outside too: " + outside.Why
	case !outside.Escaped:
		return skipped, "needs a control that succeeds: " + outside.String()
	}
	return wasRefused, inside.Why
}

// row is one line of the table.
type row struct {
	attackCase
	fate  fate
	why   string
	event string
}

// tabulate prints the rows, and counts them.
func tabulate(rows []row) {
	if !*table {
		return
	}
	counts := map[fate]int{}
	fmt.Printf("%-16s %-10s %-8s %-34s %s\n", "CASE", "WALL", "VERDICT", "EVENT", "WHAT")
	for _, r := range rows {
		counts[r.fate]++
		what := r.name
		if r.fate != wasRefused {
			what += ": " + r.why
		}
		fmt.Printf("%-16s %-10s %-8s %-34s %s\n", r.id, r.wall, r.fate, r.event, what)
	}
	var parts []string
	for _, f := range []fate{wasRefused, wasResidue, skipped, escaped, wasMended} {
		if counts[f] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[f], f))
		}
	}
	fmt.Printf("\n%d cases: %s\n", len(rows), strings.Join(parts, ", "))
}
