package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report is all that one run found.
type report struct {
	machine machine
	rows    []row
	missing []absent
	only    string
	began   time.Time
	took    time.Duration
}

func (r report) print(w io.Writer) {
	for _, l := range r.machine.lines() {
		fmt.Fprintln(w, l)
	}
	fmt.Fprintln(w)
	table(w, r.rows)
	for _, m := range r.missing {
		fmt.Fprintf(w, "\nmissing: %s: %s\n", m.who, m.why)
	}
	fmt.Fprintf(w, "\nmeasured in %s\n", r.took.Round(time.Second))
}

// The page keeps what was written by hand around these two lines.
const (
	tableBegins = "<!-- begin: written by go run ./bench -write -->"
	tableEnds   = "<!-- end -->"
)

// writePage puts the report into docs/benchmarks.md of the repository at root.
func (r report) writePage(root string) error {
	path := filepath.Join(root, "docs", "benchmarks.md")
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	before, rest, ok := bytes.Cut(old, []byte(tableBegins))
	_, after, ended := bytes.Cut(rest, []byte(tableEnds))
	if !ok || !ended {
		return fmt.Errorf("write the table: %s has no lines %q and %q", path, tableBegins, tableEnds)
	}
	var page bytes.Buffer
	page.Write(before)
	fmt.Fprintf(&page, "%s\n\n%s\n%s", tableBegins, r.markdown(), tableEnds)
	page.Write(after)
	return os.WriteFile(path, page.Bytes(), 0o644)
}

func (r report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s in %s", r.began.Format("2006-01-02"), r.took.Round(time.Second))
	if r.only != "" {
		fmt.Fprintf(&b, " (only %s)", r.only)
	}
	b.WriteString(".\n\n")
	for _, l := range r.machine.lines() {
		fmt.Fprintf(&b, "- %s\n", l)
	}
	fmt.Fprintf(&b, "\n| %s |\n|%s\n", strings.Join(heads, " | "), strings.Repeat("---|", len(heads)))
	for _, row := range r.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row.cells(), " | "))
	}
	for _, m := range r.missing {
		fmt.Fprintf(&b, "\nNot measured: %s: %s.\n", m.who, strings.TrimSuffix(m.why, "."))
	}
	return b.String()
}
