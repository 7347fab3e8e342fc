package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

//go:embed expected.txt
var expectedSkips string

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

type key struct{ pkg, test string }

// run is what became of all tests.
type run struct {
	out                     io.Writer
	expected                []*regexp.Regexp
	said                    map[key][]string
	passed, failed, skipped int
	broken                  []string // packages that did not build, or died
	strange                 []string // skips that nobody expected
}

func main() {
	r := &run{out: os.Stdout, said: map[key][]string{}}
	for line := range strings.Lines(expectedSkips) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			r.expected = append(r.expected, regexp.MustCompile(line))
		}
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Fprintln(r.out, in.Text()) // what the go command says beside the events
			continue
		}
		r.take(e)
	}
	os.Exit(r.end())
}

func (r *run) take(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output", "build-output":
		r.said[k] = append(r.said[k], e.Output)
	case "pass":
		if e.Test != "" {
			r.passed++
		} else {
			fmt.Fprintf(r.out, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
		}
		delete(r.said, k)
	case "fail":
		r.fail(k, e)
	case "skip":
		r.skip(k)
	}
}

func (r *run) fail(k key, e event) {
	if e.Test != "" {
		r.failed++
		fmt.Fprintf(r.out, "FAIL  %s %s\n%s", e.Package, e.Test, indented(r.said[k]))
	} else {
		r.broken = append(r.broken, e.Package)
		fmt.Fprintf(r.out, "FAIL  %s  %.1fs\n%s", e.Package, e.Elapsed, indented(r.said[k]))
	}
	delete(r.said, k)
}

// skip counts a skipped test, and holds its reason to the expected ones. A
// package without tests is none.
func (r *run) skip(k key) {
	said := strings.Join(r.said[k], "")
	delete(r.said, k)
	if k.test == "" {
		return
	}
	r.skipped++
	name := k.pkg + " " + k.test + ": " + strings.Join(strings.Fields(said), " ")
	if !slices.ContainsFunc(r.expected, func(x *regexp.Regexp) bool { return x.MatchString(name) }) {
		r.strange = append(r.strange, name)
	}
}

func indented(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString("      " + strings.TrimRight(l, "\n") + "\n")
	}
	return b.String()
}

func (r *run) end() int {
	for _, s := range r.strange {
		fmt.Fprintf(r.out, "FAIL  skipped, and nobody expected it: %s\n", s)
	}
	failed := r.failed + len(r.strange)
	if failed == 0 {
		failed = len(r.broken)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, failed, r.skipped)
	if failed > 0 || r.passed == 0 {
		return 1
	}
	return 0
}
